"""What is judged while CloudWatch cannot be asked: the tasks, by ECS, and errors, by the validator's own requests.

These are few, so they fail a rule about a share of requests only beyond chance, and only where the version before
answered them better. They let no rule pass: users may ask for something else.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

from contracts.gates import Gate, Verdict
from contracts.results import ProbesOutput
from services.monitor.domain.before import SIGMAS, Before
from services.monitor.domain.metrics import LATE, MINUTE, StoppedTask
from services.monitor.domain.pending import PendingEvaluation
from services.monitor.domain.rule_gates import GOOD_POINTS, LEAST_PROBES, gate_of
from services.monitor.domain.rules import Rule
from services.monitor.domain.tasks import stay_up
from services.monitor.domain.watched_service import WatchedService

PATIENCE = LATE + GOOD_POINTS * MINUTE
"""For so many seconds CloudWatch must have been silent before the validator's requests decide without it."""


@dataclass(frozen=True, slots=True)
class Blind:
    """A look at a target by which no metric could be read."""

    why: str
    """One sentence without a full stop, which names what AWS did not do."""
    seen_at: float = 0.0
    """When CloudWatch could be asked last, in epoch seconds; 0 where it never could."""
    service: WatchedService | None = None
    """What ECS shows; None where it could not be asked, either."""
    stopped: tuple[StoppedTask, ...] | None = None
    """The tasks that have stopped lately, the oldest first; None where ECS was not asked or did not list them."""


GONE = Blind("there is no such service")


def without_metrics(rules: Iterable[Rule], pending: PendingEvaluation, blind: Blind, now: float) -> tuple[Gate, ...]:
    """Return a gate for each rule, and one for the tasks where ECS shows them."""
    gates = tuple(_by_probes_alone(rule, pending, blind, now) for rule in rules)
    if blind.service is None:
        return gates
    tasks = stay_up(blind.service, blind.stopped, pending.since, pending.deadline, now, asked_at=pending.asked_at)
    return (*gates, tasks)


def _by_probes_alone(rule: Rule, pending: PendingEvaluation, blind: Blind, now: float) -> Gate:
    probes = pending.probes
    if probes is None or not rule.is_share or probes.requests < LEAST_PROBES:
        return gate_of(rule, Verdict.INCONCLUSIVE, None, 0, blind.why, GOOD_POINTS)
    value = 100 * probes.failures / probes.requests
    count = f"{probes.failures} of the validator's {probes.requests} requests failed"
    detail = f"{count}, which is all that is known: {blind.why}"
    waited = now >= min(max(pending.since, blind.seen_at) + PATIENCE, pending.deadline)
    bad = waited and _beyond_chance(rule, value, probes.requests) and not _as_before(rule, value, probes)
    needs = 0 if bad else GOOD_POINTS
    return gate_of(rule, Verdict.FAIL if bad else Verdict.INCONCLUSIVE, value, probes.requests, detail, needs)


def _beyond_chance(rule: Rule, value: float, requests: int) -> bool:
    """Return whether a share, per cent, is so far above the threshold that chance alone does not explain it."""
    allowed = rule.threshold / 100
    return rule.breaks(value) and value > rule.threshold + 100 * SIGMAS * sqrt(allowed * (1 - allowed) / requests)


def _as_before(rule: Rule, value: float, probes: ProbesOutput) -> bool:
    if not probes.requests_before:
        return False
    usual = 100 * probes.failures_before / probes.requests_before
    return Before(usual, probes.requests_before, rule.breaks(usual)).excuses(rule, value, probes.requests)
