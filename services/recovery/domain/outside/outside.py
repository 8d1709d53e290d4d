"""Decides what follows from a critical alert outside a run, while the last deployment is young.

``without_looking`` knows the state and the policy; ``why_not_live`` also knows what ECS shows. Who passes both, and has
a version to go back to (``way_back.choose``), is rolled back. All comparisons with a deployment's times are of times by
AWS's clock: the monitor's windows are minutes of CloudWatch.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from contracts.monitor import SERVICE_ALARMS, CriticalAlert, CriticalRule
from contracts.policy import Recovery
from contracts.rollout_pace import duration
from services.recovery.domain.outside.alert import dependency_of, late, not_attributed
from services.recovery.domain.outside.answer import Answer, Why, call_people, declined
from services.recovery.domain.outside.live import NOTHING, Live, Seen
from services.recovery.domain.outside.pause import pause_until
from services.recovery.domain.outside.remembered import Unattended
from services.recovery.domain.outside.signs import not_of_version
from services.recovery.domain.outside.troubled import CLOCKS_APART, troubled_before
from services.recovery.domain.outside.way_back import Candidate, Evidence, choose, proof_of
from services.recovery.domain.protection import Protection

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
    recorded: bool = True
    """False: it is a pause before it acts, and no decision."""

    @property
    def answer(self) -> Answer:
        """Return what is decided until then."""
        return declined(self.why, f"{self.because}; recovery looks again once that is over")


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
    if protection.drill is not None and protection.drill.explains(alert):
        return LookAgain(Why.DRILL, f"{protection.drill.drill_id} is why it fires")
    if alert.excused:
        return call_people(Why.DEPENDENCY, dependency_of(alert))
    if not_ours := not_attributed(alert):
        if alert.attribution == "neither":
            return not_ours  # it is raised again
        return call_people(Why.VERSION_BEFORE, "the version before broke the rule as well, and by as much")
    not_enough = _by_policy(alert, recovery) or _without_evidence(alert) or _database_away(protection, alert)
    return not_enough or _scaled(protection)


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
    if alert.rule == SERVICE_ALARMS:
        because = "nothing compares an alarm of the service's own with how it was while the version before was live"
        return call_people(Why.NO_EVIDENCE, because)
    if alert.attribution == "new-version" and alert.doubt is None:
        return call_people(Why.NO_EVIDENCE, "the monitor has not looked for what else may be the cause")
    if alert.doubt:
        return call_people(Why.DOUBTED, alert.doubt)
    return None


def _database_away(protection: Protection, alert: CriticalAlert) -> Answer | None:
    """Return why nothing goes back while the application does not reach its database: no policy has to name that."""
    rules = {alert.rule, *(firing.rule for firing in protection.firing.values())}
    if CriticalRule.DATABASE_CONNECTIONS not in rules:
        return None
    because = "the service does not reach its database, and nothing tells whether that is its version's doing"
    return call_people(Why.DEPENDENCY, because)


def _scaled(protection: Protection) -> Answer | LookAgain | None:
    """Return why nothing goes back while an emergency scaling stands: a person's says that the load is the reason."""
    scaling = protection.scaling
    if scaling is None:
        return None
    if scaling.actor:
        return call_people(Why.UNDER_WAY, f"{scaling.actor} has scaled the service, and so is at work on it")
    return LookAgain(Why.UNDER_WAY, "an emergency scaling stands on the service")


