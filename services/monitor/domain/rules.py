"""The guide's four critical and four warning rules, and whether one is broken.

A rule is broken when every minute of its window is: then also the window as a whole is, and a single bad minute
rolls nothing back. A minute without data proves nothing, except that a service that should have tasks and shows
none is down. A share of a few requests is no rate.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from contracts.base import Contract
from contracts.gates import Comparison, holds
from services.monitor.domain.metrics import (
    CPU,
    DATABASE_ERRORS,
    MEMORY,
    MINUTE,
    RESPONSE_TIME,
    STALE,
    STARTING,
    Readings,
    Series,
    minutes_before,
    settled,
)

LEAST_REQUESTS = 20
"""In the window; fewer are no rate, and their p95 is their maximum."""

Verdict = Literal["ok", "broken", "no_data"]


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    severity: Literal["critical", "warning"]
    series: Callable[[Readings], Series]
    comparison: Comparison
    """The rule is broken where ``value comparison threshold`` holds."""
    threshold: float
    unit: str = ""
    minutes: int = 2
    """The window."""
    judged: Literal["every", "sum"] = "every"
    """Every minute by itself, or the sum of the window."""
    traffic: bool = False
    """Whether it takes ``LEAST_REQUESTS`` to judge it."""
    absence: Literal["proves nothing", "is an outage"] = "proves nothing"

    def breaks(self, value: float) -> bool:
        return holds(value, self.comparison, self.threshold)


class RuleState(Contract):
    """A rule at one moment."""

    rule: str
    verdict: Verdict
    value: float | None
    samples: int
    """Requests where the rule is about traffic, else minutes with a point."""
    until: float
    """The end of the window, epoch seconds."""
    detail: str = ""


def _error_rate(readings: Readings) -> Series:
    return readings.error_rate


def _response_time(readings: Readings) -> Series:
    return readings.of(RESPONSE_TIME)


SERVICE_UNAVAILABLE = Rule(
    "service_unavailable", "critical", lambda readings: readings.healthy, "<", 1, absence="is an outage"
)
ERROR_RATE = Rule("error_rate", "critical", _error_rate, ">", 10, "%", traffic=True)
RESPONSE_TIME_P95 = Rule("response_time", "critical", _response_time, ">", 5, " s", traffic=True)
DATABASE_CONNECTIONS = Rule(
    "database_connections", "critical", lambda readings: readings.of(DATABASE_ERRORS), ">=", 5, judged="sum"
)
"""The guide's "connection failures": five in the window, since a pool that renews a connection may see one."""

CRITICAL = (SERVICE_UNAVAILABLE, ERROR_RATE, RESPONSE_TIME_P95, DATABASE_CONNECTIONS)
WARNING = (
    Rule("cpu", "warning", lambda readings: readings.of(CPU), ">", 80, "%", 5),
    Rule("memory", "warning", lambda readings: readings.of(MEMORY), ">", 85, "%", 5),
    Rule("error_rate_warning", "warning", _error_rate, ">", 5, "%", 5, traffic=True),
    Rule("response_time_warning", "warning", _response_time, ">", 2, " s", 5, traffic=True),
)


def rules(warning_minutes: int) -> tuple[Rule, ...]:
    """Return all rules, those of warnings over a window of ``warning_minutes``."""
    return (*CRITICAL, *(replace(rule, minutes=warning_minutes) for rule in WARNING))


def evaluate(rule: Rule, readings: Readings, now: float) -> RuleState:
    """Judge the last full minutes before ``now`` (product time, epoch seconds) that can be judged."""
    series = rule.series(readings)
    until = settled(series, now)
    if rule.absence != "is an outage" and readings.heard_until > now - STALE:
        until = min(until, readings.heard_until)  # CloudWatch as a whole is later than usual
    window = minutes_before(until, rule.minutes)
    values = {minute: series[minute] for minute in window if minute in series}
    requests = sum(readings.requests.get(minute, 0.0) for minute in window)
    if rule.absence == "is an outage":
        said = _availability(rule, readings, window, values)
    elif rule.traffic and requests < LEAST_REQUESTS:
        said = _Said("no_data", None, f"{requests:g} requests in {rule.minutes} min are no rate")
    elif not values:
        said = _Said("no_data", None, f"no point in {rule.minutes} min")
    elif rule.judged == "sum":
        total = sum(values.values())
        said = _Said("broken" if rule.breaks(total) else "ok", total)
    else:
        said = _every(rule, readings, values)
    samples = round(requests) if rule.traffic else len(values)
    return RuleState(
        rule=rule.name, verdict=said.verdict, value=said.value, samples=samples, until=until, detail=said.detail
    )


@dataclass(frozen=True, slots=True)
class _Said:
    verdict: Verdict
    value: float | None
    detail: str = ""


def _every(rule: Rule, readings: Readings, values: Series) -> _Said:
    """One good minute proves that the rule is kept; only a whole window of bad ones that it is broken."""
    value = _value(rule, readings, values)
    if not all(map(rule.breaks, values.values())):
        return _Said("ok", value)
    if len(values) < rule.minutes:
        return _Said("no_data", value, f"{len(values)} of {rule.minutes} minutes have a point")
    return _Said("broken", value, f"in each of {rule.minutes} minutes")


def _availability(rule: Rule, readings: Readings, window: tuple[float, ...], values: Series) -> _Said:
    """A minute without a point is an outage, unless the service is new or it is CloudWatch that is silent.

    AWS/ECS and load balancers say nothing about no tasks at all. So silence is an outage if ECS runs none, or if
    CloudWatch tells other things about the target; else the numbers are out, and the service need not be.
    """
    wanted, began = readings.dimensions.wanted, readings.dimensions.created_at + STARTING
    value = values[max(values)] if values else None
    missing = [minute for minute in window if minute not in values]
    if wanted == 0:
        return _Said("no_data", value, "no task is wanted")
    if not all(map(rule.breaks, values.values())):
        return _Said("ok", value, f"{wanted} wanted")
    if any(minute < began for minute in missing):
        return _Said("no_data", value, "the service is new")
    running = readings.dimensions.running
    if missing and running and not readings.heard_since(window[0]):
        return _Said("no_data", value, f"CloudWatch shows nothing at all, while ECS runs {running} tasks")
    silent = f"; {len(missing)} of {rule.minutes} minutes show nothing at all" if missing else ""
    return _Said("broken", value, f"{wanted} wanted{silent}")


def _value(rule: Rule, readings: Readings, values: Series) -> float:
    """What a person wants to read: the rate over the window, else its newest point."""
    if rule.series is _error_rate:
        return rate(readings, tuple(values))
    return values[max(values)]


def rate(readings: Readings, minutes: tuple[float, ...]) -> float:
    """Return the error rate over ``minutes``, per cent; at least one of them has requests."""
    errors, requests = readings.errors, readings.requests
    return 100 * sum(errors[minute] for minute in minutes) / sum(requests[minute] for minute in minutes)


def points_since(rule: Rule, readings: Readings, since: float, now: float) -> Series:
    """Return the full minutes that began at or after ``since`` and have a point, in time order."""
    series, until = rule.series(readings), now - MINUTE
    return {minute: series[minute] for minute in sorted(series) if since <= minute <= until}
