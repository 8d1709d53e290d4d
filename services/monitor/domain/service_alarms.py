"""The alarms that a service has already, as evidence for or against the version that serves now.

They are those that its deployment configuration names, and those that the policy names. One fails a deployment where
it fires, its whole window lies in the time in which the new version serves, and it neither fired when the deployment
began nor, by the version before, in the hour before that. What CloudWatch mutes, cannot evaluate or has no data for is
said, and counts for nothing.

All times are epoch seconds by AWS's clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from contracts.base import Contract
from contracts.gates import Gate, Verdict
from contracts.monitor import DependencyFault
from contracts.prose import Prose
from contracts.troubles import excused
from services.monitor.domain.history import outside
from services.monitor.domain.metrics import MINUTE
from services.monitor.domain.rollout import Rollout
from services.monitor.domain.trouble import NONE as NO_TROUBLES
from services.monitor.domain.trouble import Troubles
from services.monitor.domain.watched_service import WatchedService

GATE = "service_alarms_quiet"
READ_SECONDS = 60.0
"""Seconds between two reads. ECS asks for alarms as well, and shares the account's limit of DescribeAlarms."""
POINTS_LATE = 2 * MINUTE
"""So late a metric's point may be when an alarm is evaluated."""
BEFORE = 3600.0
"""An alarm that fired by the version before within so many seconds before a deployment fires without it."""
ECS_ACTS = 3 * MINUTE
"""So long ECS has to roll back by itself, for an alarm of the deployment configuration that fires."""
NOT_EVALUATED = frozenset({"EVALUATION_ERROR", "EVALUATION_FAILURE"})
"""Values of EvaluationState by which an alarm's state says nothing (CloudWatch API reference, MetricAlarm). By
PARTIAL_DATA it was evaluated on a part of the data."""


class ServiceAlarm(Contract):
    """One alarm in CloudWatch: a metric, composite or log alarm."""

    name: str
    state: str
    """``OK``, ``ALARM`` or ``INSUFFICIENT_DATA``."""
    since: float | None = None
    """When it came into its state; None where CloudWatch does not say."""
    reason: Prose = ""
    span: float = MINUTE
    """Seconds over which it is evaluated; of a composite alarm: the longest of those that it names."""
    breached_from: float | None = None
    """The begin of the oldest of the points for which it began to fire; None where CloudWatch does not say."""
    keeps_state: bool = False
    """Whether it stays in its state while there is no data."""
    warms_up: bool = False
    """Whether it looks at CPU or memory, which a task uses more of while it starts."""
    evaluation: str = ""
    """``EvaluationState``; empty where all is well."""
    muted: str = ""
    """Why its actions do not run, as a clause; empty where they do."""
    fired: tuple[float, ...] = ()
    """When it began to fire, in the hours before it came into its present state."""
    unread: tuple[Prose, ...] = ()
    """What else of it could not be read, in sentences."""

    @property
    def silence(self) -> str:
        """Return why its state counts for nothing, as a clause; empty where it counts."""
        if self.muted:
            return f"is {self.state}, and {self.muted}"
        if self.evaluation in NOT_EVALUATED:
            return f"cannot be evaluated ({self.evaluation}): {self.reason}"
        return ""


class ServiceAlarms(Contract):
    """What is known of a service's alarms."""

    read_at: float = 0.0
    known: tuple[ServiceAlarm, ...] = ()
    missing: tuple[str, ...] = ()
    """Names that CloudWatch does not know."""
    unread: Prose = ""
    """Why they could not be read the last time, in a sentence."""
    raised: dict[str, float] = Field(default_factory=dict)
    """Alarm → when it began to fire, where that was published as a critical alert and is not over."""

    def due(self, now: float) -> bool:
        return now >= self.read_at + READ_SECONDS

    def following(self, found: "ServiceAlarms | str", now: float) -> "ServiceAlarms":
        """Return what is known after a read, or why there was none."""
        if isinstance(found, str):
            return self.model_copy(update={"read_at": now, "unread": found})
        return found.model_copy(update={"read_at": now, "raised": self.raised})

    @property
    def any(self) -> bool:
        return bool(self.known or self.missing or self.unread)


NONE = ServiceAlarms()


@dataclass(frozen=True, slots=True)
class Standing:
    """What an alarm says of the new version."""

    alarm: ServiceAlarm
    verdict: Literal["quiet", "against", "undecided", "nothing"]
    detail: str
    """A clause for people; empty where it is quiet."""
    window_from: float | None = None
    """The begin of the window by which it fires; None where it is not against the version."""
    fault: DependencyFault | None = None
    """What explains that it fires."""


def standings(
    alarms: ServiceAlarms, service: WatchedService, now: float, troubles: Troubles = NO_TROUBLES
) -> tuple[Standing, ...]:
    """Return what each alarm says; the minutes of a database's trouble are not held against the version."""
    found = (_standing(alarm, service, min(now, alarms.read_at)) for alarm in alarms.known)
    return tuple(_spared(standing, troubles, now) for standing in found)


def _spared(standing: Standing, troubles: Troubles, now: float) -> Standing:
    fault = None if standing.window_from is None else troubles.during(standing.window_from, now)
    return standing if fault is None else replace(standing, verdict="undecided", fault=fault)


def _standing(alarm: ServiceAlarm, service: WatchedService, at: float) -> Standing:
    """Return what an alarm says that was in its state at the moment ``at``."""
    if silence := alarm.silence:
        return Standing(alarm, "nothing", silence)
    if alarm.state == "OK":
        return Standing(alarm, "quiet", "")
    if alarm.state != "ALARM":
        return Standing(alarm, "nothing", "has no data, which says nothing")
    return _firing(alarm, service, at)


