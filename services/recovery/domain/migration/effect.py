"""Whether a migration that ended with exit code 0 has done what it was run for, by what the application tells.

Exit code 0 is no proof: the task may have reached another database, stamped a revision without migrating anything, or
found nothing to do in an image that was older than thought. Only what can be seen counts; what cannot is said.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from contracts.migration import EFFECT, KEPT_READY, MigrationResult
from contracts.schema_status import SchemaStatus, same_revision
from services.recovery.domain.migration.migration_end import SCHEMA, Ended

_UPGRADE = re.compile(r"Running upgrade\s+(?P<of>[\w.,+\s-]*?)\s*->\s*(?P<to>[\w.+-]+)")
"""What Alembic logs for each revision that it makes (``alembic.runtime.migration``)."""
_NOT_READY = "The version that is live was ready before it and is not since"
_STAMP = re.compile(r"Running stamp_revision")


@dataclass(frozen=True, slots=True)
class Reported:
    """What the application has told before and after, and what is known besides."""

    before: SchemaStatus | None
    """None where it was not asked."""
    after: SchemaStatus | None
    once: frozenset[str] = frozenset()
    """Revisions that the database is known to have been at: a version whose head is one of them is not waited for."""


@dataclass(frozen=True, slots=True)
class Logged:
    """What the log of a migration tells."""

    reached: tuple[str, ...] = ()
    """The revisions that it says it has brought the database to."""
    stamped: bool = False
    """Whether it has set a revision without migrating."""

    @classmethod
    def read(cls, lines: Iterable[str]) -> "Logged":
        text = "\n".join(lines)
        steps = [(re.split(r"[,\s]+", found["of"]), found["to"]) for found in _UPGRADE.finditer(text)]
        left = {revision for before, _ in steps for revision in before}
        return cls(tuple(to for _, to in steps if to not in left), _STAMP.search(text) is not None)


@dataclass(frozen=True, slots=True)
class Proof:
    """What the application tells of a migration that ended with exit code 0."""

    sentence: str
    against: str = ""
    """The check that speaks against it and can be overridden by its name; empty where none does."""


def prove(report: Reported, lines: Iterable[str], *, compatible: bool) -> Proof:
    """Return what the application tells. ``compatible``: whether one is to be able to go back over the migration."""
    before, after, logged = report.before, report.after, Logged.read(lines)
    if after is None or after.unknown:
        why = after.unknown if after is not None else "the application was not asked"
        return Proof(f"Whether the schema has changed is not known: {why}.")
    if (why_not := _no_effect(report, before or SchemaStatus(), after, logged)) is not None:
        return Proof(f"{why_not} {SCHEMA}", EFFECT)
    sentence = " ".join(_remarks(before, after, logged))
    if compatible and _broke(before, after):
        forward = "so that there is no way back over it. The way out is forward: deploy the new version."
        return Proof(f"{sentence} {_NOT_READY}: it does not work with the new schema, {forward}", KEPT_READY)
    return Proof(f"{sentence} {_NOT_READY}." if _broke(before, after) else sentence)


def remark(before: SchemaStatus | None, after: SchemaStatus) -> str:
    """Return what the application tells of a migration that has failed, or whose end is not known, as a sentence."""
    if after.unknown:
        return ""
    if before is None or before.unknown:
        return f"The application reports {after.named}."
    was = "as before it" if before.named == after.named else f"and {before.named} before it"
    return f"The application reports {after.named}, {was}."


def believed(ended: Ended, proof: Proof, overridden: Collection[str]) -> Ended:
    """Return the end of a migration with exit code 0 by what the application tells of it as well."""
    if proof.against in overridden:
        counts = f"It counts by the override {proof.against}."
        return replace(ended, sentence=f"{ended.sentence} {proof.sentence} {counts}")
    result: MigrationResult = "unknown" if proof.against == EFFECT else "succeeded"
    sentence = f"{ended.sentence} {proof.sentence}"
    if proof.against == EFFECT:
        sentence = f"It ended with exit code 0, and had no effect: {proof.sentence}"
    return replace(ended, result=result, sentence=sentence, against=proof.against)


def _no_effect(report: Reported, before: SchemaStatus, after: SchemaStatus, logged: Logged) -> str | None:
    """Return why exit code 0 is not believed, as a sentence; None where nothing speaks against it."""
    changed = before.revisions != after.revisions
    missing = [revision for revision in logged.reached if not after.has(revision)]
    if missing and after.revisions and not (changed and before.revisions):
        return (
            f"its log says that it upgraded to {', '.join(missing)}, and the application still reports "
            f"{after.named}. It may have migrated another database."
        )
    if changed or logged.reached or logged.stamped or not (before.revisions or before.pending):
        return None
    if before.pending and (after.pending or 0) >= before.pending:
        return f"the application reports {after.pending} migrations that are still to be made, as before it."
    behind = after.up_to_date is False and before.up_to_date is False
    if behind and after.pending is None and after.heads and not _ahead(after, report.once):
        return (
            f"the application reports {after.named} as before it, and its own version wants {', '.join(after.heads)}."
        )
    return None


def _ahead(after: SchemaStatus, once: Collection[str]) -> bool:
    """Return whether the database has left behind what the version that serves wants."""
    return all(any(same_revision(head, known) for known in once) for head in after.heads)


def _broke(before: SchemaStatus | None, after: SchemaStatus) -> bool:
    return before is not None and before.ready is True and after.ready is False


def _remarks(before: SchemaStatus | None, after: SchemaStatus, logged: Logged) -> Iterator[str]:
    """Yield sentences about what nothing speaks against."""
    if before is None or before.unknown:
        yield f"The application reports {after.named}; what it reported before is not known."
    elif before.revisions != after.revisions:
        yield f"The application reports {after.named}, and {before.named} before it."
        if logged.stamped and not logged.reached:
            yield "Its log shows that the revision was set, and nothing that was migrated."
    else:
        yield f"The application reports {after.named} as before it: there was nothing to be done, as far as it tells."
    if after.several_heads:
        named = ", ".join(after.heads if len(after.heads) > 1 else after.revisions)
        yield f"It reports several heads ({named}): which one the schema should have is not clear."
