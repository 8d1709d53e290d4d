"""The gate of one rule about a change. It passes only with two good points after the change.

A rule that is broken over its whole window after the change fails at once, unless the version before broke it as well,
and by as much: that is a finding, and fails nothing. Nor does a window in which the database was in trouble: it proves
nothing, as a bad minute of that time does. Where there are too few requests for a rate, the validator's own requests
count as samples. ``blind.py`` has what is judged without CloudWatch.
"""

from dataclasses import dataclass
from math import ceil

from contracts.gates import Gate, Verdict
from contracts.limits import LEAST_REQUESTS
from contracts.monitor import DependencyFault
from contracts.results import ProbesOutput
from contracts.troubles import excused
from services.monitor.domain.attribute import may_be_old_tasks
from services.monitor.domain.before import Before, before
from services.monitor.domain.comparison.span import GoodStart
from services.monitor.domain.measures import Requests
from services.monitor.domain.metrics import LATE, MINUTE, Readings, Series
from services.monitor.domain.pending import PendingEvaluation
from services.monitor.domain.rules import OPPOSITES, Rule, evaluate, points_since
from services.monitor.domain.trouble import NONE, Troubles

GOOD_POINTS = 2
"""The number of newest points after the change that must be good."""
UNASKED = "nobody sends the service requests, before the change or since, and no test can be sent to it from here"
OLD_TASKS = "the rule was broken until the change, and old tasks still served in a part of the window"
TOO_FEW = (
    "nobody sends the service requests, before the change or since, and too few tests can be sent to it for a rate"
)
LEAST_PROBES = 5
"""The least number of the validator's own requests to judge by. Each is deliberate, so fewer suffice than of users."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a change at one moment."""

    pending: PendingEvaluation
    readings: Readings
    now: float
    """Product time, epoch seconds."""
    troubles: Troubles = NONE
    starts: tuple[GoodStart, ...] = ()
    """Those of the last good deployments; empty where they are not known, or nobody needs to."""
    published: bool = True
    """Whether the application has published DatabaseConnectionErrors at any time in the last hours."""

    @property
    def since(self) -> float:
        """The begin of the first whole minute since the change."""
        return ceil(self.pending.since / MINUTE) * MINUTE

    @property
    def began_at(self) -> float:
        """When the version before ceased to be the only one."""
        rollout = self.readings.service.rollout
        return min(self.pending.since, rollout.began_at) if rollout else self.pending.since

    @property
    def quiet(self) -> bool:
        """Whether ``GOOD_POINTS`` minutes after the change are known, so that requests are few and not just late."""
        known = self.since + GOOD_POINTS * MINUTE
        if not self.readings.service.balanced:
            return self.now >= known + LATE  # nothing counts requests, so no point will show that a minute is known
        return self.readings.reported_until >= known

    def points(self, rule: Rule) -> tuple[Series, DependencyFault | None]:
        """Return the points since the change without those that a trouble has harmed.

        With them what was wrong with the database at the newest point, where that is one of those.
        """
        found = points_since(rule, self.readings, self.since, self.now)
        harmed = {minute for minute, value in found.items() if self.troubles.harmed(rule, minute, value)}
        newest = max(found, default=0.0)
        fault = self.troubles.during(newest, newest + MINUTE) if newest in harmed else None
        return {minute: value for minute, value in found.items() if minute not in harmed}, fault


def rule_gate(rule: Rule, seen: Seen) -> Gate:
    """Return the gate of a rule that gates deployments."""
    if seen.readings.service.wanted == 0:
        return Gate.does_not_apply(rule.gate, "the service wants no task")
    if rule.measure.optional and not seen.published:
        return Gate.does_not_apply(rule.gate, "the application publishes no such errors")
    requests = rule.measure.requests
    gate = _points(rule, seen) if requests is None else _requests(rule, requests, seen)
    known = before(rule, seen.readings, seen.began_at)
    if gate.verdict is Verdict.INCONCLUSIVE and known is None and _unasked(rule, seen):
        return Gate.does_not_apply(rule.gate, UNASKED if seen.pending.probes is None else TOO_FEW)
    early = gate.verdict is not Verdict.FAIL and seen.now < seen.since + GOOD_POINTS * MINUTE
    if gate.value is None or not rule.breaks(gate.value) or early:
        return gate
    return _attributed(gate, rule, seen, known)


def _attributed(gate: Gate, rule: Rule, seen: Seen, known: Before | None) -> Gate:
    """Return the gate of a broken rule, unless the version before broke it as well, or its last tasks may have."""
    if known is not None and known.excuses(rule, gate.value, gate.samples):
        return _finding(gate, known)
    window = evaluate(rule, seen.readings, seen.now).since or seen.now
    if gate.verdict is Verdict.FAIL and may_be_old_tasks(rule, window, seen.readings, seen.began_at, known):
        return gate.model_copy(update={"verdict": Verdict.INCONCLUSIVE, "needs": 1, "detail": OLD_TASKS})
    return gate


def _unasked(rule: Rule, seen: Seen) -> bool:
    """Return whether all of baking has passed without users, of whom tests could not take the place either.

    Where enough tests could be sent for a rate the run has their requests; a few have passed or failed in their own
    phase. Where AWS did not say whether tests can be sent, nothing is known. Users who came before the change and do
    not come any more are no reason to pass: the caller asks for a time before without a rate.
    """
    pending, counted, probes = seen.pending, seen.readings.requests, seen.pending.probes
    tested = probes is not None and (probes.requests >= LEAST_PROBES or bool(probes.unsent))
    if rule.measure.requests is None or tested or seen.now < pending.deadline:
        return False
    return seen.quiet and not any(counted.values())


