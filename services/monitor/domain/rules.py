"""Rules, and whether one is broken.

A rule is broken when every minute of its window breaks it, so a single bad minute rolls nothing back. A minute without
data proves nothing, except that a service that should have tasks and shows none is down. A few requests are too few
for a rate.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from contracts.base import Contract
from contracts.gates import Comparison, holds
from contracts.limits import LEAST_REQUESTS
from contracts.monitor import CriticalRule
from contracts.policy_rules import RulePolicy
from contracts.prose import Prose
from services.monitor.domain.measures import MEASURES, Measure
from services.monitor.domain.metrics import MINUTE, STALE, STARTING, Readings, Series, minutes_before, settled

RuleVerdict = Literal["ok", "broken", "no_data"]
Severity = Literal["critical", "warning"]

OPPOSITES: Mapping[Comparison, Comparison] = {">": "<=", "<": ">=", ">=": "<", "<=": ">"}
"""What holds where a rule is kept. ``==`` has no opposite among the comparisons, so no rule can be made with it."""
_GATE_NAMES: Mapping[str, str] = {
    CriticalRule.SERVICE_UNAVAILABLE: "healthy_tasks",
    CriticalRule.RESPONSE_TIME: "response_time_p95",
}
"""Gates that were published under a name of their own; every other one is named after its rule."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: its gate, its alerts, its alarm in CloudWatch and its line on the dashboard follow from it."""

    name: str
    severity: Severity
    measure: Measure
    comparison: Comparison
    """The rule is broken where ``value comparison threshold`` holds."""
    threshold: float
    """In the unit of the measure."""
    minutes: int
    """The length of the window."""
    gate: str
    """The name of its gate; only a rule that gates deployments has one."""

    @property
    def gates_deployment(self) -> bool:
        """A critical rule decides about a deployment; a warning is an alert and nothing else."""
        return self.severity == "critical"

    @property
    def policy(self) -> RulePolicy:
        """The rule as a policy writes it."""
        return RulePolicy(
            name=self.name,
            metric=self.measure.metric,
            comparison=self.comparison,
            threshold=self.threshold,
            minutes=self.minutes,
            severity=self.severity,
        )

    @property
    def unit(self) -> str:
        return self.measure.unit

    @property
    def label(self) -> str | None:
        """The label of its line on the dashboard; None where it has no line."""
        mark = self.measure.mark
        return mark.label.format(severity=self.severity) if mark else None

    @property
    def of_tasks(self) -> bool:
        """Whether a service whose only tasks are being started breaks it: load balancers answer for it with errors."""
        return self.measure.absence == "is an outage" or self.measure.requests is not None

    @property
    def is_share(self) -> bool:
        """Whether it is about a share of requests, per cent."""
        return self.measure.requests is not None and self.measure.requests.over is not None

    def series(self, readings: Readings) -> Series:
        return self.measure.series(readings)

    def breaks(self, value: float) -> bool:
        return holds(value, self.comparison, self.threshold)

    def breaks_over(self, window: Series) -> bool:
        """Return whether a whole window, each minute of which has a point, breaks the rule."""
        if self.measure.aggregation == "sum":
            return self.breaks(sum(window.values()))
        return all(map(self.breaks, window.values()))


def rules_of(policies: Iterable[RulePolicy]) -> tuple[Rule, ...]:
    """Return the rules that a policy asks for, in its order.

    Raise ``ValueError`` for a metric that is not in the catalogue of measures, for a comparison without an opposite,
    and for two rules or two gates of one name.
    """
    rules = tuple(map(_rule, policies))
    gates = [rule.gate for rule in rules if rule.gates_deployment]
    for kind, names in (("rules", [rule.name for rule in rules]), ("gates", gates)):
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"several {kind} are named {', '.join(repeated)}")
    return rules


def _rule(policy: RulePolicy) -> Rule:
    measure = MEASURES.get(policy.metric)
    if measure is None:
        raise ValueError(f"the rule {policy.name} is about {policy.metric}; known are {', '.join(MEASURES)}")
    if policy.comparison not in OPPOSITES:
        raise ValueError(f"the rule {policy.name} compares with {policy.comparison}; use one of {' '.join(OPPOSITES)}")
    whole = int(policy.threshold)
    return Rule(
        name=policy.name,
        severity=policy.severity,
        measure=measure,
        comparison=policy.comparison,
        threshold=whole if whole == policy.threshold else policy.threshold,  # dashboards and alarms show 80, not 80.0
        minutes=policy.minutes,
        gate=_GATE_NAMES.get(policy.name, policy.name),
    )


