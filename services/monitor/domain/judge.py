"""Has the service kept the critical rules since a change, and is the new version no worse than the one before it?

Each rule has its gate (``rule_gates.py``). What failed is answered at once, what passed is not answered before its
time, and at the deadline there is an answer in any case.
"""

from collections.abc import Iterable
from dataclasses import replace
from math import floor

from contracts.gates import Gate, Verdict
from contracts.policy import Worsening
from contracts.troubles import excused
from services.monitor.domain.blind import Blind, without_metrics
from services.monitor.domain.compared import compared_gates
from services.monitor.domain.comparison.span import GoodStart, Span
from services.monitor.domain.metrics import LATE, MINUTE, Readings
from services.monitor.domain.pending import PendingEvaluation
from services.monitor.domain.rule_gates import Seen, rule_gate
from services.monitor.domain.rules import Rule
from services.monitor.domain.service_alarms import NONE as NO_ALARMS
from services.monitor.domain.service_alarms import ServiceAlarms, alarm_gates
from services.monitor.domain.tasks import stay_up
from services.monitor.domain.trouble import NONE, Troubles
from services.monitor.domain.watched_service import WatchedService


def judge(
    pending: PendingEvaluation,
    rules: Iterable[Rule],
    readings: Readings | Blind,
    now: float,
    *,
    database_published: bool,
    troubles: Troubles = NONE,
    comparison: Worsening | None = None,
    alarms: ServiceAlarms = NO_ALARMS,
    starts: tuple[GoodStart, ...] = (),
) -> tuple[Gate, ...] | None:
    """Return a gate for each rule that gates deployments, or None while evidence may still come.

    ``readings`` is ``Blind`` where CloudWatch could not be asked. ``database_published`` says whether the application
    has published DatabaseConnectionErrors at any time in the last hours. ``troubles`` are those of the database; what
    was bad in their time proves nothing. ``comparison`` says how the new version is compared with the one before; None:
    not at all; ``starts`` are those of the last good deployments, as far as they are known. ``alarms`` are those that
    the service has already. What failed is answered at once, and that all are kept is not answered before
    ``pending.not_before``.
    """
    gating = [rule for rule in rules if rule.gates_deployment]
    if not gating:
        return (Gate.true("critical_rules", None, samples=0, detail="no critical rule is switched on"),)
    if isinstance(readings, Blind):
        gates = _of_blind(pending, readings, gating, now, troubles)
        if readings.service is not None:
            gates += alarm_gates(alarms, readings.service, now, pending.deadline, troubles)
    else:
        seen = Seen(pending, readings, now, troubles, starts, published=database_published)
        gates = _of_readings(seen, gating, comparison, alarms)
    verdicts = {gate.verdict for gate in gates}
    over = now >= pending.deadline or Verdict.FAIL in verdicts or Verdict.INCONCLUSIVE not in verdicts
    return gates if over else None


def _of_readings(
    seen: Seen, gating: Iterable[Rule], comparison: Worsening | None, alarms: ServiceAlarms
) -> tuple[Gate, ...]:
    gates = (*(rule_gate(rule, seen) for rule in gating), _tasks(seen))
    if comparison is not None:
        gates = (*gates, *_compared(gates, seen, comparison))
    gates += alarm_gates(alarms, seen.readings.service, seen.now, seen.pending.deadline, seen.troubles)
    if seen.now < _baked(seen.pending, seen.readings):
        gates = tuple(_kept_so_far(gate) if gate.verdict is Verdict.PASS else gate for gate in gates)
    return gates + _replaced(seen.pending, seen.readings.service)


def _of_blind(
    pending: PendingEvaluation, blind: Blind, gating: Iterable[Rule], now: float, troubles: Troubles
) -> tuple[Gate, ...]:
    gates = without_metrics(gating, pending, blind, now)
    if fault := troubles.during(pending.since, now):
        gates = tuple(excused(gate, fault) if gate.verdict is Verdict.FAIL else gate for gate in gates)
    return gates if blind.service is None else gates + _replaced(pending, blind.service)


def _tasks(seen: Seen) -> Gate:
    """Judge whether the tasks stay up; one that ended while the database was in trouble is not held against them."""
    pending, stopped = seen.pending, seen.readings.stopped
    if stopped is not None:
        stopped = tuple(task for task in stopped if not seen.troubles.during(task.stopped_at, task.stopped_at))
    service = seen.readings.service
    return stay_up(service, stopped, pending.since, pending.deadline, seen.now, asked_at=pending.asked_at)


def _replaced(pending: PendingEvaluation, service: WatchedService) -> tuple[Gate, ...]:
    """Return a gate that fails where another version is live by now: then what is measured is not the new version's.

    ECS may roll back after all tasks were healthy: for an alarm while it bakes, or for tasks that fail while old ones
    still drain. Recovery then finds out who did it.
    """
    rollout = service.rollout
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


def _compared(gates: tuple[Gate, ...], seen: Seen, comparison: Worsening) -> tuple[Gate, ...]:
    """Compare with the version before. What is worse only by the minutes of a trouble is not held against the change.

    What is still worse without them fails; where there are no others, nothing is known.
    """
    pending, readings = seen.pending, seen.readings
    asked_at = pending.since if pending.asked_at is None else pending.asked_at
    rollout = readings.service.rollout
    span = Span(seen.began_at, asked_at, pending.deadline, seen.now, rollout.attempts if rollout else ())
    kept = all(gate.verdict is Verdict.PASS for gate in gates)
    done = kept and seen.now >= _baked(pending, readings)
    found = compared_gates(readings, comparison, span, rest_is_done=done, starts=seen.starts)
    fault = seen.troubles.during(seen.began_at, seen.now)
    if fault is None or all(gate.verdict is not Verdict.FAIL for gate in found):
        return found
    gates_of_others = compared_gates(_spared(seen), comparison, span, rest_is_done=done, starts=seen.starts)
    spared = {gate.name: gate for gate in gates_of_others if gate.samples}
    return tuple(
        spared.get(gate.name, excused(gate, fault)) if gate.verdict is Verdict.FAIL else gate for gate in found
    )


def _spared(seen: Seen) -> Readings:
    """Return the readings without the minutes since the change in which the database was in trouble."""
    troubles, began = seen.troubles, seen.began_at
    series = {
        name: {at: value for at, value in points.items() if at < began or not troubles.during(at, at + MINUTE)}
        for name, points in seen.readings.series.items()
    }
    return replace(seen.readings, series=series)


def _kept_so_far(gate: Gate) -> Gate:
    if gate.not_applicable is not None and gate.value is None:
        return gate
    detail = f"kept so far, and baking is not over: {gate.detail}"
    return gate.model_copy(
        update={"verdict": Verdict.INCONCLUSIVE, "detail": detail, "not_applicable": None, "found": None}
    )