def why_not_live(  # noqa: PLR0911  the same
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
    if drilled := _drilled(protection, live):
        return drilled
    if live.deployment_id != alert.deployment_id:
        return _moved(alert, live)
    return (
        _settled(protection, live)
        or _of_deployment(alert, live)
        or _too_old(live, window, now)
        or _not_compared(alert)
        or troubled_before(protection, alert, live)
        or _taken_back_before(protection, live, window, now)
    )


def _drilled(protection: Protection, live: Live) -> Answer | None:
    """Return why nothing goes back where a drill has deployed what was live once more."""
    made = (past for past in protection.past_drills if past.deployment_id and past.deployment_id == live.deployment_id)
    drill = next(made, None)
    if drill is None:
        return None
    because = f"{live.version} was live before {drill.drill_id} deployed it once more, without a change"
    return call_people(Why.DRILL, because)


def _moved(alert: CriticalAlert, live: Live) -> Answer:
    if live.again:
        because = f"{live.version} was deployed again ({live.deployment_id}) after {alert.deployment_id}"
        return call_people(Why.WAS_LIVE_BEFORE, f"{because}: somebody is at work on the service")
    named = f"{live.version} ({live.deployment_id})" if live.deployment_id else "another one"
    return declined(Why.MOVED, f"the alert is about {alert.deployment_id}, and {named} has been deployed since")


def _settled(protection: Protection, live: Live) -> Answer | None:
    """Return why no alert rolls the deployment back, whatever it is about."""
    settled = protection.settled_as(live.deployment_id)
    if settled is not None:
        why, because = _SETTLED[settled.why]
        return call_people(why, f"{live.version} {because.format(by=settled.by)}")
    if live.ecs == "rolled-back":
        return call_people(Why.BROUGHT_BACK, f"{live.version} is what ECS has brought back by itself")
    run = next((known.run_id for known in protection.unattended if _within(known, live.began_at)), None)
    if run is not None:
        because = f"{live.version} may have been deployed by run {run}, which was to roll nothing back by itself"
        return call_people(Why.NOT_ASKED_FOR, because)
    return None


def _within(known: Unattended, began_at: float | None) -> bool:
    begins, ends = known.begins.timestamp() - CLOCKS_APART, known.ends.timestamp() + CLOCKS_APART
    return began_at is None or begins <= began_at <= ends


def _of_deployment(alert: CriticalAlert, live: Live) -> Answer | None:
    """Return why the alert does not roll the deployment back that it is about."""
    if live.again:
        because = f"{live.version} was live already when {live.deployment_id} deployed it again"
        return call_people(Why.WAS_LIVE_BEFORE, f"{because}: somebody is at work on the service")
    if live.began_at is None or alert.window_from is None or alert.window_from.timestamp() < live.began_at:
        return declined(Why.NOT_ATTRIBUTED, f"the window that broke the rule began before {live.deployment_id}")
    if alert.began_at.timestamp() <= live.began_at:
        because = f"the alert fired before {live.version} was deployed: what was live before is no way out of it"
        return call_people(Why.ALREADY_THERE, because)
    return None


_SETTLED = {
    "taken-back": (Why.ONCE, "was to be taken back by {by} already, and a deployment is rolled back once at most"),
    "brought-back": (Why.BROUGHT_BACK, "is what {by} has brought back"),
    "not-asked-for": (Why.NOT_ASKED_FOR, "was deployed by run {by}, which was to roll nothing back by itself"),
}


def _taken_back_before(
    protection: Protection, live: Live, window: float, now: float, content: str = ""
) -> Answer | None:
    """Return why there is no duel with whoever deploys again what was taken back, or registers it anew."""
    before = protection.taken_back(live.deployment_id, live.task_definition, content)
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
class GoesBack:
    """The deployment is rolled back."""

    live: Live
    to: Candidate
    evidence: Evidence
    sentence: str


def decide(  # noqa: PLR0911  the same
    protection: Protection,
    alert: CriticalAlert,
    seen: Seen,
    recovery: Recovery | None,
    now: float,
    asked_at: datetime | None = None,
) -> Answer | LookAgain | GoesBack:
    """Return what follows from the alert after a look.

    ``now``: epoch seconds. ``asked_at``: when the alert came; None: long ago.
    """
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
    if seen.live is None or seen.evidence is None:
        return LookAgain(Why.UNSEEN, NOTHING.unseen)  # what was in the way of the look is over
    answer = _taken_back_before(protection, seen.live, recovery.rollback_window, now, seen.evidence.content)
    answer = answer or not_of_version(seen.signs, alert, seen.live.deployment_id)
    chosen = answer or choose(seen.evidence, protection, alert)
    if isinstance(chosen, Answer):
        return chosen
    if asked_at is not None and now < pause_until(protection, seen.live, asked_at).timestamp():
        return LookAgain(Why.ALERT, "the alert has not lasted long enough", recorded=False)
    return GoesBack(seen.live, chosen, seen.evidence, _sentence(alert, seen.live, chosen, now))


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
