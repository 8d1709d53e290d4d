"""What recovery remembers of a service's version, count and limits, and of their changes between two looks."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Self

from contracts.base import Contract, Target
from contracts.prose import Plain, Prose
from contracts.state import State
from services.recovery.domain.moves.facts import Noticed, What
from services.recovery.domain.moves.find import SLACK, limits
from services.recovery.domain.moves.move import Move
from services.recovery.domain.moves.mover import By, Mover, Sure

MOST_CHANGES = 30
"""How many changes of a service are remembered; an autoscaler makes many, and AWS has these in its own record."""
NO_LIMITS = "none"
LONGEST = timedelta(days=1)
"""How long it is asked at most, where CloudTrail cannot be read meanwhile."""
SETTLES = timedelta(minutes=25)
"""How long after a change it is asked who it was, unless that is certain before: CloudTrail has it by then."""


class MovesWork(State):
    """The payload of a look."""

    target: Target | None = None
    """None: all services."""


def moves_key(target: Target) -> str:
    return f"moves:{target}"


class Seen(Contract):
    """A service as a look has seen it."""

    version: Plain
    """``family:revision``."""
    deployment_id: Plain = ""
    """The deployment that is live; another one with the same version has gone back, or is the same once more."""
    desired: int | None = None
    """None for a DAEMON, whose count is that of its instances."""
    limits: Plain | None = None
    """``low to high``, ``none``, or None where they could not be read."""
    at: datetime

    def changes_to(self, later: "Seen") -> Iterator[Noticed]:
        """Yield what is another in a later look. What one of them does not know has not changed."""
        since, at = self.at.timestamp(), later.at.timestamp()
        named: tuple[tuple[What, object, object], ...] = (
            ("version", self.version or None, later.version or None),
            ("count", self.desired, later.desired),
            ("limits", self.limits, later.limits),
        )
        for what, before, after in named:
            if before is not None and after is not None and before != after:
                yield Noticed(what, str(before), str(after), since, at)

    def only_what_both_see(self, again: "Seen") -> "Seen":
        """Return this look without what another one, a moment later, does not confirm: a read may be an old one."""
        kept = {
            "desired": self.desired if self.desired == again.desired else None,
            "version": self.version if self.version == again.version else "",
            "limits": self.limits if self.limits == again.limits else None,
        }
        return self.model_copy(update=kept)

    def is_of_another_deployment(self, before: "Seen | None") -> bool:
        """Return whether somebody has deployed since, which a version that is back again does not show."""
        return before is not None and bool(before.deployment_id) and self.deployment_id != before.deployment_id

    def filled_from(self, before: "Seen | None") -> "Seen":
        """Return this look, with what was known before where it does not know."""
        if before is None:
            return self
        kept = {
            "version": self.version or before.version,
            "desired": before.desired if self.desired is None else self.desired,
            "limits": before.limits if self.limits is None else self.limits,
        }
        return self.model_copy(update=kept)


def seen_limits(found: tuple[int, int] | None) -> str:
    return NO_LIMITS if found is None else limits(*found)


class Change(Contract):
    """A change between two looks, and who made it as far as that is known by now."""

    what: What
    before: Plain
    after: Plain
    since: datetime
    at: datetime
    by: By = By.UNKNOWN
    who: Prose = ""
    sure: Sure = Sure.NOT_YET
    evidence: tuple[Prose, ...] = ()
    stood: Plain = ""
    """How many tasks were wanted before the first of several falls; empty for all other changes."""

    @property
    def noticed(self) -> Noticed:
        return Noticed(self.what, self.before, self.after, self.since.timestamp(), self.at.timestamp())

    @property
    def move(self) -> Move:
        mover = Mover(self.by, self.who, self.sure)
        return Move(self.what, self.at.timestamp(), self.before, self.after, mover, self.evidence)

    def is_open(self, now: datetime) -> bool:
        """Return whether a later look may still tell who it was, or tell it for certain."""
        if self.sure is Sure.CERTAIN:
            return False
        return now - self.at < (LONGEST if self.sure is Sure.NOT_YET else SETTLES)

    def made_by(self, move: Move) -> Self:
        """Return the change with its mover."""
        mover = move.mover
        return self.model_copy(
            update={"by": mover.by, "who": mover.who, "sure": mover.sure, "evidence": tuple(move.evidence)}
        )

    @classmethod
    def found(cls, move: Move, since: datetime) -> Self:
        """Return a change that no two looks have seen, since it was over before the second."""
        at = datetime.fromtimestamp(move.at, UTC)
        return cls(what=move.what, before=move.before, after=move.after, since=since, at=at).made_by(move)

    @classmethod
    def of(cls, noticed: Noticed, since: datetime, at: datetime) -> Self:
        return cls(what=noticed.what, before=noticed.before, after=noticed.after, since=since, at=at)


class StillNamed(Contract):
    """A tool that names what a rollback has taken back: the change by which it has brought that in."""

    change: Change
    sentence: Prose


class Moves(State):
    """What is remembered of one service."""

    seen: Seen | None = None
    changes: tuple[Change, ...] = ()
    """The newest last."""
    lowered: Change | None = None
    """The fall of the desired count by others that was told, and that still stands."""
    named: StillNamed | None = None
    """The tool that was told to name still what was taken back."""

    def after(self, look: Seen) -> Self:
        """Return what is remembered after a look."""
        before, now = self.seen, look.filled_from(self.seen)
        if before is None:
            return self.replace(seen=now)
        new = tuple(Change.of(noticed, before.at, look.at) for noticed in before.changes_to(look))
        return self.replace(seen=now, changes=(*self.changes, *new)[-MOST_CHANGES:])

    def with_those_between(self, moves: Sequence[Move], before: Seen | None) -> Self:
        """Return the same with the versions that came and went between the look ``before`` and the last one."""
        if before is None or self.seen is None:
            return self
        since, until = before.at.timestamp(), self.seen.at.timestamp()
        between = [move for move in moves if move.what == "version" and since < move.at <= until and move.before]
        new = [move for move in between if not any(move.explains(change.noticed, SLACK) for change in self.changes)]
        added = (Change.found(move, before.at) for move in sorted(new, key=lambda move: move.at))
        return self.replace(changes=(*self.changes, *added)[-MOST_CHANGES:])

    def open(self, now: datetime) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.is_open(now))

    def explained_by(self, moves: Sequence[Move], now: datetime) -> Self:
        """Return the same with the movers of those changes that were still open."""
        changes = tuple(_explained(change, moves) if change.is_open(now) else change for change in self.changes)
        return self.replace(changes=changes)


def _explained(change: Change, moves: Sequence[Move]) -> Change:
    fits = [move for move in moves if move.explains(change.noticed, SLACK)]
    return change.made_by(fits[0]) if fits else change
