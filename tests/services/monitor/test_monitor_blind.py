"""CloudWatch cannot be asked: what the validator's own requests and the tasks show then."""

from dataclasses import replace

import pytest

from contracts.gates import Gate, Verdict
from contracts.results import ProbesOutput
from services.monitor.domain.blind import PATIENCE, Blind
from services.monitor.domain.judge import judge
from services.monitor.domain.metrics import MINUTE, StoppedTask
from services.monitor.domain.pending import PendingEvaluation
from services.monitor.domain.rollout import Rollout
from tests.services.monitor.harness import BALANCED, RULES, START

DENIED = "CloudWatch did not answer GetMetricData: AccessDeniedException"
DEADLINE = START + 15 * MINUTE
FAIL, INCONCLUSIVE = Verdict.FAIL, Verdict.INCONCLUSIVE
HALF = ProbesOutput(requests=50, failures=25, p95_seconds=0.2, requests_before=9)
ROLLOUT = Rollout(id="ecs-svc/2", began_at=START, task_definition="arn/app:2", settled_at=START + 10)


def judged(
    probes: ProbesOutput | None,
    after: float = PATIENCE,
    blind: Blind = Blind(DENIED),  # noqa: B008  frozen
) -> dict[str, Gate] | None:
    pending = PendingEvaluation(
        command_id="c", run_id="r", since=START, deadline=DEADLINE, probes=probes, task_definition="arn/app:2"
    )
    gates = judge(pending, RULES, blind, START + after, database_published=True)
    return None if gates is None else {gate.name: gate for gate in gates}


def test_half_of_all_requests_fail_and_that_is_enough() -> None:
    assert judged(HALF, PATIENCE - 1) is None, "CloudWatch may answer again"
    gates = judged(HALF)
    assert gates is not None
    assert [name for name, gate in gates.items() if gate.verdict is FAIL] == ["error_rate"]
    assert gates["error_rate"].arithmetic == "50%, must be <= 10% (50 samples)"
    assert gates["error_rate"].detail == (
        f"25 of the validator's 50 requests failed, which is all that is known: {DENIED}"
    )
    assert {gate.detail for name, gate in gates.items() if name != "error_rate"} == {DENIED}


@pytest.mark.parametrize(
    "probes",
    [
        None,
        ProbesOutput(requests=0, failures=0, p95_seconds=None),
        ProbesOutput(requests=4, failures=4, p95_seconds=None),
        ProbesOutput(requests=9, failures=2, p95_seconds=0.2),
        ProbesOutput(requests=50, failures=9, p95_seconds=0.2),
        ProbesOutput(requests=50, failures=0, p95_seconds=0.2),
        HALF.model_copy(update={"requests_before": 50, "failures_before": 20}),
    ],
)
def test_what_chance_or_the_version_before_explains_fails_nothing_and_nothing_passes(
    probes: ProbesOutput | None,
) -> None:
    assert judged(probes, 10 * MINUTE) is None
    gates = judged(probes, 15 * MINUTE)
    assert gates is not None
    assert {gate.verdict for gate in gates.values()} == {INCONCLUSIVE}
    assert all(DENIED in gate.detail for gate in gates.values())


def test_what_is_worse_than_it_was_before_the_change_fails() -> None:
    worse = HALF.model_copy(update={"requests_before": 50, "failures_before": 6})
    assert (judged(worse) or {})["error_rate"].verdict is FAIL


def test_cloudwatch_that_was_away_for_a_moment_is_waited_for_but_not_beyond_the_deadline() -> None:
    lately = Blind(DENIED, seen_at=DEADLINE - MINUTE)
    assert judged(HALF, 14 * MINUTE, lately) is None
    assert (judged(HALF, 15 * MINUTE, lately) or {})["error_rate"].verdict is FAIL


def test_tasks_that_end_by_themselves_and_another_version_that_is_live_are_seen_by_ecs_alone() -> None:
    service = BALANCED.model_copy(update={"rollout": ROLLOUT})
    ended = StoppedTask("ecs-svc/2", START + 60, "Essential container in task exited", by_itself=True)
    crashing = Blind(DENIED, service=service, stopped=(ended,) * 3)
    assert (judged(None, 2 * MINUTE, crashing) or {})["tasks_stay_up"].verdict is FAIL
    taken_back = ROLLOUT.model_copy(update={"task_definition": "arn/app:1"})
    another = replace(crashing, service=service.model_copy(update={"rollout": taken_back}), stopped=())
    assert (judged(None, 2 * MINUTE, another) or {})["our_deployment_live"].verdict is FAIL
    assert judged(None, 5 * MINUTE, replace(crashing, stopped=())) is None, "that tasks stay up is not enough"
