"""Errors become sentences: never a class name alone, never what was sent."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from redis.exceptions import ConnectionError as RedisAway

from services._chassis.acting import LeaseOver
from services._chassis.reasons import Impossible, first_cause, is_permanent, sentence_of

REFUSED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "secret"}}, "DescribeServices")


class Temporary(Exception):
    temporary = True


class Final(Exception):
    temporary = False


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Impossible("There is no such service."), "There is no such service"),
        (LeaseOver("the lease has run out; nothing was sent"), "the lease has run out; nothing was sent"),
        (TimeoutError(), "it took too long"),
        (REFUSED, "AWS refused DescribeServices: AccessDeniedException"),
        (EndpointConnectionError(endpoint_url="http://secret"), "AWS did not answer (EndpointConnectionError)"),
        (RedisAway("secret"), "Redis did not answer (ConnectionError)"),
        (ConnectionRefusedError(111, "Connection refused"), "a connection failed (Connection refused)"),
        (KeyError("secret"), "an unexpected error (KeyError), which the log has in full"),
        (ExceptionGroup("unhandled errors", [TimeoutError(), KeyError("k")]), "it took too long"),
    ],
)
def test_each_error_is_a_sentence(error: Exception, sentence: str) -> None:
    assert sentence_of(error) == sentence


def test_a_group_is_its_first_cause() -> None:
    cause = KeyError("k")
    assert first_cause(ExceptionGroup("outer", [ExceptionGroup("inner", [cause, TimeoutError()])])) is cause


def test_what_will_not_pass_says_so() -> None:
    assert is_permanent(ExceptionGroup("g", [Impossible("no")]))
    assert is_permanent(Final())
    assert not any(is_permanent(error) for error in (Temporary(), TimeoutError(), KeyError("k"), REFUSED))
