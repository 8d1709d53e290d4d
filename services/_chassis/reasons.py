"""Turns an error into a sentence for the requester. No sentence quotes what was sent or stored."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError
from redis.exceptions import RedisError

_OURS = ("services.", "contracts.")
"""Modules whose errors have texts without secrets; texts of other errors may quote what they were given."""


class Impossible(Exception):
    """A job cannot be done, and another attempt would end the same way. The text is a sentence for the requester."""


def first_cause(error: BaseException) -> BaseException:
    """Return the first error of an exception group, whose own text says nothing; return any other error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def is_permanent(error: BaseException) -> bool:
    """Return whether another attempt would end the same way.

    AWS's errors say so in ``temporary``. A payload that this version cannot read stays unreadable, and what cannot be
    computed comes out the same again.
    """
    error = first_cause(error)
    permanent = Impossible | ValidationError | ArithmeticError | RecursionError
    return isinstance(error, permanent) or getattr(error, "temporary", True) is False


def sentence_of(error: BaseException) -> str:
    """Return what happened, as a sentence without its full stop."""
    error = first_cause(error)
    text = str(error).strip().rstrip(".")
    if type(error).__module__.startswith(_OURS) and text:
        return text
    return next((describe(error) for kind, describe in _DESCRIPTIONS if isinstance(error, kind)), _unexpected(error))


def _unreadable(error: Any) -> str:
    fields = ", ".join(sorted({".".join(map(str, fault["loc"])) or "all of it" for fault in error.errors()}))
    return f"what it was asked to do cannot be read by this version ({fields})"


def _refused(error: Any) -> str:
    return f"AWS refused {error.operation_name}: {error.response.get('Error', {}).get('Code', 'unknown')}"


def _unexpected(error: BaseException) -> str:
    return f"an unexpected error ({type(error).__name__}), which the log has in full"


_DESCRIPTIONS: tuple[tuple[type[BaseException], Callable[[Any], str]], ...] = (
    (ValidationError, _unreadable),
    (TimeoutError, lambda _: "it took too long"),
    (ClientError, _refused),
    (BotoCoreError, lambda error: f"AWS did not answer ({type(error).__name__})"),
    (RedisError, lambda error: f"Redis did not answer ({type(error).__name__})"),
    (OSError, lambda error: f"a connection failed ({error.strerror or type(error).__name__})"),
)
"""Type of error → its sentence; the first type that fits is used."""
