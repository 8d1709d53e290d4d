"""What an application reports about its dependencies under ``/health/ready``."""

from collections.abc import Mapping

from contracts.schema_status import field_of

GOOD = frozenset({"ok", "up", "healthy", "connected", "available", "ready", "pass", "passing", "true"})
BAD = frozenset(
    {"error", "down", "unhealthy", "disconnected", "unavailable", "not_ready", "fail", "failed", "failing"}
    | {"false", "degraded"}
)


def reported(document: object, name: str) -> bool | None:
    """Whether the application reports that its dependency ``name`` is well; None when it reports nothing known here.

    The report is a field of the document or of one of the usual containers: a boolean, a word, or an object with such
    a ``status``. The application's own words are not passed on.
    """
    return _well(field_of(document, name))


def mentions(document: object, name: str) -> bool:
    """Whether the document has a field ``name`` at all."""
    return field_of(document, name) is not None


def _well(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip().lower()
        return True if word in GOOD else False if word in BAD else None
    if isinstance(value, Mapping):
        stated = (value.get(name) for name in ("status", "state", "healthy", "connected", "ok"))
        return next((_well(status) for status in stated if isinstance(status, bool | str)), None)
    return None
