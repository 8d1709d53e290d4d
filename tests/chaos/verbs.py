"""What people can ask for: how often a campaign has seen each done, and the runs with which it does what is missing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from contracts.deployment import Cause, Outcome
from contracts.drills import DrillStarted
from contracts.migration import MigrationStarted
from contracts.recreation import RecreationStarted
from contracts.run_verbs import HoldBegan, ReleaseAnswered, Verb, VerbAnswered
from contracts.scaling import ScalingStarted
from tests.chaos.observer import Seen
from tests.chaos.requests import UNFIT, Asked, target, wants_approval

ABORT, PAUSE, RESUME, APPROVE, REJECT, SUPERSEDE = "abort", "pause", "resume", "approve", "reject", "supersede"
HOLD, HELD_AGAIN, RELEASE = "hold", "ask for what is held", "release"
MIGRATE_IN_RUN, MIGRATE = "migrate in a run", "migrate"
SCALE, DRILL_SCALING, DRILL_ROLLBACK, RECREATE = "scale", "drill scaling", "drill rollback", "recreate"
HELD_BY = "`surefoot release"
"""What the reason of a blocked run that a hold has stopped tells its reader to do."""
FIRST_OF_ENCORES = 10_000
"""The number of the first run that is asked for since something was not done before."""


def exercised(asked: Sequence[Asked], seen: Seen) -> dict[str, int]:
    """Return verb → how often it was done."""
    answers = [answer.verb for answer in seen.of(VerbAnswered) if answer.accepted]
    migrations, drills = seen.of(MigrationStarted), seen.of(DrillStarted)
    superseded = (end for end in seen.ended.values() if end.cause is Cause.SUPERSEDED)
    return {
        ABORT: sum(_aborted(request, seen) for request in asked),
        PAUSE: answers.count(Verb.PAUSE),
        RESUME: answers.count(Verb.RESUME),
        APPROVE: answers.count(Verb.APPROVE),
        REJECT: answers.count(Verb.REJECT),
        SUPERSEDE: sum(end.outcome in {Outcome.ABORTED, Outcome.ROLLED_BACK} for end in superseded),
        HOLD: len(seen.of(HoldBegan)),
        HELD_AGAIN: sum(request.repeats == "held" and stopped_by_hold(request, seen) for request in asked),
        RELEASE: sum(len(answer.released) for answer in seen.of(ReleaseAnswered)),
        MIGRATE_IN_RUN: sum(migration.run_id is not None for migration in migrations),
        MIGRATE: sum(migration.run_id is None for migration in migrations),
        SCALE: len(seen.of(ScalingStarted)),
        DRILL_SCALING: sum(drill.plan == "scaling" for drill in drills),
        DRILL_ROLLBACK: sum(drill.plan == "rollback" for drill in drills),
        RECREATE: len(seen.of(RecreationStarted)),
    }


def _aborted(request: Asked, seen: Seen) -> bool:
    end = seen.ended.get(request.run_id)
    return request.abort_after is not None and end is not None and end.outcome is Outcome.ABORTED


_BY_RUN: Mapping[str, Sequence[Mapping[str, Any]]] = {
    ABORT: ({"abort_after": 0.3},),
    PAUSE: ({"pause_after": 0.3, "resume_after": 1.0, "rejected": True},),
    RESUME: ({"pause_after": 0.3, "resume_after": 1.0, "rejected": True},),
    APPROVE: ({"migrates": True, "migration_fails": True},),
    REJECT: ({"rejected": True},),
    SUPERSEDE: ({"superseded": True}, {"supersedes_after": 0.5, "behaviour": UNFIT}),
    HOLD: ({"behaviour": "crash-loop"},),
    MIGRATE_IN_RUN: ({"migrates": True, "migration_fails": True},),
}
"""Verb → the runs that do it, each by what is unusual of it: they end soon."""


def stopped_by_hold(request: Asked, seen: Seen) -> bool:
    """Return whether a run was blocked since its version is held."""
    end = seen.ended.get(request.run_id)
    return end is not None and end.outcome is Outcome.BLOCKED and HELD_BY in end.reason


class Encores:
    """Asks for runs that do what no run has done: without harm they do it for certain."""

    def __init__(self, seed: int, most: int = 3) -> None:
        """``most``: how often each verb is tried."""
        self._seed = seed
        self._left = dict.fromkeys(_BY_RUN, most)
        self._numbers = count(FIRST_OF_ENCORES)

    def missing(self, done: Mapping[str, int]) -> list[Asked]:
        """Return the next runs to ask for; none where all was done, or was tried often enough."""
        found: list[Asked] = []
        for verb in [verb for verb, left in self._left.items() if left and not done[verb]]:
            self._left[verb] -= 1
            found += map(self._run, _BY_RUN[verb])
        return found

    def _run(self, how: Mapping[str, Any]) -> Asked:
        number, behaviour = next(self._numbers), how.get("behaviour", "healthy")
        tag = f"{behaviour}-{self._seed}-{number}"
        usual = Asked(number, target(1), behaviour, tag, None, wants_approval=wants_approval(1))
        return replace(usual, **how)


def never(done: Mapping[str, int], wanted: Collection[str] | None = None) -> list[str]:
    """Return the verbs that were never exercised, in their order; only those that are ``wanted``."""
    return [verb for verb, times in done.items() if not times and (wanted is None or verb in wanted)]