def _finding(gate: Gate, known: Before) -> Gate:
    """Return a gate that passes: the version before broke the rule as well."""
    why = (
        f"the version before broke this rule as well: {known.value:.4g}{gate.unit} in the minutes before the change, "
        f"{gate.value:.4g}{gate.unit} since, which is no worse"
    )
    return gate.model_copy(
        update={"verdict": Verdict.PASS, "needs": 0, "detail": f"found: {why}", "not_applicable": why, "found": why}
    )


def gate_of(rule: Rule, verdict: Verdict, value: float | None, samples: int, detail: str, needs: int = 0) -> Gate:
    """Return the rule's gate with this verdict."""
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


def _broken(rule: Rule, seen: Seen) -> Gate | None:
    """Fail if the rule is broken over a whole window that began after the change, with the database well meanwhile."""
    state = evaluate(rule, seen.readings, seen.now)
    began = state.until - rule.minutes * MINUTE
    if state.verdict != "broken" or began < seen.since:
        return None
    gate = gate_of(rule, Verdict.FAIL, state.value, state.samples, state.detail)
    fault = seen.troubles.during(began, state.until)
    return excused(gate, fault) if fault else gate


def _points(rule: Rule, seen: Seen) -> Gate:
    """Judge a rule whose points do not depend on the number of requests."""
    if broken := _broken(rule, seen):
        return broken
    points, fault = seen.points(rule)
    last = list(points.values())[-GOOD_POINTS:]
    value = _decisive(rule, last) if last else None
    good = value is not None and not rule.breaks(value)
    if good and len(last) == GOOD_POINTS:
        return gate_of(rule, Verdict.PASS, value, len(points), f"{len(points)} min after the change")
    return _waiting(rule, value, len(points), max(GOOD_POINTS - len(last), 0) or 1, fault)


def _decisive(rule: Rule, values: list[float]) -> float:
    """Return the sum of the values where the rule is about it, else the value that is nearest to breaking the rule."""
    if rule.measure.aggregation == "sum":
        return sum(values)
    return max(values) if rule.comparison in {">", ">="} else min(values)


def _requests(rule: Rule, measure: Requests, seen: Seen) -> Gate:
    """Judge a rule about requests by those of users where there are enough, else by the validator's as well."""
    readings, probes = seen.readings, seen.pending.probes
    if not readings.service.balanced and probes is None:
        return Gate.does_not_apply(rule.gate, "nothing balances the service's load, so nobody counts its requests")
    if broken := _broken(rule, seen):
        return broken
    points, fault = seen.points(rule)
    stretch = _stretch(readings, points)
    requests = round(readings.requests_in(stretch))
    if requests >= LEAST_REQUESTS:
        return _by_users(rule, measure, readings, stretch, requests, fault)
    if probes is not None and seen.quiet:
        return _by_probes(rule, measure, seen, stretch, requests, probes)
    needs = LEAST_REQUESTS - requests
    value = _over(rule, measure, readings, stretch) if stretch else None
    detail = fault.detail if fault else f"needs {needs} more requests"
    return gate_of(rule, Verdict.INCONCLUSIVE, value, requests, detail, needs)


def _stretch(readings: Readings, points: Series) -> dict[float, float]:
    """Return the fewest newest points that include ``GOOD_POINTS`` and ``LEAST_REQUESTS``, or all points."""
    taken: dict[float, float] = {}
    requests = 0.0
    for minute in reversed(tuple(points)):
        if len(taken) >= GOOD_POINTS and requests >= LEAST_REQUESTS:
            break
        taken[minute] = points[minute]
        requests += readings.requests_in((minute,))
    return taken


def _by_users(
    rule: Rule, measure: Requests, readings: Readings, stretch: Series, requests: int, fault: DependencyFault | None
) -> Gate:
    newest = [stretch[minute] for minute in sorted(stretch)[-GOOD_POINTS:]]
    value = _over(rule, measure, readings, stretch)
    if len(newest) == GOOD_POINTS and not any(map(rule.breaks, (*newest, value))):
        return gate_of(rule, Verdict.PASS, value, requests, f"{len(stretch)} min after the change")
    return _waiting(rule, value, requests, max(GOOD_POINTS - len(newest), 0) or 1, fault)


def _by_probes(rule: Rule, measure: Requests, seen: Seen, stretch: Series, requests: int, probes: ProbesOutput) -> Gate:
    value, samples = measure.with_probes(seen.readings, stretch, probes)
    gate = Gate.measured(
        rule.gate,
        value,
        OPPOSITES[rule.comparison],
        rule.threshold,
        samples=samples,
        minimum=LEAST_PROBES,
        unit=rule.unit,
        detail=f"users sent {requests}, and no test was sent: {probes.unsent}"
        if probes.unsent
        else f"{probes.requests} requests of the validator's count, since users sent {requests}",
    )
    sent_until = seen.now if seen.pending.asked_at is None else seen.pending.asked_at
    fault = seen.troubles.during(seen.pending.since, sent_until) if gate.verdict is Verdict.FAIL else None
    return excused(gate, fault) if fault else gate


def _over(rule: Rule, measure: Requests, readings: Readings, stretch: Series) -> float:
    """Return the value over the stretch, or the decisive one of its newest points where points cannot be combined."""
    if measure.over:
        return measure.over(readings, stretch)
    return _decisive(rule, [stretch[minute] for minute in sorted(stretch)[-GOOD_POINTS:]])


def _waiting(rule: Rule, value: float | None, samples: int, needs: int, fault: DependencyFault | None) -> Gate:
    """Return a gate that waits for more good points; a ``fault`` says why the newest one is none."""
    waits = f"needs {needs} more good point{'' if needs == 1 else 's'} after the change"
    return gate_of(rule, Verdict.INCONCLUSIVE, value, samples, fault.detail if fault else waits, needs)
