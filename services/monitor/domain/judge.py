"""Has the service kept the critical rules since a change? A rule passes only with two good points after the change.

A rule that is broken over its whole window after the change fails at once, unless the version before broke it as well,
and by as much: that is a finding, and fails nothing. Where there are too few requests for a rate, the validator's own
requests count as samples. Without readings a rule is inconclusive.
"""

from collections.abc import Iterable
from math import ceil, floor

from contracts.base import Contract
from contracts.gates import Gate, Verdict
from contracts.limits import LEAST_REQUESTS
from contracts.monitor import DependencyFault
from contracts.policy import Worsening
from contracts.results import ProbesOutput
from services.monitor.domain.before import Before, before
from services.monitor.domain.compared import Span, compared_gates
from services.monitor.domain.measures import Requests
from services.monitor.domain.metrics import LATE, MINUTE, Readings, Series
from services.monitor.domain.rules import OPPOSITES, Rule, evaluate, points_since
from services.monitor.domain.tasks import stay_up

GOOD_POINTS = 2
"""The number of newest points after the change that must be good."""
UNASKED = "nobody sends the service requests, before the change or since, and no test can be sent to it from here"
LEAST_PROBES = 5
"""The least number of the validator's own requests to judge by. Each is deliberate, so fewer suffice than of users."""


class PendingEvaluation(Contract):
    """An ``evaluate-rules`` that waits for its evidence. All times are product time, epoch seconds."""

    command_id: str
    run_id: str
    since: float
    """The time of the change."""
    not_before: float | None = None
    """No rule passes before it."""
    asked_at: float | None = None
    """When the new version had taken over, and the evaluation was asked for; None in a state of the previous version:
    at the change."""
    deadline: float
    probes: ProbesOutput | None = None
    task_definition: str | None = None
    """The task definition (ARN) that has to stay live; None: nobody says which, also in an older state."""


def judge(
    pending: PendingEvaluation,
    rules: Iterable[Rule],
    readings: Readings | None,
    now: float,
    *,
    database_published: bool,
    fault: DependencyFault | None = None,
    comparison: Worsening | None = None,
) -> tuple[Gate, ...] | None:
    """Return a gate for each rule that gates deployments, or None while evidence may still come.

    ``readings`` is None when CloudWatch could not be asked. ``database_published`` says whether the application has
    published DatabaseConnectionErrors at any time in the last hours. ``fault`` is what is wrong with the database;
    while it lasts, a broken rule is inconclusive. ``comparison`` says how the new version is compared with the one
    before; None: not at all. What failed is answered at once, and that all are kept is not answered before
    ``pending.not_before``.
    """
    gating = [rule for rule in rules if rule.gates_deployment]
    if not gating:
        return (Gate.true("critical_rules", None, samples=0, detail="no critical rule is switched on"),)
    if readings is None:
        gates = tuple(map(_without_readings, gating))
    else:
        of_rules = (_gate_of(rule, pending, readings, now, published=database_published) for rule in gating)
        tasks = stay_up(
            readings.service, readings.stopped, pending.since, pending.deadline, now, asked_at=pending.asked_at
        )
        gates = (*of_rules, tasks)
        if comparison is not None:
            gates = (*gates, *_compared(gates, pending, readings, now, comparison))
    if fault:
        gates = tuple(_excused(gate, fault) if gate.verdict is Verdict.FAIL else gate for gate in gates)
    if readings is not None and now < _baked(pending, readings):
        gates = tuple(_kept_so_far(gate) if gate.verdict is Verdict.PASS else gate for gate in gates)
    if readings is not None:
        gates += _replaced(pending, readings)
    verdicts = {gate.verdict for gate in gates}
    over = now >= pending.deadline or Verdict.FAIL in verdicts or Verdict.INCONCLUSIVE not in verdicts
    return gates if over else None


def _replaced(pending: PendingEvaluation, readings: Readings) -> tuple[Gate, ...]:
    """Return a gate that fails where another version is live by now: then what is measured is not the new version's.

    ECS may roll back after all tasks were healthy: for an alarm while it bakes, or for tasks that fail while old ones
    still drain. Recovery then finds out who did it.
    """
    rollout = readings.service.rollout
    live = rollout.task_definition if rollout else ""
    if not live or pending.task_definition in {None, live}:
        return ()
    return (Gate.true("our_deployment_live", False, detail=f"{live.rpartition('/')[2]} is live"),)


