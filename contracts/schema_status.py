"""What an application tells of its database's schema under its readiness path, in the object ``migrations``."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self

from pydantic import Field

from contracts.base import Contract
from contracts.prose import Plain, Prose

FIELDS = (
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
"""The fields of ``migrations`` that are read; the requirements (docs/requirements.md) name the object alone."""
MOST_REVISIONS = 20
SHORTEST_REVISION = 4
"""Characters of a revision that are enough to compare it with one that is told at its whole length."""
_MOST_PENDING = 100
_WORD = re.compile(r"[A-Za-z0-9_.:+(), -]{1,100}")
_REVISION = re.compile(r"[A-Za-z0-9_.:+-]{1,100}")
_CONTAINERS = ("checks", "dependencies", "components", "services")
_BEHIND = frozenset({"pending", "behind", "outdated", "out_of_date"})

Revision = Annotated[Plain, Field(max_length=100)]


class SchemaStatus(Contract):
    """The schema of a database, as the application that serves tells it."""

    revisions: tuple[Revision, ...] = ()
    """The revisions that the database is at, in the order of their names: one, unless its history has branches."""
    heads: tuple[Revision, ...] = ()
    """The newest revisions that the version that serves knows."""
    pending: Annotated[int, Field(ge=0)] | None = None
    """How many migrations it says are still to be made, 1 where it does not count them; None: it does not say."""
    up_to_date: bool | None = None
    """Whether it calls its schema up to date; it may be behind or ahead of its code otherwise."""
    ready: bool | None = None
    """Whether it calls itself ready at all; None: it did not answer."""
    unknown: Prose = ""
    """Why nothing is known of the schema, as a clause; empty where something is."""

    @classmethod
    def reported_by(cls, document: object, *, ready: bool) -> Self:
        """Return what an answer tells. Texts that have not the shape of a revision or a word are left out."""
        report = migrations_of(document)
        if report is None:
            return cls(ready=ready, unknown="the application tells nothing of its migrations")
        revisions = _revisions(report, "current", "current_revision")
        heads = _revisions(report, "heads", "head", "head_revision")
        up_to_date = _up_to_date(report)
        if up_to_date is None and revisions and heads:
            up_to_date = revisions == heads
        pending = _pending(report)
        unknown = "" if revisions or pending is not None else "the application tells no revision of its schema"
        return cls(
            revisions=revisions, heads=heads, pending=pending, up_to_date=up_to_date, ready=ready, unknown=unknown
        )

    @property
    def several_heads(self) -> bool:
        """Return whether its history has branches that nobody has merged, and the database is not at all of them."""
        return max(len(self.heads), len(self.revisions)) > 1 and self.revisions != self.heads

    @property
    def named(self) -> str:
        """Return the revisions as a clause names them."""
        return ", ".join(self.revisions) or f"{self.pending} migrations to be made"

    def has(self, revision: str) -> bool:
        """Return whether the database is at a revision; either may be told by its first characters."""
        return any(same_revision(revision, known) for known in self.revisions)


def same_revision(one_name: str, another: str) -> bool:
    """Return whether two names are of one revision: whole, or by the first characters."""
    shorter, longer = sorted((one_name, another), key=len)
    return shorter == longer or (len(shorter) >= SHORTEST_REVISION and longer.startswith(shorter))


def migrations_of(document: object) -> dict[str, Any] | None:
    """Return what the ``migrations`` object reports, if there is one (docs/requirements.md, Database migrations).

    Only known fields are passed on, and of texts only those of the shape of a revision or a word: the application may
    report anything, the URL of its database included.
    """
    found = field_of(document, "migrations")
    if not isinstance(found, Mapping):
        return None
    return {name: found[name] for name in FIELDS if name in found and _harmless(found[name])}


def field_of(document: object, name: str) -> object:
    """Return a field of a report: of the document, or of one of the usual containers; None where it has none."""
    if not isinstance(document, Mapping):
        return None
    if name in document:
        return document[name]
    inner = (document.get(container) for container in _CONTAINERS)
    return next((fields[name] for fields in inner if isinstance(fields, Mapping) and name in fields), None)


def _harmless(value: object) -> bool:
    if isinstance(value, list):
        return len(value) <= _MOST_PENDING and all(isinstance(entry, str) and _harmless(entry) for entry in value)
    return value is None or isinstance(value, bool | int) or (isinstance(value, str) and bool(_WORD.fullmatch(value)))


def _revisions(report: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    """Return the revisions of the first of these fields that has any; ``1a2b (head)`` is one, ``1a2b, 3c`` are two."""
    for name in names:
        value = report.get(name)
        texts: Iterable[object] = value if isinstance(value, list) else (value,)
        words = [word for text in texts if isinstance(text, str) for word in re.split(r"[,\s]+", text)]
        found = sorted({word for word in words if _REVISION.fullmatch(word) and word.lower() not in {"none", "head"}})
        if found:
            return tuple(found[:MOST_REVISIONS])
    return ()


def _pending(report: Mapping[str, Any]) -> int | None:
    for name in ("pending_count", "pending_migrations", "pending"):
        value = report.get(name)
        if isinstance(value, list):
            return len(value)
        if isinstance(value, int) and 0 <= value < 2**31:
            return int(value)
    return None


def _up_to_date(report: Mapping[str, Any]) -> bool | None:
    value = report.get("up_to_date")
    if isinstance(value, bool):
        return value
    words = (report.get(name) for name in ("status", "state"))
    word = next((word.strip().lower().replace(" ", "_") for word in words if isinstance(word, str)), "")
    return True if word in {"up_to_date", "current"} else False if word in _BEHIND else None
