"""Turns what the tests saw into gates."""

from contracts.deployment import Cause
from contracts.gates import Gate, Verdict
from contracts.monitor import DependencyFault
from contracts.policy_tests import Tests
from contracts.results import ProbesOutput
from contracts.validator import Baseline
from services.validator.domain.results import Answered, Attempt, Silent, TestResult, as_expected
from services.validator.domain.weigh import Weighed, as_before, excuses

NOISE = 1.5
"""How many times as slow as before the change the tests may be, where they were too slow before it already: with a
handful of answers, less is no difference."""


def judge(results: tuple[Weighed, ...], tests: Tests, before: Baseline | None = None) -> tuple[Gate, ...]:
    """Return the gates ``success_rate``, ``critical_tests`` and ``response_time_p95`` of all tests to be run.

    A gate to which no test contributes does not apply.
    """
    counted = tuple(weighed.result for weighed in results if weighed.counts)
    excused = excuses(results)
    found = excuses(weighed for weighed in results if weighed.as_before) or None
    return (
        _success_rate(counted, tests.required_pass_percent, excused).model_copy(update={"found": found}),
        _critical_tests(tuple(result for result in counted if result.test.critical), results),
        _response_time(counted, results, tests.response_time_seconds, before),
    )


def excused(gates: tuple[Gate, ...], fault: DependencyFault) -> tuple[Gate, ...]:
    """Return the gates without the failures, which the database's ``fault`` explains: they have no verdict then."""
    return tuple(
        gate.model_copy(update={"verdict": Verdict.INCONCLUSIVE, "detail": f"{fault.detail}; {gate.detail}"})
        if gate.verdict is Verdict.FAIL
        else gate
        for gate in gates
    )


def cause(verdict: Verdict) -> Cause | None:
    """Return the cause that goes with a verdict. Inconclusive means that time ran out: some tests were not run."""
    return {Verdict.PASS: None, Verdict.FAIL: Cause.GATE, Verdict.INCONCLUSIVE: Cause.TIMEOUT}[verdict]


def summary(results: tuple[Weighed, ...], gates: tuple[Gate, ...] = ()) -> str:
    """Return weighed sentence: how many tests passed, what does not count, and the arithmetic of each unmet gate."""
    counted = [weighed.result for weighed in results if weighed.counts]
    passed = sum(result.passed is True for result in counted)
    unmet = (f"{gate.name} {gate.arithmetic}" for gate in gates if gate.verdict is not Verdict.PASS)
    aside = len(results) - len(counted)
    findings = (f"{aside} of {len(results)} do not count: {excuses(results)}",) if aside else ()
    total = (f"{passed} of {len(counted)} tests passed",) if counted else ()
    return "; ".join((*total, *unmet, *findings))


def baseline(
    results: tuple[TestResult, ...], counted: tuple[Weighed, ...], again: tuple[Weighed, ...] = ()
) -> Baseline:
    """Return what is remembered of the tests of the version before the change; ``again``: those that were repeated."""
    unmet = "; ".join(
        dict.fromkeys(
            weighed.result.sentence for weighed in counted if weighed.counts and weighed.result.passed is False
        )
    )
    sent = probes((*counted, *again))
    return Baseline(
        tests=tuple(as_before(result) for result in results),
        p95_seconds=percentile(_seconds(counted), 95),
        summary="; ".join(filter(None, (summary(counted), unmet))),
        requests=sent.requests if sent else 0,
        failures=sent.failures if sent else 0,
    )


def probes(results: tuple[Weighed, ...], before: Baseline | None = None) -> ProbesOutput | None:
    """Return the tests as requests to the service, each attempt as one; None where none says anything about it.

    What does not count is no failure.
    """
    evidence = [
        (weighed, attempt)
        for weighed in results
        for attempt in weighed.result.attempts
        if _is_evidence(weighed, attempt)
    ]
    if not evidence:
        return None
    failures = sum(weighed.counts and not as_expected(weighed.result.test, attempt) for weighed, attempt in evidence)
    return ProbesOutput(
        requests=len(evidence),
        failures=failures,
        p95_seconds=percentile(_seconds(results), 95),
        requests_before=before.requests if before else 0,
        failures_before=before.failures if before else 0,
    )


def worth_repeating(results: tuple[Weighed, ...]) -> tuple[TestResult, ...]:
    """Return the tests to be sent again, so that the share of requests that fail is known; none where none stumbled.

    They are those that count, where any request has met a server's error or had no answer: a handful of tests, of
    which some pass at a second attempt, do not tell a stumble from every second answer.
    """
    counted = tuple(weighed.result for weighed in results if weighed.counts and weighed.result.attempts)
    return counted if any(map(_stumbled, counted)) else ()


