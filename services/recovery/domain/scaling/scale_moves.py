"""The next move of an emergency scaling, up and back: what is set, what is left to others, and what is over.

Each value is compared by itself. What is still as it was is set; what is as it was to become is done, whoever did it;
anything else somebody has changed meanwhile, and it stays.
"""

from dataclasses import dataclass

from services.recovery.domain.scaling.scale_plan import Autoscaler
from services.recovery.domain.scaling.scaling import ScalingPlan

NO_TARGET = "The service has no scalable target any more."


@dataclass(frozen=True, slots=True)
class LimitsMove:
    """Which limits are to be set; None leaves one as it is."""

    plan: ScalingPlan
    """What is ours once they are set."""
    low: int | None = None
    high: int | None = None
    notes: tuple[str, ...] = ()
    """What others have set, a sentence for each."""

    @property
    def sets(self) -> bool:
        return self.low is not None or self.high is not None


@dataclass(frozen=True, slots=True)
class CountMove:
    """Which desired count is to be set; None: none."""

    plan: ScalingPlan
    desired: int | None = None
    notes: tuple[str, ...] = ()


def raise_limits(plan: ScalingPlan, live: Autoscaler | None) -> LimitsMove:
    """Return how to raise the limits. ``live``: the scalable target as it is; None where there is none any more."""
    if live is None:
        return LimitsMove(_without(plan, low=True, high=True), notes=(NO_TARGET,))
    low, low_note = _to_set("minimum", live.low, plan.before.low, plan.raised.low)
    high, high_note = _to_set("maximum", live.high, plan.before.high, plan.raised.high)
    ours = _without(plan, low=bool(low_note), high=bool(high_note))
    return LimitsMove(ours, low, high, tuple(filter(None, (low_note, high_note))))


def raise_count(plan: ScalingPlan, live: int) -> CountMove:
    """Return how to raise the desired count, from what it is now."""
    wanted, before, has_minimum = plan.raised.desired, plan.before.desired, plan.raised.low is not None
    if live == wanted:
        return CountMove(plan)
    if live == before or (has_minimum and before < live < wanted):
        return CountMove(plan, wanted)  # between the two, an autoscaler is on its way to the minimum that is set
    ours = has_minimum and live < before  # the minimum that is set may raise it to what is wanted yet
    return CountMove(plan.model_copy(update={"ours": ours}), notes=(_of_others(live),))


def restore_limits(plan: ScalingPlan, live: Autoscaler | None) -> LimitsMove:
    """Return how to restore those limits that are still as they were set."""
    if live is None:
        return LimitsMove(plan, notes=(NO_TARGET,))
    low, low_note = _to_set("minimum", live.low, plan.raised.low, plan.before.low)
    high, high_note = _to_set("maximum", live.high, plan.raised.high, plan.before.high)
    return LimitsMove(plan, low, high, tuple(filter(None, (low_note, high_note))))


def restore_count(plan: ScalingPlan, live: int, autoscaler: Autoscaler | None) -> CountMove:
    """Return how to restore the desired count. With an autoscaler its policies decide, and nothing is set.

    ``autoscaler``: the scalable target as it is now, read where the plan is ``autoscaled``. Where it or its policies
    are gone, the plan that is returned is not autoscaled any more.
    """
    before = plan.before.desired
    if plan.autoscaled and autoscaler is not None and autoscaler.policies:
        return CountMove(plan)
    plan = plan.model_copy(update={"autoscaled": False})
    if live == before or not plan.ours:
        return CountMove(plan)
    if live == plan.raised.desired:
        return CountMove(plan, before)
    return CountMove(plan, notes=(_of_others(live),))


def _of_others(count: int) -> str:
    return f"Somebody else wants {count} tasks meanwhile; that was left."


def _to_set(name: str, live: int, expected: int | None, wanted: int | None) -> tuple[int | None, str]:
    """Return what a limit is to be set to, None where nothing is, and a note where somebody else has set it."""
    if expected is None or wanted is None or live == wanted:
        return None, ""
    if live == expected:
        return wanted, ""
    return None, f"Somebody else has set the autoscaler's {name} to {live} meanwhile; that was left."


def _without(plan: ScalingPlan, *, low: bool, high: bool) -> ScalingPlan:
    lost = ({"low": None} if low else {}) | ({"high": None} if high else {})
    return plan.model_copy(update={"raised": plan.raised.model_copy(update=lost)}) if lost else plan