def _baked(pending: PendingEvaluation, readings: Readings) -> float:
    """Return when baking may end at the earliest: once the minutes until ``not_before`` are known.

    A minute of which nothing has been reported by ``LATE`` had nothing to report. The deadline ends all waiting.
    """
    if pending.not_before is None:
        return 0.0
    known = readings.known_until >= floor(pending.not_before / MINUTE) * MINUTE
    return min(pending.not_before if known else pending.not_before + LATE, pending.deadline)


def _compared(
    gates: tuple[Gate, ...], pending: PendingEvaluation, readings: Readings, now: float, comparison: Worsening
) -> tuple[Gate, ...]:
    asked_at = pending.since if pending.asked_at is None else pending.asked_at
    span = Span(_began_at(pending, readings), asked_at, pending.deadline, now)
    kept = all(gate.verdict is Verdict.PASS for gate in gates)
    return compared_gates(readings, comparison, span, rest_is_done=kept and now >= _baked(pending, readings))


def _began_at(pending: PendingEvaluation, readings: Readings) -> float:
    """Return when the version before ceased to be the only one."""
    rollout = readings.service.rollout
    return min(pending.since, rollout.began_at) if rollout else pending.since


def _gate_of(rule: Rule, pending: PendingEvaluation, readings: Readings, now: float, *, published: bool) -> Gate:
    since = ceil(pending.since / MINUTE) * MINUTE
    if readings.service.wanted == 0:
        return Gate.does_not_apply(rule.gate, "the service wants no task")
    if rule.measure.optional and not published:
        return Gate.does_not_apply(rule.gate, "the application publishes no such errors")
    if rule.measure.requests is None:
        gate = _points(rule, readings, since, now)
    else:
        gate = _requests(rule, rule.measure.requests, readings, since, now, pending.probes)
    known = before(rule, readings, _began_at(pending, readings))
    if gate.verdict is Verdict.INCONCLUSIVE and known is None and _unasked(rule, pending, readings, since, now):
        return Gate.does_not_apply(rule.gate, UNASKED)
    early = gate.verdict is not Verdict.FAIL and now < since + GOOD_POINTS * MINUTE
    if gate.value is None or not rule.breaks(gate.value) or early:
        return gate
    if known is not None and known.excuses(rule, gate.value, gate.samples):
        return _finding(gate, known)
    return gate


def _unasked(rule: Rule, pending: PendingEvaluation, readings: Readings, since: float, now: float) -> bool:
    """Return whether all of baking has passed without users, of whom no test could take the place either.

    Where tests could be sent the run has their requests. Users who came before the change and do not come any more are
    no reason to pass: the caller asks for a time before without a rate.
    """
    if rule.measure.requests is None or pending.probes is not None or now < pending.deadline:
        return False
    return _quiet(readings, since, now) and not any(readings.requests.get(minute) for minute in readings.requests)


def _finding(gate: Gate, known: Before) -> Gate:
    """Return a gate that passes: the version before broke the rule as well."""
    why = (
        f"the version before broke this rule as well: {known.value:.4g}{gate.unit} in the minutes before the change, "
        f"{gate.value:.4g}{gate.unit} since, which is no worse"
    )
    return gate.model_copy(
        update={"verdict": Verdict.PASS, "needs": 0, "detail": f"found: {why}", "not_applicable": why}
    )


def _gate(rule: Rule, verdict: Verdict, value: float | None, samples: int, detail: str, needs: int = 0) -> Gate:
    return Gate(
        name=rule.gate,
        verdict=verdict,
        value=value,
        comparison=OPPOSITES[rule.comparison],
        threshold=rule.threshold,
        unit=rule.unit,
        samples=samples,
        needs=needs,
        detail=detail,
    )


def _excused(gate: Gate, fault: DependencyFault) -> Gate:
    return gate.model_copy(update={"verdict": Verdict.INCONCLUSIVE, "detail": fault.detail})


def _kept_so_far(gate: Gate) -> Gate:
    if gate.not_applicable is not None and gate.value is None:
        return gate
    detail = f"kept so far, and baking is not over: {gate.detail}"
    return gate.model_copy(update={"verdict": Verdict.INCONCLUSIVE, "detail": detail, "not_applicable": None})


def _without_readings(rule: Rule) -> Gate:
    return _gate(rule, Verdict.INCONCLUSIVE, None, 0, "CloudWatch could not be asked", GOOD_POINTS)


def _broken(rule: Rule, readings: Readings, since: float, now: float) -> Gate | None:
    """Fail if the rule is broken over a whole window that began after the change."""
    state = evaluate(rule, readings, now)
    if state.verdict != "broken" or state.until - rule.minutes * MINUTE < since:
        return None
    return _gate(rule, Verdict.FAIL, state.value, state.samples, state.detail)


