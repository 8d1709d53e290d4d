"""What is right for a deployment, from the numbers of its cell. Written before the first result; it knows no outcome.

A version is bad where it cannot take over, where its tasks end by themselves, where users feel it beyond the limits of
the policy, or where it is worse than the version before by so much that a comparison can prove it at that traffic
within the run's time. Bad must not stay. What is bad and can be seen by nobody in that time demands no verdict;
neither does a version that cures one thing and breaks another. All else is healthy, and must go live.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from benchmarks.judge.chances import exceeds, in_a_row, proves
from benchmarks.judge.facts import SLOWEST, Cell, Service, Stage, Version
from contracts.limits import LEAST_REQUESTS
from contracts.policy import Application
from contracts.policy_rules import BUILT_IN_RULES, RuleMetric, RulePolicy
from contracts.policy_tests import HttpTest, Tests

ALPHA = 0.01
"""The chance of a false alarm that a whole comparison may have, all its looks together."""
POWER = 0.8
"""What shows with a smaller chance than this demands no verdict."""
BASELINE_MINUTES = 60.0
"""How much of the version before a comparison has: the last hour before the change."""
LEAST_RISE = 0.01
"""A share of requests that rises by less is not worse, however surely it is proven."""
LEAST_FACTOR = 1.5
"""What rises by a smaller factor is not worse, however surely it is proven."""
LEAST_MEMORY_RISE = 20.0
"""Memory in use that rises by less is not worse; in points of what the task was given."""
ERRORS, SLOW = (
    next(rule for rule in BUILT_IN_RULES if rule.metric is metric and rule.severity == "critical")
    for metric in (RuleMetric.ERROR_RATE, RuleMetric.RESPONSE_TIME)
)
"""The policy's limits of what users feel: per cent, and seconds of the 95th percentile."""
LEAST_POINTS = 3
"""So many minutes of a metric that has no gaps prove a rise far beyond its noise: that the last three of 63 are the
highest three has a chance of 1 in 39,711."""


class End(StrEnum):
    """What has become of the new version when the run is over."""

    LIVE = "live"
    BACK = "back"
    """The version before serves again."""
    REFUSED = "refused"
    """Nothing was changed."""


class Answer(StrEnum):
    KEEP = "keep"
    STOP = "stop"
    NONE = "no verdict"


@dataclass(frozen=True, slots=True)
class Right:
    """The right answer of a cell."""

    answer: Answer
    ends: frozenset[End]
    """The ends that are right; all of them where no verdict is demanded."""
    because: str
    """One sentence with the arithmetic."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a version is worse than the one before."""

    what: str
    chance: float
    """The chance that it shows within the run's time."""
    before_the_change: bool = False
    """Whether it can be known before anything is changed."""


def right(cell: Cell) -> Right:
    """Return what is right. An alarm that fires beforehand is a reason of the policy's own to refuse (requirements)."""
    faults = list(_faults(cell))
    cured = list(_cures(cell))
    shown = [fault for fault in faults if fault.chance >= POWER]
    if not faults:
        ends = {End.LIVE, *_refusal(cell.around.alarm_fires)}
        return Right(Answer.KEEP, frozenset(ends), "not worse than the version before, by any measure")
    if not shown:
        best = max(faults, key=lambda fault: fault.chance)
        because = f"{best.what}, and that shows with a chance of {best.chance:.0%} only"
        return Right(Answer.NONE, frozenset(End), because)
    worst = max(shown, key=lambda fault: fault.chance)
    if cured and not any(fault.before_the_change or fault.what == _NEVER_READY for fault in shown):
        return Right(Answer.NONE, frozenset(End), f"{worst.what}, but {cured[0]}: nobody can say which is worse")
    knowable = cell.around.alarm_fires or any(fault.before_the_change for fault in shown)
    ends = {End.BACK, *_refusal(knowable)}
    return Right(Answer.STOP, frozenset(ends), f"{worst.what}; it shows with a chance of {worst.chance:.0%}")


_NEVER_READY = "it cannot take over: its tasks do not become healthy in the time that the service gives them"


def _refusal(knowable: bool) -> tuple[End, ...]:
    return (End.REFUSED,) if knowable else ()


def _faults(cell: Cell) -> Iterator[Fault]:
    new, around = cell.after, cell.around
    if not new.fits:
        yield Fault("the image does not fit what the task definition runs on", 1.0, before_the_change=True)
        return
    runs = float(cell.service.tasks > 0)
    if not takes_over(new, cell.service):
        yield Fault(_NEVER_READY, runs)
        return
    # ECS keeps what became of each task; that needs no metrics, and no users
    if new.ends < inf and cell.before.ends == inf:
        shown = new.ends / 60 + 1 <= around.watch
        yield Fault(f"its tasks end by themselves after {new.ends:g} s", runs * shown)
    yield from (fault for fault in (_memory(cell), _errors(cell), _latency(cell)) if fault is not None)


def takes_over(version: Version, service: Service) -> bool:
    """Return whether its tasks become healthy before they end, or before ECS replaces them."""
    healthy = version.ready + service.proven_after
    checked = service.patience < inf
    return healthy <= min(service.patience, version.ends) and (version.passes_health_check or not checked)


def _minutes(cell: Cell, onset: float) -> float:
    """Return how many minutes of metrics a run gets to see of what begins at ``onset``."""
    return max(0.0, cell.around.watch - (onset + cell.around.late) / 60)


