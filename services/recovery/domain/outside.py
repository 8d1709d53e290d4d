"""Decides what follows from a critical alert outside a run, while the last deployment is young.

``without_looking`` knows the state and the policy; ``why_not_live`` also knows what ECS shows. Who passes both, and has
a version to go back to (``way_back.choose``), is rolled back. All comparisons with a deployment's times are of times by
AWS's clock: the monitor's windows are minutes of CloudWatch.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from contracts.monitor import CriticalAlert, CriticalRule
from contracts.policy import Recovery
from contracts.rollout_pace import duration
from services.recovery.domain.alert import dependency_of, late, not_attributed
from services.recovery.domain.answer import Answer, Why, call_people, declined
from services.recovery.domain.ecs_service import EcsAct
from services.recovery.domain.protection import Protection
from services.recovery.domain.way_back import Candidate, choose, proof_of

MINUTE = 60.0
PATIENCE = timedelta(minutes=10)
"""For so long after an alert AWS may not let recovery look before people are called."""
LONGEST = timedelta(hours=4)
"""For so long it is waited for what others do with the service; then people are called. Most runs are over before."""


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Nothing can be decided yet."""

    why: Why
    because: str
    """A clause without a full stop."""

    @property
    def answer(self) -> Answer:
        """Return what is decided until then."""
        return declined(self.why, f"{self.because}; recovery looks again once that is over")


@dataclass(frozen=True, slots=True)
class Live:
    """What is live, as ECS shows it; times are epoch seconds by AWS's clock."""

    deployment_id: str
    """The primary deployment; empty where ECS lists none."""
    task_definition: str
    """ARN."""
    began_at: float | None
    """When ECS began the deployment."""
    finished_at: float | None
    """When it was rolled out; None while it is not, and where ECS does not tell."""
    rolling_out: bool
    ecs: EcsAct
    obstacle: str = ""
    """Why nothing can be brought back by UpdateService, as a sentence; empty where it can."""
    deletion: str = ""
    """Says, as a clause, that the service is being deleted; empty where it is not."""

    @property
    def version(self) -> str:
        return self.task_definition.rpartition("/")[2]

    def age(self, now: float) -> float:
        """Return for how many seconds it has been rolled out; 0 while it is not."""
        if self.rolling_out or self.began_at is None:
            return 0.0
        return max(0.0, now - (self.finished_at or self.began_at))


def without_looking(  # noqa: PLR0911  a list of questions, in their order
    protection: Protection, alert: CriticalAlert, recovery: Recovery | None
) -> Answer | LookAgain | None:
    """Return what follows from the alert without a look at ECS; None where a look has to decide.

    ``recovery``: the policy in force; None where it lets nobody act on the service.
    """
    if late(protection, alert):
        return declined(Why.OVER, "the alert is over")
    if protection.rollback is not None:
        return LookAgain(Why.UNDER_WAY, f"{protection.rollback.rollback_id} is under way on the service")
    if protection.arm is not None:
        return LookAgain(Why.ARMED, f"run {protection.arm.run_id} is armed on the service")
    if alert.excused:
        return call_people(Why.DEPENDENCY, dependency_of(alert))
    if not_ours := not_attributed(alert):
        if alert.attribution == "neither":
            return not_ours  # it is raised again
        return call_people(Why.VERSION_BEFORE, "the version before broke the rule as well, and by as much")
    return _by_policy(alert, recovery) or _without_evidence(alert)


def _by_policy(alert: CriticalAlert, recovery: Recovery | None) -> Answer | None:
    if recovery is None:
        return call_people(Why.NOT_GOVERNED, "the policy in force lets nobody act on the service")
    if not recovery.enabled:
        return call_people(Why.SWITCHED_OFF, "recovery.enabled of the policy is false")
    if not recovery.rollback_window:
        return call_people(Why.SWITCHED_OFF, "recovery.rollback_window of the policy is 0: never outside a run")
    if recovery.triggers is not None and alert.rule not in recovery.triggers:
        return call_people(Why.NO_TRIGGER, f"recovery.triggers of the policy does not name {alert.rule}")
    return None


def _without_evidence(alert: CriticalAlert) -> Answer | None:
    if alert.window_from is None:
        return call_people(Why.NO_EVIDENCE, "the alert does not name the minutes that broke the rule")
    if not alert.deployment_id:
        return call_people(Why.NO_EVIDENCE, "the alert names no deployment")
    return None


def why_not_live(
    protection: Protection, alert: CriticalAlert, live: Live | None, window: float, now: float
) -> Answer | LookAgain | None:
    """Return why what is live is not rolled back; None where it is, if there is something to go back to.

    ``live``: None where there is no such service. ``window``: the policy's, in minutes. ``now``: epoch seconds.
    """
    if live is None:
        return declined(Why.GONE, "there is no such service any more")
    if live.deletion:
        return declined(Why.GONE, live.deletion)
    if live.obstacle:
        return call_people(Why.UNSUPPORTED, live.obstacle)
    if live.ecs == "rolling-back":
        return LookAgain(Why.ECS, "ECS is rolling back by itself")
    if live.deployment_id != alert.deployment_id:
        named = f"{live.version} ({live.deployment_id})" if live.deployment_id else "another one"
        return declined(Why.MOVED, f"the alert is about {alert.deployment_id}, and {named} has been deployed since")
    return (
        _of_deployment(protection, alert, live)
        or _too_old(live, window, now)
        or _not_compared(alert)
        or _taken_back_before(protection, live, window, now)
    )