def _points(rule: Rule, readings: Readings, since: float, now: float) -> Gate:
    """Judge a rule whose points do not depend on the number of requests."""
    if broken := _broken(rule, readings, since, now):
        return broken
    points = points_since(rule, readings, since, now)
    last = list(points.values())[-GOOD_POINTS:]
    value = _decisive(rule, last) if last else None
    good = value is not None and not rule.breaks(value)
    if good and len(last) == GOOD_POINTS:
        return _gate(rule, Verdict.PASS, value, len(points), f"{len(points)} min after the change")
    needs = max(GOOD_POINTS - len(last), 0) or 1
    return _gate(rule, Verdict.INCONCLUSIVE, value, len(points), _waits_for(needs), needs)


def _decisive(rule: Rule, values: list[float]) -> float:
    """Return the sum of the values where the rule is about it, else the value that is nearest to breaking the rule."""
    if rule.measure.aggregation == "sum":
        return sum(values)
    return max(values) if rule.comparison in {">", ">="} else min(values)


def _requests(
    rule: Rule, measure: Requests, readings: Readings, since: float, now: float, probes: ProbesOutput | None
) -> Gate:
    """Judge a rule about requests by those of users where there are enough, else by the validator's as well."""
    if not readings.service.balanced and probes is None:
        return Gate.does_not_apply(rule.gate, "nothing balances the service's load, so nobody counts its requests")
    if broken := _broken(rule, readings, since, now):
        return broken
    points = points_since(rule, readings, since, now)
    stretch = _stretch(readings, points)
    requests = round(sum(readings.requests.get(minute, 0.0) for minute in stretch))
    if requests >= LEAST_REQUESTS:
        return _by_users(rule, measure, readings, stretch, requests)
    if probes is not None and _quiet(readings, since, now):
        return _by_probes(rule, measure, readings, stretch, requests, probes)
    needs = LEAST_REQUESTS - requests
    value = _over(rule, measure, readings, stretch) if stretch else None
    return _gate(rule, Verdict.INCONCLUSIVE, value, requests, f"needs {needs} more requests", needs)


def _stretch(readings: Readings, points: Series) -> dict[float, float]:
    """Return the fewest newest points that include ``GOOD_POINTS`` and ``LEAST_REQUESTS``, or all points."""
    taken: dict[float, float] = {}
    requests = 0.0
    for minute in reversed(points):
        if len(taken) >= GOOD_POINTS and requests >= LEAST_REQUESTS:
            break
        taken[minute] = points[minute]
        requests += readings.requests.get(minute, 0.0)
    return taken


def _by_users(rule: Rule, measure: Requests, readings: Readings, stretch: Series, requests: int) -> Gate:
    newest = [stretch[minute] for minute in sorted(stretch)[-GOOD_POINTS:]]
    value = _over(rule, measure, readings, stretch)
    if len(newest) == GOOD_POINTS and not any(map(rule.breaks, (*newest, value))):
        return _gate(rule, Verdict.PASS, value, requests, f"{len(stretch)} min after the change")
    needs = max(GOOD_POINTS - len(newest), 0) or 1
    return _gate(rule, Verdict.INCONCLUSIVE, value, requests, _waits_for(needs), needs)


def _by_probes(
    rule: Rule, measure: Requests, readings: Readings, stretch: Series, requests: int, probes: ProbesOutput
) -> Gate:
    value, samples = measure.with_probes(readings, stretch, probes)
    return Gate.measured(
        rule.gate,
        value,
        OPPOSITES[rule.comparison],
        rule.threshold,
        samples=samples,
        minimum=LEAST_PROBES,
        unit=rule.unit,
        detail=f"{probes.requests} requests of the validator's count, since users sent {requests}",
    )


def _quiet(readings: Readings, since: float, now: float) -> bool:
    """Whether ``GOOD_POINTS`` minutes after the change are known, so that requests are few and not just late."""
    known = since + GOOD_POINTS * MINUTE
    if not readings.service.balanced:
        return now >= known + LATE  # nothing counts requests, so no point will show that a minute is known
    return readings.reported_until >= known


def _over(rule: Rule, measure: Requests, readings: Readings, stretch: Series) -> float:
    """Return the value over the stretch, or the decisive one of its newest points where points cannot be combined."""
    if measure.over:
        return measure.over(readings, stretch)
    return _decisive(rule, [stretch[minute] for minute in sorted(stretch)[-GOOD_POINTS:]])


def _waits_for(points: int) -> str:
    return f"needs {points} more good point{'' if points == 1 else 's'} after the change"
