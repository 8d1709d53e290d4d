"""The three recovery plans of the requirements: what they promise, what is expected here, and what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from contracts.rollout_pace import RolloutPace, duration
from services.recovery.domain.drill.drill import PastDrill
from services.recovery.domain.drill.drill_findings import costs, exact
from services.recovery.domain.protection import PastRollback
from services.recovery.domain.scaling.scaling import Measured


@dataclass(frozen=True, slots=True)
class Promise:
    """A plan as the requirements have it (docs/requirements.md, Recovery plans)."""

    plan: str
    rto_minutes: int
    rpo_minutes: int
    automatic: bool
    approval: bool


ROLLBACK = Promise("rollback", 5, 0, automatic=True, approval=False)
SCALING = Promise("scaling", 3, 0, automatic=True, approval=False)
SCALING_SECONDS = SCALING.rto_minutes * 60
RECREATE = Promise("recreate", 60, 15, automatic=False, approval=True)


@dataclass(frozen=True, slots=True)
class Plan:
    promise: Promise
    carried_out: bool
    sentence: str
    estimate_seconds: float | None = None
    """What is expected of this service by its own settings; None where that is not known."""
    measured_seconds: float | None = None
    """What the last one took; None where there was none."""
    measured_by: str = ""
    """Which one that was."""
    drill: PastDrill | None = None
    """The last drill of the plan that was measured."""

    @property
    def shown(self) -> dict[str, Any]:
        promise = self.promise
        measured = None
        if self.measured_seconds is not None:
            measured = {"seconds": self.measured_seconds, "by": self.measured_by}
        return {
            "plan": promise.plan,
            "rto_minutes": promise.rto_minutes,
            "rpo_minutes": promise.rpo_minutes,
            "automatic": promise.automatic,
            "approval": promise.approval,
            "carried_out": self.carried_out,
            "estimate_seconds": self.estimate_seconds,
            "measured": measured,
            "drill": None
            if self.drill is None
            else self.drill.model_dump(include={"drill_id", "finished_at", "rto_seconds", "rpo_seconds", "version"}),
            "sentence": self.sentence,
        }


def plans(
    pace: RolloutPace | None,
    past: Sequence[PastRollback],
    drills: Sequence[PastDrill] = (),
    scaled: tuple[str, Measured] | None = None,
) -> tuple[Plan, ...]:
    """Return the plans. ``pace``: how fast a rollback would be rolled out; None where that is not known.

    ``past``, ``drills``: the rollbacks and the drills that have ended, the newest last. ``scaled``: the newest scaling
    that was measured.
    """
    return (
        _rollback(pace, past, _last(drills, "rollback")),
        _scaling(pace, scaled, _last(drills, "scaling")),
        _recreate(_last(drills, "recreate")),
    )


def _recreate(drill: PastDrill | None) -> Plan:
    """Return what making a service again takes; a drill of it plans, and makes nothing."""
    by_hand = "By hand (`surefoot recreate`), once somebody else has approved the plan; none was measured yet."
    if drill is None:
        return Plan(RECREATE, True, by_hand)
    return Plan(RECREATE, True, f"{by_hand} A drill, {drill.finished_at:%Y-%m-%d}: {drill.sentence}", drill=drill)


def _last(drills: Sequence[PastDrill], plan: str) -> PastDrill | None:
    return next((past for past in reversed(drills) if past.plan == plan and past.result == "measured"), None)


def _measured(drill: PastDrill | None) -> str:
    """Return what a drill has measured, as a clause; empty where there was none."""
    if drill is None or drill.rto_seconds is None:
        return ""
    return f"measured {drill.finished_at:%Y-%m-%d}: {exact(drill.rto_seconds)} (a drill with {drill.version})"


def _scaling(pace: RolloutPace | None, last: tuple[str, Measured] | None, drill: PastDrill | None) -> Plan:
    """Return what a scaling takes: all new tasks start at once, as the first batch of a rollout does."""
    name, found = last or ("", None)
    known = (f"the last one took {duration(found.seconds)}" if found else "", _measured(drill))
    measured = "; ".join(filter(None, known)) or "none was measured yet"
    plan = Plan(SCALING, True, "", None, found.seconds if found else None, name, drill)
    if pace is None:
        return replace(plan, sentence=f"How long it takes here is not known; {measured}.")
    longer = f", longer than the {SCALING.rto_minutes} minutes of the plan" if pace.per_batch > SCALING_SECONDS else ""
    sentence = f"Expected here: {duration(pace.per_batch)} for tasks to start and become healthy{longer}; {measured}."
    return replace(plan, sentence=sentence, estimate_seconds=round(pace.per_batch, 1))


def _rollback(pace: RolloutPace | None, past: Sequence[PastRollback], drill: PastDrill | None) -> Plan:
    last = next(
        (ended for ended in reversed(past) if ended.result == "restored" and ended.rollback.by == "surefoot"), None
    )
    seconds = last.rollback.seconds if last else None
    taken = f"the last one took {duration(seconds)}" if seconds is not None else ""
    measured = "; ".join(filter(None, (taken, _measured(drill)))) or "none was measured yet"
    name = last.rollback_id if last else ""
    if pace is None:
        return Plan(ROLLBACK, True, f"How long it takes here is not known; {measured}.", None, seconds, name, drill)
    limit = ROLLBACK.rto_minutes * 60
    expected = f"Expected here: {duration(pace.expected)} ({pace.arithmetic})"
    longer = f", longer than the {ROLLBACK.rto_minutes} minutes of the plan: {costs(pace)}"
    sentence = f"{expected}{longer if pace.expected > limit else ''}; {measured}."
    return Plan(ROLLBACK, True, sentence, round(pace.expected, 1), seconds, name, drill)