class RuleState(Contract):
    """How a rule was judged at one moment."""

    rule: str
    verdict: RuleVerdict
    value: float | None
    samples: int
    """The number of requests where the rule is about requests, else of minutes with a point."""
    since: float | None = None
    """The begin of the window, epoch seconds; None in a state of the previous version."""
    until: float
    """The end of the window, epoch seconds."""
    detail: Prose = ""


def evaluate(rule: Rule, readings: Readings, now: float) -> RuleState:
    """Judge the last full minutes before ``now`` (product time, epoch seconds) that can be judged."""
    measure, series = rule.measure, rule.series(readings)
    until = settled(series, now)
    if measure.absence != "is an outage" and readings.reported_until > now - STALE:
        until = min(until, readings.reported_until)  # all points of CloudWatch may be later than usual
    window = minutes_before(until, rule.minutes)
    values = {minute: series[minute] for minute in window if minute in series}
    requests = readings.requests_in(window)
    if measure.absence == "is an outage":
        found = _availability(rule, readings, window, values)
    elif measure.requests and requests < LEAST_REQUESTS:
        found = _Found("no_data", None, f"{requests:g} requests in {rule.minutes} min are no rate")
    elif not values:
        found = _Found("no_data", None, f"no point in {rule.minutes} min")
    elif measure.aggregation == "sum":
        total = sum(values.values())
        found = _Found("broken" if rule.breaks_over(values) else "ok", total)
    else:
        found = _every(rule, readings, values)
    gap = readings.service.gap
    if found.verdict == "broken" and gap is not None and rule.of_tasks and gap.covers_any(window, MINUTE):
        found = _Found("no_data", found.value, gap.why)
    if found.verdict == "broken" and rule.of_tasks and readings.service.wanted == 0:
        found = _Found("no_data", found.value, "no task is wanted")
    samples = round(requests) if measure.requests else len(values)
    return RuleState(
        rule=rule.name,
        verdict=found.verdict,
        value=found.value,
        samples=samples,
        since=window[0],
        until=until,
        detail=found.detail,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    verdict: RuleVerdict
    value: float | None
    detail: str = ""


def _every(rule: Rule, readings: Readings, values: Series) -> _Found:
    """Judge each minute: a good one shows that the rule is kept, only a window of bad ones shows that it is broken."""
    value = _value(rule, readings, values)
    if not all(map(rule.breaks, values.values())):
        return _Found("ok", value)
    if len(values) < rule.minutes:
        return _Found("no_data", value, f"{len(values)} of {rule.minutes} minutes have a point")
    return _Found("broken", value, f"in each of {rule.minutes} minutes")


def _availability(rule: Rule, readings: Readings, window: tuple[float, ...], values: Series) -> _Found:
    """Judge where a minute without a point is an outage, unless the service is new or CloudWatch itself is silent.

    AWS/ECS and load balancers report nothing about a service without tasks. So a missing point is an outage if ECS
    runs no task, or if CloudWatch shows other points of the target; else CloudWatch may be down and not the service.
    """
    wanted, began = readings.service.wanted, readings.service.created_at + STARTING
    value = values[max(values)] if values else None
    missing = [minute for minute in window if minute not in values]
    if wanted == 0:
        return _Found("no_data", value, "no task is wanted")
    if not all(map(rule.breaks, values.values())):
        return _Found("ok", value, f"{wanted} wanted")
    if any(minute < began for minute in missing):
        return _Found("no_data", value, "the service is new")
    running = readings.service.running
    if missing and running and not readings.reported_since(window[0]):
        return _Found("no_data", value, f"CloudWatch shows nothing at all, while ECS runs {running} tasks")
    silent = f"; {len(missing)} of {rule.minutes} minutes show nothing at all" if missing else ""
    return _Found("broken", value, f"{readings.service.counted}{silent}")


def _value(rule: Rule, readings: Readings, values: Series) -> float:
    """Return the value to show: over the window, or of its newest point where points cannot be combined."""
    requests = rule.measure.requests
    return requests.over(readings, values) if requests and requests.over else values[max(values)]


def points_since(rule: Rule, readings: Readings, since: float, now: float) -> Series:
    """Return the full minutes that began at or after ``since`` and have a point, in time order."""
    series, until = rule.series(readings), now - MINUTE
    return {minute: series[minute] for minute in sorted(series) if since <= minute <= until}
