"""Has the service kept the critical rules since a change? Evidence first: two good points after it, or no verdict.

A rule that is broken over its whole window after the change fails at once. Where there are too few requests for a
rate, the validator's own requests count as samples. A monitor that hears nothing says so: inconclusive.
"""

from collections.abc import Mapping
from math import ceil

from contracts.base import Contract
from contracts.gates import Comparison, Gate, Verdict
from contracts.results import ProbesOutput
from services.monitor.domain.metrics import LATE, MINUTE, Readings, Series
from services.monitor.domain.rules import (
    DATABASE_CONNECTIONS,
    ERROR_RATE,
    LEAST_REQUESTS,
    RESPONSE_TIME_P95,
    SERVICE_UNAVAILABLE,
    Rule,
    evaluate,
    points_since,
    rate,
)

GOOD_POINTS = 2
"""N: so many points after the change have to be good."""
LEAST_PROBES = 5
"""Fewer requests of the validator's own say nothing; each of them is deliberate, so fewer do than of users."""

_PASSES: Mapping[Comparison, Comparison] = {">": "<=", "<": ">=", ">=": "<", "<=": ">"}


class Pending(Contract):
    """An ``evaluate-rules`` that waits for its evidence."""

    command_id: str
    run_id: str
    since: float
    """Product time, epoch seconds."""
    deadline: float
    probes: ProbesOutput | None = None


def judge(
    pending: Pending, readings: Readings | None, now: float, *, database_published: bool, trouble: str = ""
) -> tuple[Gate, ...] | None:
    """Return a gate for each critical rule, or None while evidence may still come.

    ``readings`` is None when CloudWatch could not be asked. ``database_published`` says whether the application has
    published DatabaseConnectionErrors at any time in the last hours. ``trouble``: of the database; while it lasts no
    rule that is broken is a verdict on the change.
    """
    if readings is None:
        gates = tuple(_unheard(name, rule) for name, rule in _GATES.items())
    else:
        since = ceil(pending.since / MINUTE) * MINUTE
        gates = (
            _points("healthy_tasks", SERVICE_UNAVAILABLE, readings, since, now),
            _traffic("error_rate", ERROR_RATE, readings, since, now, pending.probes),
            _traffic("response_time_p95", RESPONSE_TIME_P95, readings, since, now, pending.probes),
            _points("database_connections", DATABASE_CONNECTIONS, readings, since, now)
            if database_published
            else _without("database_connections", DATABASE_CONNECTIONS, "the application publishes no such errors"),
        )
    if trouble:
        gates = tuple(_innocent(gate, trouble) if gate.verdict is Verdict.FAIL else gate for gate in gates)
    verdicts = {gate.verdict for gate in gates}
    over = now >= pending.deadline or Verdict.FAIL in verdicts or Verdict.INCONCLUSIVE not in verdicts
    return gates if over else None


_GATES = {
    "healthy_tasks": SERVICE_UNAVAILABLE,
    "error_rate": ERROR_RATE,
    "response_time_p95": RESPONSE_TIME_P95,
    "database_connections": DATABASE_CONNECTIONS,
}


def _gate(
    name: str, rule: Rule, verdict: Verdict, value: float | None, samples: int, detail: str, needs: int = 0
) -> Gate:
    return Gate(
        name=name,
        verdict=verdict,
        value=value,
        comparison=_PASSES[rule.comparison],
        threshold=rule.threshold,
        unit=rule.unit,
        samples=samples,
        needs=needs,
        detail=detail,
    )


def _innocent(gate: Gate, trouble: str) -> Gate:
    return gate.model_copy(update={"verdict": Verdict.INCONCLUSIVE, "detail": trouble})


def _unheard(name: str, rule: Rule) -> Gate:
    return _gate(name, rule, Verdict.INCONCLUSIVE, None, 0, "CloudWatch could not be asked", GOOD_POINTS)


def _without(name: str, rule: Rule, why: str) -> Gate:
    return _gate(name, rule, Verdict.PASS, None, 0, f"not applicable: {why}")


def _broken(name: str, rule: Rule, readings: Readings, since: float, now: float) -> Gate | None:
    """Fail if the rule is broken over a whole window that began after the change."""
    state = evaluate(rule, readings, now)
    if state.verdict != "broken" or state.until - rule.minutes * MINUTE < since:
        return None
    return _gate(name, rule, Verdict.FAIL, state.value, state.samples, state.detail)


