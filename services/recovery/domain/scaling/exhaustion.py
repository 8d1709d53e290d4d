"""Decides whether an alert about resources scales the service by itself, and says why where it does not.

Exhaustion is a processor at its limit on most tasks, for a whole window, in a service that nothing else is done to.
A version that made it so is to be rolled back, and a database that is exhausted only suffers from more tasks: then, and
wherever else more tasks cannot help or cannot be had, people are called.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from contracts.base import Contract
from contracts.monitor import Attribution, CriticalAlert, WarningAlert
from contracts.policy import Recovery
from contracts.policy_rules import RuleMetric, RulePolicy
from contracts.prose import Prose
from contracts.recovery import AlertTrigger
from services.recovery.domain.moves.remembered import Change
from services.recovery.domain.outside.answer import Answer
from services.recovery.domain.protection import Protection
from services.recovery.domain.scaling.load import BUSY, LIMIT, MINUTE, STALE, WINDOW, Load
from services.recovery.domain.scaling.scale_plan import Planned, Seen, Wanted, plan_scaling
from services.recovery.domain.scaling.scaling import WhyScale, not_scaled, not_scaled_and_called
from services.recovery.domain.scaling.taken_away import ROLLOUT, lowered_by_others, taken_away

RESOURCES = frozenset({RuleMetric.CPU, RuleMetric.MEMORY})
MOST_A_DAY = 3
"""How many scalings of a service begin by themselves within 24 hours; then people are called."""
DAY = timedelta(hours=24)
YOUNG = 60.0
"""Minutes after a deployment began within which exhaustion that was not there before is its version's."""
PATIENCE = 15
"""Minutes at the limit for which an autoscaler with room, or tasks that are being started, are waited for."""
WAITS_BEFORE = frozenset({WhyScale.GONE, WhyScale.ZERO, WhyScale.DEPLOYING})
"""Why a plan is refused without anybody having to be called."""
FINAL = frozenset({WhyScale.OVER, WhyScale.DEPENDENCY, WhyScale.SWITCHED_OFF, WhyScale.ONCE, WhyScale.NOT_GOVERNED})
"""After these answers nobody looks again for the same message; the monitor raises an alert again that changes."""


class ResourceAlert(Contract):
    """An alert about processor or memory, critical or a warning."""

    alert_id: str
    rule: str
    detail: Prose
    critical: bool
    deployment_id: str = ""
    attribution: Attribution | None = None
    fault: Prose = ""
    """What is wrong with a dependency that explains it; empty where nothing is."""

    @classmethod
    def of(cls, alert: CriticalAlert | WarningAlert) -> Self:
        """Return what is kept of the monitor's alert."""
        return cls(
            alert_id=alert.alert_id,
            rule=alert.rule,
            detail=alert.detail,
            critical=isinstance(alert, CriticalAlert),
            deployment_id=alert.deployment_id,
            attribution=None if alert.doubt else alert.attribution,
            fault=(alert.dependency_fault.detail if alert.dependency_fault else alert.dependency),
        )

    @property
    def trigger(self) -> AlertTrigger:
        return AlertTrigger(rule=self.rule, alert_id=self.alert_id, detail=self.detail)


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the service has found."""

    seen: Seen | None = None
    """None where there is no such service."""
    load: Load = field(default_factory=Load)
    unseen: str = ""
    """Why nothing could be seen, as a clause; empty where it could."""
    changes: tuple[Change, ...] = ()
    """What is remembered of others' changes of the service, the newest last."""


def about_resources(rule: str, rules: Iterable[RulePolicy]) -> bool:
    """Return whether a rule of this name is about processor or memory."""
    return any(known.name == rule and known.metric in RESOURCES for known in rules)


def before_looking(protection: Protection, alert: ResourceAlert, recovery: Recovery) -> Answer | None:
    """Return why an alert about resources scales nothing, as the state has it; None where a look decides."""
    if alert.alert_id in protection.resolved:
        return not_scaled(WhyScale.OVER, "the alert is over")
    if alert.fault:
        because = f"{alert.fault.rstrip('.')}: more tasks would not mend that"
        return not_scaled_and_called(WhyScale.DEPENDENCY, because)
    if not (recovery.enabled and recovery.scaling_by_itself):
        answer = not_scaled_and_called if alert.critical else not_scaled
        return answer(WhyScale.SWITCHED_OFF, "recovery.scaling_by_itself of the policy is off")
    return None


