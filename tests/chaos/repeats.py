"""Asks for versions again that a rollback has taken back: while they are held, and once they are released."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Literal

from contracts.run_verbs import HoldBegan, ReleaseAnswered
from tests.chaos.observer import Seen
from tests.chaos.requests import Asked
from tests.chaos.verbs import stopped_by_hold

FIRST_OF_REPEATS = 5_000
"""The number of the first run that repeats another."""
TRIES = 3
PERSONS = ("ann", "ben", "eve")


@dataclass
class Repeats:
    """One version after another: its run is repeated, three persons release it, and it is repeated once more."""

    seen: Seen
    release: Callable[[HoldBegan, str], object]
    """Publishes that a person releases a hold, with its id as the reason."""
    most: int = 1
    """How many versions are asked for again."""
    _held: Asked | None = None
    """The run that asks for what is held."""
    _hold: HoldBegan | None = None
    _tries: int = 0
    """How often it may still be asked for until the hold stops it: harm may block a run earlier."""
    _asked_to_release: bool = False
    _done: set[str] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=lambda: count(FIRST_OF_REPEATS))

    @property
    def busy(self) -> bool:
        return self._hold is not None

    def next(self, asked: Sequence[Asked], waiting: Sequence[Asked]) -> Asked | None:
        """Return a run that is to be asked for now; None where none is."""
        if self._hold is None or self._held is None:
            return self._begin(asked, waiting) if len(self._done) < self.most else None
        if self._held.run_id not in self.seen.ended:
            return None
        if self._tries > 1 and not stopped_by_hold(self._held, self.seen):
            self._tries, self._held = self._tries - 1, self._repeat(self._held, "held")
            return self._held
        if not self._asked_to_release:
            self._asked_to_release = True
            for person in PERSONS:
                self.release(self._hold, person)
        answers = [answer for answer in self.seen.of(ReleaseAnswered) if self._hold.hold_id in answer.reason]
        released = any(self._hold.hold_id in answer.released for answer in answers)
        if not released and len(answers) < len(PERSONS):
            return None
        once_more = self._repeat(self._held, "released") if released else None
        self._held = self._hold = None
        return once_more

    def _begin(self, asked: Sequence[Asked], waiting: Sequence[Asked]) -> Asked | None:
        """Ask for the first version that is held, where no run is about to take the place of the one that asks."""
        superseding = {run.target for run in waiting if run.supersedes_after is not None}
        by_rollback = {f"rollback:{run.run_id}": run for run in asked if run.target not in superseding}
        for hold in self.seen.of(HoldBegan):
            run = by_rollback.get(hold.hold_id)
            if run is not None and hold.hold_id not in self._done:
                self._done.add(hold.hold_id)
                self._hold, self._held, self._asked_to_release = hold, self._repeat(run, "held"), False
                self._tries = TRIES
                return self._held
        return None

    def _repeat(self, run: Asked, how: Literal["held", "released"]) -> Asked:
        alone = dict.fromkeys(("abort_after", "pause_after", "supersedes_after"))
        return replace(run, number=next(self._numbers), repeats=how, superseded=False, rejected=False, **alone)  # type: ignore[arg-type]