def _memory(cell: Cell) -> Fault | None:
    new, watch = cell.after, cell.around.watch
    until = min(watch, new.ends / 60)
    rise = new.memory + new.memory_growth * until - cell.before.memory - cell.before.memory_growth * until
    if rise < LEAST_MEMORY_RISE:
        return None
    onset = (LEAST_MEMORY_RISE - (new.memory - cell.before.memory)) / max(new.memory_growth, 1e-9) * 60
    shown = _minutes(cell, max(0.0, onset)) >= LEAST_POINTS and cell.service.tasks > 0
    return Fault(f"its memory rises by {rise:.0f} points within the run", float(shown))


def _errors(cell: Cell) -> Fault | None:
    old = cell.before.stages[-1].errors
    found = [
        Fault(
            f"{stage.errors:.1%} of users' requests fail, {old:.1%} before",
            max(
                _exceeds(cell, stage, ERRORS, stage.errors, ERRORS.threshold / 100, old),
                _proven(cell, stage, old, stage.errors),
                _tests_fail(cell, stage, stage.errors, Tests()) if old < LEAST_RISE else 0.0,
            ),
        )
        for stage in cell.after.stages
        if worse(old, stage.errors)
    ]
    return max(found, key=lambda fault: fault.chance, default=None)


def _latency(cell: Cell) -> Fault | None:
    old, limit = cell.before.stages[-1], SLOW.threshold
    found = [
        Fault(
            f"the 95th percentile is {stage.p95:.2g} s, {old.p95:.2g} s before",
            max(
                _exceeds(cell, stage, SLOW, stage.slower_than(limit), SLOWEST, old.slower_than(limit)),
                _proven(cell, stage, SLOWEST, stage.slower_than(old.p95)),
                _tests_slow(cell, stage, Tests()) if old.p95 <= limit else 0.0,
            ),
        )
        for stage in cell.after.stages
        if stage.p95 >= LEAST_FACTOR * old.p95
    ]
    return max(found, key=lambda fault: fault.chance, default=None)


def _cures(cell: Cell) -> Iterator[str]:
    """Yield what of the version before was beyond the limits, and is better now, to the end."""
    old, new = cell.before.stages[-1], cell.after.stages[-1]
    if old.errors > ERRORS.threshold / 100 and worse(new.errors, old.errors):
        yield f"it cures {old.errors:.0%} errors"
    if old.p95 > SLOW.threshold and old.p95 >= LEAST_FACTOR * new.p95:
        yield f"it cures answers that took {old.p95:.2g} s"


def worse(low: float, high: float) -> bool:
    """Return whether a share has risen by so much that it matters."""
    return high - low >= LEAST_RISE and high >= LEAST_FACTOR * low


def _exceeds(cell: Cell, stage: Stage, rule: RulePolicy, share: float, limit: float, old: float) -> float:
    """Return the chance that a critical rule is broken for its whole window.

    ``share`` of the requests is hit, and ``limit`` may be. Where the version before (``old``) broke it, too, only the
    comparison counts.
    """
    requests = cell.around.requests
    if not cell.service.counted or not cell.service.tasks or requests * rule.minutes < LEAST_REQUESTS or old > limit:
        return 0.0
    return in_a_row(exceeds(requests, share, limit), rule.minutes, int(_minutes(cell, stage.after)))


def _proven(cell: Cell, stage: Stage, old: float, new: float) -> float:
    if not cell.service.counted or not cell.service.tasks:
        return 0.0
    requests = cell.around.requests
    return proves(requests * BASELINE_MINUTES, requests * _minutes(cell, stage.after), old, new, ALPHA)


def _tests_fail(cell: Cell, stage: Stage, errors: float, tests: Tests) -> float:
    """Return the chance that the policy's own tests fail, which run once, when the new version serves."""
    if not _tested(cell, stage):
        return 0.0
    everything = _users_paths(tests)
    lost = [errors ** (1 + _retries(test, tests)) for test in everything]
    passed = 1.0
    for chance, test in zip(lost, everything, strict=True):
        if test.critical:
            passed *= 1 - chance
    allowed = int(len([*tests.smoke, *tests.api]) * (1 - tests.required_pass_percent / 100) + 1e-9)
    others = [chance for chance, test in zip(lost, everything, strict=True) if not test.critical]
    return 1 - passed * _at_most(allowed, others)


def _tests_slow(cell: Cell, stage: Stage, tests: Tests) -> float:
    """Return the chance that their 95th percentile is beyond the limit: of so few it is nearly the slowest."""
    if not _tested(cell, stage):
        return 0.0
    return 1 - (1 - stage.slower_than(tests.response_time_seconds)) ** len(_users_paths(tests))


def _tested(cell: Cell, stage: Stage) -> bool:
    seen = cell.service.reachable and cell.service.tasks > 0
    return seen and cell.after.shown_to_tests and stage.after == 0


def _users_paths(tests: Tests) -> list[HttpTest]:
    """Return the tests that meet what users meet: what the application says of its own health is no such thing."""
    health = {Application().health_path, Application().ready_path}
    return [test for test in (*tests.smoke, *tests.api) if test.path not in health]


def _retries(test: HttpTest, tests: Tests) -> int:
    return tests.critical_retries if test.critical else tests.other_retries


def _at_most(allowed: int, chances: list[float]) -> float:
    """Return the chance that at most ``allowed`` of independent events happen."""
    counts = [1.0]
    for chance in chances:
        counts = [
            (counts[k] if k < len(counts) else 0.0) * (1 - chance) + (counts[k - 1] * chance if k else 0.0)
            for k in range(len(counts) + 1)
        ]
    return sum(counts[: allowed + 1])