def _points(name: str, rule: Rule, readings: Readings, since: float, now: float) -> Gate:
    """Judge a rule whose points need no traffic."""
    if broken := _broken(name, rule, readings, since, now):
        return broken
    points = points_since(rule, readings, since, now)
    last = dict(list(points.items())[-GOOD_POINTS:])
    if rule.judged == "sum":
        value = sum(last.values()) if last else None
        good = value is not None and not rule.breaks(value)
    else:
        value = min(last.values(), default=None)
        good = not any(map(rule.breaks, last.values()))
    if good and len(last) == GOOD_POINTS:
        return _gate(name, rule, Verdict.PASS, value, len(points), f"{len(points)} min after the change")
    needs = max(GOOD_POINTS - len(last), 0) or 1
    return _gate(name, rule, Verdict.INCONCLUSIVE, value, len(points), _waits_for(needs), needs)


def _traffic(name: str, rule: Rule, readings: Readings, since: float, now: float, probes: ProbesOutput | None) -> Gate:
    """Judge a rule about requests: users' where there are enough, else the validator's as well."""
    if not readings.dimensions.balanced and probes is None:
        return _without(name, rule, "nothing balances the service's load, so nobody counts its requests")
    if broken := _broken(name, rule, readings, since, now):
        return broken
    points = points_since(rule, readings, since, now)
    stretch = _stretch(readings, points)
    requests = round(sum(readings.requests.get(minute, 0.0) for minute in stretch))
    if requests >= LEAST_REQUESTS:
        return _by_users(name, rule, readings, stretch, requests)
    if probes is not None and _quiet(readings, since, now):
        return _by_probes(name, rule, readings, stretch, requests, probes)
    needs = LEAST_REQUESTS - requests
    value = _worst(rule, readings, stretch) if stretch else None
    return _gate(name, rule, Verdict.INCONCLUSIVE, value, requests, f"needs {needs} more requests", needs)


def _stretch(readings: Readings, points: Series) -> dict[float, float]:
    """Return the shortest run of newest points that holds ``GOOD_POINTS`` and ``LEAST_REQUESTS``, or all there are."""
    taken: dict[float, float] = {}
    requests = 0.0
    for minute in reversed(points):
        if len(taken) >= GOOD_POINTS and requests >= LEAST_REQUESTS:
            break
        taken[minute] = points[minute]
        requests += readings.requests.get(minute, 0.0)
    return taken


def _by_users(name: str, rule: Rule, readings: Readings, stretch: Series, requests: int) -> Gate:
    newest = [stretch[minute] for minute in sorted(stretch)[-GOOD_POINTS:]]
    value = _worst(rule, readings, stretch)
    if len(newest) == GOOD_POINTS and not any(map(rule.breaks, (*newest, value))):
        return _gate(name, rule, Verdict.PASS, value, requests, f"{len(stretch)} min after the change")
    needs = max(GOOD_POINTS - len(newest), 0) or 1
    return _gate(name, rule, Verdict.INCONCLUSIVE, value, requests, _waits_for(needs), needs)


def _by_probes(name: str, rule: Rule, readings: Readings, stretch: Series, requests: int, probes: ProbesOutput) -> Gate:
    said = f"{probes.requests} requests of the validator's count, since users sent {requests}"
    samples = requests + probes.requests
    if rule is ERROR_RATE:
        errors = sum(readings.errors.get(minute, 0.0) for minute in stretch)
        value = 100 * (errors + probes.failures) / samples if samples else None
    else:
        value = probes.p95_seconds
    return Gate.measured(
        name,
        value,
        _PASSES[rule.comparison],
        rule.threshold,
        samples=samples if rule is ERROR_RATE else probes.requests,
        minimum=LEAST_PROBES,
        unit=rule.unit,
        detail=said,
    )


def _quiet(readings: Readings, since: float, now: float) -> bool:
    """Whether two minutes after the change are known, so that few requests are few and not late."""
    known = since + GOOD_POINTS * MINUTE
    if not readings.dimensions.balanced:
        return now >= known + LATE  # nobody counts requests, so that there is nothing to hear
    return readings.heard_until >= known


def _worst(rule: Rule, readings: Readings, stretch: Series) -> float:
    """The error rate over the stretch; the highest of the two newest p95, since percentiles cannot be averaged."""
    if rule is ERROR_RATE:
        return rate(readings, tuple(stretch))
    return max(stretch[minute] for minute in sorted(stretch)[-GOOD_POINTS:])


def _waits_for(points: int) -> str:
    return f"needs {points} more good point{'' if points == 1 else 's'} after the change"
