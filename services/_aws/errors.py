"""Errors of AWS, each as one sentence without secrets: what was sent may hold some, and AWS may quote it."""

import asyncio
import re
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from contracts.prose import quote
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
_LONGEST_TEXT = 300
_HIDDEN = "[…]"
_SHORTEST_SECRET = 4
"""Shorter values, such as ``1`` or ``on``, are parts of usual words and no secrets."""
_NAME = re.compile(
    r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{0,12}:[\w.:/@-]+"  # an ARN
    r"|[A-Za-z][A-Za-z0-9_.\[\]-]{0,39}"  # a word, a parameter, the name of a container
    r"|[0-9]{1,12}%?"
)
"""The shapes of what AWS's sentences about a request consist of."""
_AROUND = "\"'‘’“”()[]{}<>,.;:!?"  # noqa: RUF001  AWS's own quotation marks


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
    except asyncio.CancelledError as cancelled:
        cancelled.add_note(f"{service} did not answer {operation}")  # for whoever waits no longer
        raise
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
def changing(service: str, operation: str, *, secrets: Iterable[str] | None = None) -> Iterator[None]:
    """Turn errors of a changing call into ``AwsError``, with AWS's own text where it holds no secret.

    ``secrets`` are the values that were sent and that nobody may read: then each refusal's text is quoted, without
    them and without words of unusual shapes. None: the values are not known, and only texts are quoted that name
    principal and action.
    """
    try:
        yield
    except asyncio.CancelledError as cancelled:
        cancelled.add_note(f"{service} did not answer {operation}")  # for whoever waits no longer
        raise
    except NoCredentials as error:
        raise _not_entered(error) from None
    except ClientError as error:
        code, temporary = code_of(error), _is_temporary(error)
        text = str(error.response.get("Error", {}).get("Message", ""))
        if code in _QUOTABLE:
            quoted = f" ({quote(text, _LONGEST_TEXT)})"
        elif secrets is not None and text and not temporary:
            quoted = f" ({quote(without_secrets(text, secrets), _LONGEST_TEXT)})"
        else:
            quoted = ""
        retried = int(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)) > 0
        raise AwsError(
            f"{service} refused {operation}: {code}{quoted}", code=code, temporary=temporary, sent_before=retried
        ) from None
    except BotoCoreError as error:
        code = code_of(error)
        raise AwsError(f"{service} did not answer {operation}: {code}", code=code, temporary=True) from None


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return AWS's sentence without these values and their parts, and without words of an unusual shape."""
    known = sorted({secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}, key=len, reverse=True)
    for secret in known:
        text = text.replace(secret, _HIDDEN)
    return " ".join(_shown(word, known) for word in text.split())


def _shown(word: str, secrets: Iterable[str]) -> str:
    core = word.strip(_AROUND)
    part = len(core) >= _SHORTEST_SECRET and any(core in secret for secret in secrets)
    plain = not core or _HIDDEN in word or _NAME.fullmatch(core)
    return word.replace(core, _HIDDEN) if part or not plain else word


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
    except TimeoutError as late:
        unanswered = next(iter(getattr(late.__cause__, "__notes__", ())), "no answer")
        return AwsError(f"{unanswered} within {seconds:g} s", code="TimeoutError", temporary=True)
