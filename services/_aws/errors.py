"""Errors of AWS, each as one sentence that does not quote what was sent: that may hold secrets."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from services._chassis.aws import AwsError
from services._chassis.credentials import NoCredentials
from services._chassis.read_budget import BudgetSpent

__all__ = ["AwsError", "Missing", "answer_within", "changing", "code_of", "reading", "temporary_code"]

T = TypeVar("T")

_TEMPORARY = frozenset({
    "Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "TooManyRequestsException",
    "SlowDown", "RequestTimeout", "RequestTimeoutException", "ServiceUnavailable", "ServiceUnavailableException",
    "InternalError", "InternalFailure", "ServerException", "UpdateInProgressException",
})  # fmt: skip
_QUOTABLE = frozenset({
    "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "ClusterNotFoundException",
    "ServiceNotFoundException", "ServiceNotActiveException", "NoSuchBucket", "UnsupportedFeatureException",
})  # fmt: skip
"""Error codes whose text names principal and action, never a value that was sent."""


@dataclass(frozen=True, slots=True)
class Missing:
    """AWS has answered that the thing does not exist."""

    why: str
    """One sentence that names the thing, for the reader of a gate or of an HTTP answer."""


@contextmanager
def reading(service: str, operation: str) -> Iterator[None]:
    """Turn botocore's errors into ``AwsError``. AWS's own text is left out: it may quote what was sent."""
    try:
        yield
    except NoCredentials as error:
        raise _not_entered(error) from None
    except BudgetSpent as error:
        raise AwsError(str(error), code=BudgetSpent.__name__, temporary=True) from None
    except (ClientError, BotoCoreError) as error:
        code = code_of(error)
        # from None: a traceback would show AWS's own text
        raise AwsError(
            f"{service} did not answer {operation}: {code}", code=code, temporary=_is_temporary(error)
        ) from None


@contextmanager
def changing(service: str, operation: str) -> Iterator[None]:
    """Turn errors of a changing call into ``AwsError``; a refusal's text is quoted where it holds no value of ours."""
    try:
        yield
    except NoCredentials as error:
        raise _not_entered(error) from None
    except ClientError as error:
        code, text = code_of(error), str(error.response.get("Error", {}).get("Message", ""))[:300]
        quoted = f" ({text})" if code in _QUOTABLE else ""
        raise AwsError(
            f"{service} refused {operation}: {code}{quoted}", code=code, temporary=_is_temporary(error)
        ) from None
    except BotoCoreError as error:
        code = code_of(error)
        raise AwsError(f"{service} did not answer {operation}: {code}", code=code, temporary=True) from None


def _not_entered(error: NoCredentials) -> AwsError:
    """The account is the matter, not the service that was asked for: the sentence stays."""
    return AwsError(str(error), code=error.code, temporary=error.temporary)


def code_of(error: ClientError | BotoCoreError) -> str:
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__


def temporary_code(code: str) -> bool:
    """Return whether another try may help after an error with this code."""
    return code in _TEMPORARY


def _is_temporary(error: ClientError | BotoCoreError) -> bool:
    """Return whether an error may pass: time-outs, lost connections, and AWS's own faults (status 5xx)."""
    if isinstance(error, BotoCoreError):
        return True
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return temporary_code(code_of(error)) or status >= 500


async def answer_within(seconds: float, question: Awaitable[T]) -> T | AwsError:
    """Wait so many real seconds for an answer, and return the error where there is none.

    It is for several questions at once: one without an answer does not hide the others' answers.
    """
    try:
        async with asyncio.timeout(seconds):
            return await question
    except AwsError as error:
        return error
    except TimeoutError:
        return AwsError(f"no answer within {seconds:g} s", code="TimeoutError", temporary=True)
