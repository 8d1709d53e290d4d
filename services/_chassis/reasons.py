"""From an error to a sentence for whoever waits for the work. No sentence quotes what was sent or stored."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError
from redis.exceptions import RedisError

_OURS = ("services.", "contracts.")
"""Texts of our own errors are sentences without secrets; those of others may quote what they were given."""


class Impossible(Exception):
    """A job cannot be done, and another attempt would end the same way. The text is the sentence for whoever asked."""


def first_cause(error: BaseException) -> BaseException:
    """Return what went wrong first where several things did: a group's name says nothing."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def is_permanent(error: BaseException) -> bool:
    """Whether another attempt would end the same way.

    An error that knows says so in ``temporary`` (AWS's). A payload that this version cannot read stays unreadable.
    """
    error = first_cause(error)
    return isinstance(error, Impossible | ValidationError) or getattr(error, "temporary", True) is False


def sentence_of(error: BaseException) -> str:
    """Return what happened, as a sentence without its full stop."""
    error = first_cause(error)
    text = str(error).strip().rstrip(".")
    if type(error).__module__.startswith(_OURS) and text:
        return text
    return next((told(error) for kind, told in _TOLD if isinstance(error, kind)), _unexpected(error))


def _unreadable(error: Any) -> str:
    fields = ", ".join(sorted({".".join(map(str, fault["loc"])) or "all of it" for fault in error.errors()}))
    return f"what it was asked to do cannot be read by this version ({fields})"


def _refused(error: Any) -> str:
    return f"AWS refused {error.operation_name}: {error.response.get('Error', {}).get('Code', 'unknown')}"


def _unexpected(error: BaseException) -> str:
    return f"an unexpected error ({type(error).__name__}), which the log has in full"


_TOLD: tuple[tuple[type[BaseException], Callable[[Any], str]], ...] = (
    (ValidationError, _unreadable),
    (TimeoutError, lambda _: "it took too long"),
    (ClientError, _refused),
    (BotoCoreError, lambda error: f"AWS did not answer ({type(error).__name__})"),
    (RedisError, lambda error: f"Redis did not answer ({type(error).__name__})"),
    (OSError, lambda error: f"a connection failed ({error.strerror or type(error).__name__})"),
)
"""The first kind that fits tells."""