def why_not_exhausted(load: Load, now: float) -> Answer | None:
    """Return why what the tasks use is no exhaustion that more tasks would mend; None where it is."""
    if load.newest is None or load.newest < now - STALE or len(load.window()) < WINDOW:
        return not_scaled(WhyScale.UNSEEN, f"CloudWatch does not show how busy each of the last {WINDOW} minutes was")
    cpu, memory = load.average(load.cpu), load.average(load.memory)
    if load.hot_for(load.cpu) >= WINDOW:
        if load.on_most_tasks:
            return None
        because = f"the processor is at {cpu:.0f} % on average, but not on all tasks: one of them is nearly idle"
        return not_scaled_and_called(WhyScale.SOME_TASKS, because)
    if load.hot_for(load.memory) < WINDOW:
        because = f"the tasks used {cpu:.0f} % of their processor and {memory:.0f} % of their memory"
        limit = f"{LIMIT:.0f} % in each of {WINDOW} minutes is exhaustion"
        return not_scaled(WhyScale.NOT_EXHAUSTED, f"{because}, and {limit}")
    if load.leaks or cpu < BUSY:
        because = f"memory is at {memory:.0f} % with a processor at {cpu:.0f} %: tasks keep it, whatever their load is"
        return not_scaled_and_called(WhyScale.MEMORY, f"{because}, and more of them would keep as much")
    return None


def why_not_scale_exhausted(  # noqa: PLR0911  a list of questions, in their order
    protection: Protection, alert: ResourceAlert, look: Look, recovery: Recovery, now: datetime
) -> Answer | None:
    """Return why an exhausted service is not scaled; None where it is, if there is a plan."""
    seen, load = look.seen, look.load
    if seen is None:
        return not_scaled(WhyScale.GONE, "the service is not there")
    if seen.rolling_out:
        return not_scaled(WhyScale.DEPLOYING, "a deployment is under way on the service: the scaling waits for its end")
    if because := _of_the_version(protection, alert, seen, load, recovery):
        because = f"{because}: going back is the answer to that, and not more tasks"
        return not_scaled_and_called(WhyScale.NEW_VERSION, because)
    if because := _done_before(protection, alert, now):
        return not_scaled_and_called(WhyScale.ONCE, because)
    if because := _being_mended(seen, load):
        hot = max(load.hot_for(load.cpu), load.hot_for(load.memory))
        if hot < PATIENCE:
            return not_scaled(WhyScale.AUTOSCALER, because)
        return not_scaled_and_called(WhyScale.AUTOSCALER, f"{because}; it has been at its limit for {hot} minutes")
    return None


def decide(
    protection: Protection, alert: ResourceAlert, look: Look, wanted: Wanted, recovery: Recovery, now: datetime
) -> Planned | Answer:
    """Return the plan of a scaling, or why there is none."""
    if look.unseen:
        return not_scaled(WhyScale.UNSEEN, look.unseen)
    answer = why_not_exhausted(look.load, now.timestamp())
    answer = answer or why_not_scale_exhausted(protection, alert, look, recovery, now)
    if answer is not None or look.seen is None:
        return answer or not_scaled(WhyScale.GONE, "the service is not there")
    seen, planned = look.seen, plan_scaling(look.seen, wanted, recovery)
    if isinstance(planned, Planned):
        because = lowered_by_others(look.changes, seen.desired, now) or taken_away(
            look.load.tasks, seen.desired, seen.deployed_at, protection.past_scalings, now
        )
        return not_scaled_and_called(WhyScale.TAKEN_AWAY, because) if because else planned
    if planned.why in WAITS_BEFORE:
        return planned
    return Answer("people-called", planned.why, planned.sentence)


def _of_the_version(protection: Protection, alert: ResourceAlert, seen: Seen, load: Load, recovery: Recovery) -> str:
    """Return why the version is to blame, as a clause; empty where it is not known to be."""
    if alert.attribution == "new-version":
        return "the monitor attributes it to the new version"
    other = next((known for known in protection.firing.values() if known.attribution == "new-version"), None)
    if other is not None:
        return f"a critical alert ({other.rule}) is attributed to the new version"
    young = max(YOUNG, recovery.rollback_window)
    for deployed in seen.deployed_at:
        began = deployed - ROLLOUT * MINUTE
        before = load.hot_between(began - YOUNG * MINUTE, began)
        if not before and load.hot_between(began, deployed + young * MINUTE):
            return (
                f"the tasks came to their limit within {young:.0f} minutes of a deployment, and were not there before"
            )
    return ""


def _done_before(protection: Protection, alert: ResourceAlert, now: datetime) -> str:
    automatic = [past for past in protection.past_scalings if past.incident and past.result != "refused"]
    if any(past.incident == alert.alert_id for past in automatic):
        return "it was scaled for this alert before"
    lately = [past for past in automatic if past.began_at > now - DAY]
    return f"it was scaled {len(lately)} times within 24 hours already" if len(lately) >= MOST_A_DAY else ""


def _being_mended(seen: Seen, load: Load) -> str:
    """Return who adds tasks already, as a clause; empty where nobody does."""
    scaler = seen.autoscaler
    if scaler is not None and scaler.scales_out and seen.desired < scaler.high:
        return f"the service's autoscaler is at work: it wants {seen.desired} tasks, and may want {scaler.high}"
    if seen.running < seen.desired and not seen.unplaced:
        return f"{seen.running} of {seen.desired} tasks run: the others are being started"
    if not load.steady:
        return f"how many tasks run has changed within {WINDOW} minutes: somebody is at work on it"
    return ""
