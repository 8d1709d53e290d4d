"""What speaks against going back from a young version outside a run, although a broken rule is attributed to it.

The minutes before a deployment show how the version before kept a rule then. They do not show how it would be now:
with more to do for each task, at this time of the day, or in a trouble of its own. Whatever of that may be so is a
doubt, and with a doubt people decide.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from math import floor, sqrt

from services.monitor.domain.before import SIGMAS, usual_minutes, windows
from services.monitor.domain.metrics import MINUTE, Readings, minutes_before
from services.monitor.domain.rollout import Rollout
from services.monitor.domain.rules import Rule, RuleState
from services.monitor.domain.service_alarms import ServiceAlarms
from services.monitor.domain.trouble import Troubles

DAY = 86_400.0
DAYS_BEFORE = (1, 7)
"""The days that are looked at: what happens each day, and what happens each week. CloudWatch keeps a metric's single
minutes for 15 days (CloudWatch user guide, "Metrics retention")."""
AROUND = 30 * MINUTE
"""So far before and after this time an earlier day is looked at: what happens each day is not punctual."""
HOUR = 60
"""In so many minutes before the deployment the version before may have been in trouble itself."""
ALARMED = 4 * 3600.0
"""For so many seconds before the deployment an alarm of the service counts: people take longer to mend what it says."""
BUSIER = 1.25
"""A task may have more to do by this factor, and by chance, than one was seen to cope with."""
LATELY = 10
"""So many minutes before the window count, too: a task that has ended of its load has no requests any more."""
AFTER_TROUBLE = 30 * MINUTE
"""For so long after a database's trouble it may go on: pools keep connections to what was the writer before."""


@dataclass(frozen=True, slots=True)
class EarlierDays:
    """How the service was at this time on earlier days."""

    readings: tuple[Readings, ...] = ()
    """None of a day before the service was created."""
    unread: str = ""
    """Why that could not be read, in a sentence."""


def doubt(
    rule: Rule, state: RuleState, readings: Readings, rules: Iterable[Rule], alarms: ServiceAlarms, days: EarlierDays
) -> str:
    """Return, as a clause, what speaks against going back for a broken rule; empty where nothing is found."""
    rollout = readings.service.rollout
    if rollout is None:
        return "nothing is known of the deployment"
    return (
        _troubled(rules, readings, rollout)
        or _alarmed(alarms, rollout)
        or _as_on_earlier_days(rule, days)
        or _busier(rule, state, readings, rollout, days)
    )


def after_trouble(troubles: Troubles, until: float) -> str:
    """Return, as a clause, that the database was in trouble not long before ``until``; empty where it was not."""
    fault = troubles.during(until - AFTER_TROUBLE, until)
    return "" if fault is None else f"the database was in trouble not long before ({fault.detail.rstrip('.')})"


def _troubled(rules: Iterable[Rule], readings: Readings, rollout: Rollout) -> str:
    """Return which rule, a warning included, the version before broke in the last hour."""
    minutes = usual_minutes(readings, rollout.began_at, HOUR)
    for rule in rules:
        if any(rule.breaks_over(window) for window in _of(rule, readings, minutes)):
            return (
                f"{rule.name} was broken in the hour before the deployment, so that what was live before may be worse"
            )
    return ""


def _alarmed(alarms: ServiceAlarms, rollout: Rollout) -> str:
    if alarms.unread:
        return f"the service's alarms could not be read ({alarms.unread.rstrip('.')}), which may have fired before"
    for alarm in alarms.known:
        since = alarm.since if alarm.state == "ALARM" else None
        began = [at for at in (*alarm.fired, since) if at is not None and at <= rollout.began_at]
        if began and (since in began or max(began) >= rollout.began_at - ALARMED):
            at = datetime.fromtimestamp(max(began), UTC)
            return f"the alarm {alarm.name} fired at {at:%H:%M:%S} UTC, before the deployment, which may be its remedy"
    return ""


def _as_on_earlier_days(rule: Rule, days: EarlierDays) -> str:
    if days.unread:
        return f"how it was at this time on earlier days could not be read ({days.unread.rstrip('.')})"
    for day in days.readings:
        if any(rule.breaks_over(window) for window in _of(rule, day, rule.series(day))):
            return f"{rule.name} was broken at this time of an earlier day, too, before this version was there"
    return ""


def _of(rule: Rule, readings: Readings, minutes: Iterable[float]) -> Iterator[dict[float, float]]:
    """Yield each whole window of these minutes by which the rule can be judged."""
    series = rule.series(readings)
    return windows(rule, readings, {minute: series[minute] for minute in minutes if minute in series})


def _busier(rule: Rule, state: RuleState, readings: Readings, rollout: Rollout, days: EarlierDays) -> str:
    """Return that a task has had more to do than it was seen to cope with before the deployment.

    Where tasks are missing, that is told by all requests: those that are left have more to do since others are gone. So
    those count as there that are wanted: why they are missing is another question, and what a version ends is its own.
    """
    alone = rule.measure.absence == "is an outage"
    if not readings.requests:
        return "" if alone else "nothing tells whether it has had more to do than the version before"
    since = floor(rollout.began_at / MINUTE) * MINUTE + MINUTE
    lately = [minute for minute in minutes_before(state.until, rule.minutes + LATELY) if minute >= since]
    now = _most(readings, lately, rule.minutes, alone=alone, wanted=readings.service.wanted)
    known = [_most(readings, usual_minutes(readings, rollout.began_at, HOUR), rule.minutes, alone=alone)]
    known += [_most(day, sorted(day.requests), rule.minutes, alone=alone) for day in days.readings]
    coped = max(known)
    if now <= coped * BUSIER + SIGMAS * sqrt(coped / rule.minutes):
        return ""
    of = "" if alone else " for each task"
    return f"{now:.0f} requests a minute{of} came, and the version before was seen to cope with {coped:.0f}"


def _most(readings: Readings, minutes: Iterable[float], length: int, *, alone: bool, wanted: int = 0) -> float:
    """Return the most requests a minute over ``length`` of these minutes, for each task unless they count ``alone``.

    ``wanted``: so many tasks are taken to be there at least.
    """
    known = [minute for minute in minutes if minute in readings.requests]
    whole = (known[place : place + length] for place in range(len(known) - length + 1))
    return max((_load(readings, window, wanted, alone=alone) for window in whole), default=0.0)


def _load(readings: Readings, minutes: list[float], wanted: int, *, alone: bool) -> float:
    requests = readings.requests_in(minutes) / len(minutes)
    tasks = [readings.healthy[minute] for minute in minutes if readings.healthy.get(minute)]
    there = max(wanted, sum(tasks) / len(tasks) if tasks else 0)
    return requests if alone or not there else requests / there
