"""What an application reports about its dependencies under ``/health/ready``."""

import re
from collections.abc import Mapping
from typing import Any

GOOD = frozenset({"ok", "up", "healthy", "connected", "available", "ready", "pass", "passing", "true"})
BAD = frozenset(
    {"error", "down", "unhealthy", "disconnected", "unavailable", "not_ready", "fail", "failed", "failing"}
    | {"false", "degraded"}
)
_MIGRATIONS = (
    "status",
    "state",
    "current",
    "current_revision",
    "head",
    "head_revision",
    "heads",
    "up_to_date",
    "pending",
    "pending_count",
    "pending_migrations",
    "applied",
    "applied_at",
)
_WORD = re.compile(r"[A-Za-z0-9_.:+() -]{1,100}")
_MOST_PENDING = 100
_CONTAINERS = ("checks", "dependencies", "components", "services")


def reported(document: object, name: str) -> bool | None:
    """Whether the application reports that its dependency ``name`` is well; None when it reports nothing known here.

    The report is a field of the document or of one of the usual containers: a boolean, a word, or an object with such
    a ``status``. The application's own words are not passed on.
    """
    return _well(_field(document, name))


def mentions(document: object, name: str) -> bool:
    """Whether the document has a field ``name`` at all."""
    return _field(document, name) is not None


def migrations(document: object) -> dict[str, Any] | None:
    """Return what the ``migrations`` object reports, if there is one (docs/requirements.md, Database migrations).

    Only known fields are passed on, and of texts only those of the shape of a revision or a word: the application may
    report anything, the URL of its database included.
    """
    found = _field(document, "migrations")
    if not isinstance(found, Mapping):
        return None
    return {name: found[name] for name in _MIGRATIONS if name in found and _plain(found[name])}


def _plain(value: object) -> bool:
    if isinstance(value, list):
        return len(value) <= _MOST_PENDING and all(isinstance(entry, str) and _plain(entry) for entry in value)
    return value is None or isinstance(value, bool | int) or (isinstance(value, str) and bool(_WORD.fullmatch(value)))


def _field(document: object, name: str) -> object:
    if not isinstance(document, Mapping):
        return None
    if name in document:
        return document[name]
    inner = (document.get(container) for container in _CONTAINERS)
    return next((fields[name] for fields in inner if isinstance(fields, Mapping) and name in fields), None)


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