def _firing(alarm: ServiceAlarm, service: WatchedService, at: float) -> Standing:
    rollout = service.rollout
    if alarm.since is None or rollout is None:
        return Standing(alarm, "nothing", "fires, and nobody can tell since when")
    fires = f"fires since {_time(alarm.since)}"
    if alarm.since < rollout.began_at:
        return Standing(alarm, "nothing", f"{fires}, before the deployment began")
    if earlier := _fired_before(alarm, rollout):
        return Standing(alarm, "nothing", f"{fires}, and fired at {_time(max(earlier))} as well, before the deployment")
    if alarm.name in service.alarms_of_ecs and rollout.under_way and at < alarm.since + ECS_ACTS:
        return Standing(alarm, "undecided", f"{fires}, and ECS rolls back for it by itself")
    serves, window = _serves(alarm, service, rollout), _window(alarm, alarm.since, at)
    if serves is None or window < serves:
        return Standing(alarm, "undecided", f"{fires}, by a window that begins before the new version serves alone")
    return Standing(alarm, "against", f"{fires}: {alarm.reason}", window)


def _fired_before(alarm: ServiceAlarm, rollout: Rollout) -> tuple[float, ...]:
    """Return when the alarm fired by the version before.

    A failed attempt tells nothing of that one: it may be the same bad version, which is tried again.
    """
    if not rollout.earlier:
        return ()  # nobody knows what served then
    window = alarm.span + POINTS_LATE
    return tuple(
        at
        for at in alarm.fired
        if rollout.began_at - BEFORE <= at < rollout.began_at and outside(at - window, window, rollout.attempts)
    )


def _serves(alarm: ServiceAlarm, service: WatchedService, rollout: Rollout) -> float | None:
    """Return since when the version may be the reason; None: not yet.

    Tasks that start use more CPU and memory. A service that stops before it starts has no tasks for a while.
    """
    serves = rollout.serving_since
    if alarm.warms_up:
        serves = None if rollout.settled_at is None else rollout.settled_at + rollout.start_seconds
    gap = service.gap
    return serves if serves is None or gap is None else max(serves, gap.ends)


def _window(alarm: ServiceAlarm, since: float, at: float) -> float:
    """Return the begin of the newest window that is known to have broken the alarm's rule.

    It is the one for which it began to fire, or that of ``at``, since it fires still: unless it would without data.
    """
    first = since - alarm.span - POINTS_LATE if alarm.breached_from is None else alarm.breached_from
    return first if alarm.keeps_state else max(first, at - alarm.span - POINTS_LATE)


def alarm_gates(
    alarms: ServiceAlarms, service: WatchedService, now: float, deadline: float, troubles: Troubles = NO_TROUBLES
) -> tuple[Gate, ...]:
    """Return the gate of the service's alarms; none where it has none.

    One that fires by a window that cannot be attributed is waited for until the deadline, and then is a finding.
    """
    if not alarms.any:
        return ()
    if service.wanted == 0:
        return (Gate.does_not_apply(GATE, "the service wants no task"),)
    if alarms.unread:
        return (Gate.does_not_apply(GATE, f"the service's alarms could not be read: {alarms.unread}"),)
    return (_judged(alarms, standings(alarms, service, now, troubles), waits=now < deadline),)


def _judged(alarms: ServiceAlarms, found: tuple[Standing, ...], *, waits: bool) -> Gate:
    quiet, against = _of("quiet", found), _of("against", found)
    if against:
        return _gate(Verdict.FAIL, len(against), len(found), _listed(against))
    undecided = _of("undecided", found)
    if fault := next((standing.fault for standing in undecided if standing.fault), None):
        return excused(_gate(Verdict.INCONCLUSIVE, None, len(found), ""), fault)
    if undecided and waits:
        return _gate(Verdict.INCONCLUSIVE, None, len(found), _listed(undecided), needs=1)
    notes = "; ".join(_notes(found, alarms.missing))
    if not quiet:
        return Gate.does_not_apply(GATE, f"no alarm of the service tells anything: {notes}")
    one = len(quiet) == 1
    detail = f"{len(quiet)} alarm{'' if one else 's'} of the service {'is' if one else 'are'} quiet"
    return _gate(Verdict.PASS, 0, len(quiet), "; ".join(filter(None, (detail, notes))))


def _gate(verdict: Verdict, value: float | None, samples: int, detail: str, needs: int = 0) -> Gate:
    return Gate(
        name=GATE,
        verdict=verdict,
        value=value,
        comparison="==",
        threshold=0,
        unit=" firing",
        samples=samples,
        needs=needs,
        detail=detail,
    )


def _of(verdict: str, found: Iterable[Standing]) -> tuple[Standing, ...]:
    return tuple(standing for standing in found if standing.verdict == verdict)


def _listed(found: Iterable[Standing]) -> str:
    lists = ((f"{standing.alarm.name} {standing.detail}", *standing.alarm.unread) for standing in found)
    return "; ".join(clause for clauses in lists for clause in clauses)


def _notes(found: Iterable[Standing], missing: Iterable[str]) -> Iterable[str]:
    """Yield a clause for each alarm that is not simply quiet, and for each that could not be read whole."""
    for standing in found:
        if standing.detail:
            yield f"{standing.alarm.name} {standing.detail}"
        if standing.verdict == "quiet" and standing.alarm.evaluation:
            yield f"{standing.alarm.name} was evaluated with {standing.alarm.evaluation}"
        yield from standing.alarm.unread
    for name in missing:
        yield f"there is no alarm {name}"


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S} UTC"