def _of_deployment(protection: Protection, alert: CriticalAlert, live: Live) -> Answer | None:
    """Return why the alert does not roll the deployment back that it is about."""
    settled = protection.settled_as(live.deployment_id)
    if settled is not None:
        why, because = _SETTLED[settled.why]
        return call_people(why, f"{live.version} {because.format(by=settled.by)}")
    if live.ecs == "rolled-back":
        return call_people(Why.BROUGHT_BACK, f"{live.version} is what ECS has brought back by itself")
    if live.began_at is None or alert.window_from is None or alert.window_from.timestamp() < live.began_at:
        return declined(Why.NOT_ATTRIBUTED, f"the window that broke the rule began before {live.deployment_id}")
    before = alert.began_at.timestamp() <= live.began_at
    if before and (alert.attribution is None or alert.rule == CriticalRule.DATABASE_CONNECTIONS):
        return call_people(Why.ALREADY_THERE, f"the alert fired before {live.version} was deployed")
    return None


_SETTLED = {
    "taken-back": (Why.ONCE, "was to be taken back by {by} already, and a deployment is rolled back once at most"),
    "brought-back": (Why.BROUGHT_BACK, "is what {by} has brought back"),
    "not-asked-for": (Why.NOT_ASKED_FOR, "was deployed by run {by}, which was to roll nothing back by itself"),
}


def _taken_back_before(protection: Protection, live: Live, window: float, now: float) -> Answer | None:
    """Return why there is no duel with whoever deploys again what was taken back."""
    before = protection.taken_back(live.deployment_id, live.task_definition)
    if before is not None:
        because = f"{live.version} was to be taken back by {before.by} already, and somebody has deployed it again"
        return call_people(Why.ONCE, because)
    recent = protection.outside_since(datetime.fromtimestamp(now - window * MINUTE, UTC))
    if recent is None:
        return None
    because = f"{recent.by} has rolled the service back outside a run within the last {window:g} minutes already"
    return call_people(Why.ONCE, because)


def _too_old(live: Live, window: float, now: float) -> Answer | None:
    age = live.age(now)
    if age < window * MINUTE:
        return None
    allowed = f"recovery.rollback_window of the policy is {window:g} minutes"
    return call_people(Why.TOO_OLD, f"{live.version} has been deployed for {duration(age)}, and {allowed}")


def _not_compared(alert: CriticalAlert) -> Answer | None:
    if alert.attribution is None:
        return call_people(Why.NO_EVIDENCE, "the monitor does not know how the version before was")
    return None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look has found."""

    live: Live | None = None
    """None where there is no such service."""
    candidates: tuple[Candidate, ...] | None = None
    """What there is to go back to, the newest first; None where nobody had to look."""
    unseen: str = ""
    """Why nothing could be seen, as a sentence; empty where it could."""


NOTHING = Seen(unseen="recovery has not looked yet")


@dataclass(frozen=True, slots=True)
class GoesBack:
    """The deployment is rolled back."""

    live: Live
    to: Candidate
    sentence: str


def decide(
    protection: Protection, alert: CriticalAlert, seen: Seen, recovery: Recovery | None, now: float
) -> Answer | LookAgain | GoesBack:
    """Return what follows from the alert after a look. ``now``: epoch seconds."""
    if alert.alert_id not in protection.firing:
        return declined(Why.OVER, "the alert is over")
    answer = without_looking(protection, alert, recovery)
    if answer is not None or recovery is None:
        return answer or call_people(Why.NOT_GOVERNED, "the policy in force lets nobody act on the service")
    if seen.unseen:
        return LookAgain(Why.UNSEEN, seen.unseen)
    answer = why_not_live(protection, alert, seen.live, recovery.rollback_window, now)
    if answer is not None:
        return answer
    if seen.live is None or seen.candidates is None:
        return LookAgain(Why.UNSEEN, NOTHING.unseen)  # what was in the way of the look is over
    chosen = choose(seen.candidates, protection, alert)
    return (
        chosen if isinstance(chosen, Answer) else GoesBack(seen.live, chosen, _sentence(alert, seen.live, chosen, now))
    )


def _sentence(alert: CriticalAlert, live: Live, chosen: Candidate, now: float) -> str:
    age = f"{duration(live.age(now))} after it was rolled out" if live.age(now) else "while it is being rolled out"
    return (
        f"Rolls {live.version} ({live.deployment_id}) back to {chosen.version} of {chosen.snapshot_id}, "
        f"{proof_of(chosen)}, {age}: {alert.detail.rstrip('.')}."
    )


def in_time(answer: Answer | LookAgain, asked_at: datetime, now: datetime) -> Answer | LookAgain:
    """Return the answer; where it has been waited for long enough, that people are called."""
    if not isinstance(answer, LookAgain):
        return answer
    patience = PATIENCE if answer.why is Why.UNSEEN else LONGEST
    return call_people(answer.why, answer.because) if now - asked_at >= patience else answer