def _stumbled(result: TestResult) -> bool:
    return any(
        isinstance(attempt, Silent) or (isinstance(attempt, Answered) and attempt.status >= 500)
        for attempt in result.attempts
    )


def percentile(values: tuple[float, ...], percent: float) -> float | None:
    """Return the percentile by linear interpolation; None without values.

    It is type 7 of Hyndman and Fan, Sample Quantiles in Statistical Packages (1996): with the nine answers of the
    default suites weighed slow answer among fast ones weighs about half, where the nearest rank would be that answer.
    """
    if not values:
        return None
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _success_rate(results: tuple[TestResult, ...], threshold: float, excused: str) -> Gate:
    """Return a gate with an interval: a test that was not run counts as failed at the low end, as passed at the high.

    Without any test that was run there is no interval, and the gate is inconclusive.
    """
    if not results and excused:
        return Gate.does_not_apply("success_rate", excused)
    run = [result for result in results if result.passed is not None]
    passed = sum(result.passed is True for result in run)
    open_ = len(results) - len(run)
    if not run:
        return Gate.measured("success_rate", None, ">=", threshold, unit="%", samples=0, detail="no test was run")
    detail = _unmet(results) or f"all {len(results)} tests passed"
    return Gate.between(
        "success_rate",
        100 * passed / len(results),
        100 * (passed + open_) / len(results),
        threshold,
        unit="%",
        samples=len(run),
        detail=f"{detail}; not counted: {excused}" if excused else detail,
    )


def _critical_tests(critical: tuple[TestResult, ...], all_: tuple[Weighed, ...]) -> Gate:
    if not any(weighed.counts for weighed in all_) and (excused := excuses(all_)):
        return Gate.does_not_apply("critical_tests", excused)
    of_critical = (weighed for weighed in all_ if weighed.result.test.critical)
    if not critical and (excused := excuses(of_critical)):
        return Gate.does_not_apply("critical_tests", excused)
    failed = sum(result.passed is False for result in critical)
    run = sum(result.passed is not None for result in critical)
    return Gate.measured(
        "critical_tests",
        failed if failed or run == len(critical) else None,
        "<=",
        0,
        unit=" failed",
        samples=run,
        minimum=1 if failed else len(critical),
        detail=_unmet(critical) or f"all {len(critical)} critical tests passed",
    )


def _response_time(
    counted: tuple[TestResult, ...], results: tuple[Weighed, ...], limit: float, before: Baseline | None
) -> Gate:
    """Judge the 95th percentile against the limit; where it was above that before the change, against what it was."""
    seconds = _seconds(results)
    if not counted and not seconds and (excused := excuses(results)):
        return Gate.does_not_apply("response_time_p95", excused)
    was = before.p95_seconds if before else None
    slow = was is not None and was > limit
    slowest = f"slowest {max(seconds):.2f} s" if seconds else "nothing answered"
    found = f"{slowest}; above the limit of {limit:g} s before the change, too: {was:.2f} s" if slow else None
    gate = Gate.measured(
        "response_time_p95",
        percentile(seconds, 95),
        "<=",
        NOISE * was if was is not None and slow else limit,
        unit=" s",
        samples=len(seconds),
        detail=found or slowest,
    )
    above = gate.value is not None and gate.value > limit
    return gate.model_copy(update={"found": found}) if above and gate.verdict is Verdict.PASS else gate


def _is_evidence(weighed: Weighed, attempt: Attempt) -> bool:
    """Return whether an attempt says anything about this service.

    Of a test that does not count, only an answer of the service that is no server's error does.
    """
    if isinstance(attempt, Answered) and attempt.leads_away:
        return weighed.counts
    return weighed.counts or (isinstance(attempt, Answered) and attempt.status < 500)


def _seconds(results: tuple[Weighed, ...]) -> tuple[float, ...]:
    """Return the seconds of every answered attempt, expected or not: a retry must not hide a slow answer."""
    return tuple(
        attempt.seconds
        for weighed in results
        for attempt in weighed.result.attempts
        if isinstance(attempt, Answered) and _is_evidence(weighed, attempt)
    )


def _unmet(results: tuple[TestResult, ...]) -> str:
    return "; ".join(result.sentence for result in results if not result.passed)
