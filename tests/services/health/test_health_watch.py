"""The watch's judgement, look by look."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.deployment import Cause
from contracts.gates import Verdict, worst
from services.health.domain.observed import NotObserved, Rollout
from services.health.domain.watch.gates import failure_limit
from services.health.domain.watch.judge import Failed, Healthy, Judgement, Unknown, Watching, judge
from services.health.domain.watch.memory import SETTLING_SECONDS, Expected, Memory, Observed, lost
from tests.services.health.harness import (
    HEALTHY,
    NOW,
    OLD,
    OURS,
    deployment,
    failed_task,
    look,
    looked,
    service,
    targets,
)

DEADLINE = NOW + 600
EXPECTED = Expected(OURS, "td/app:2", DEADLINE)
ROLLING = deployment(running=1, rollout_state="IN_PROGRESS")
REPLACED = deployment(OLD, status="ACTIVE", running=3)
REFUSED = NotObserved("ECS did not answer DescribeServices: AccessDeniedException")
BACK = deployment("ecs-svc/3", task_definition="td/app:1", rollout_state="IN_PROGRESS")


def judged(
    looks: Iterable[Observed | NotObserved], expected: Expected = EXPECTED, *, at: float = NOW, every: float = 5
) -> tuple[Judgement, Memory]:
    """Watch one look after the other until there is a judgement, or the looks run out."""
    memory, judgement, now = Memory(began_at=NOW), None, at
    for seen in looks:
        memory = Memory.from_bytes(memory.to_bytes())  # as a restarted executor would read it
        if isinstance(seen, Observed):
            memory = looked(memory, seen, expected, now)
        judgement = judge(seen, expected, memory, now)
        if not isinstance(judgement, Watching):
            break
        now += every
    assert judgement is not None
    return judgement, memory


def judgement(*looks: Observed | NotObserved, **more: Any) -> Judgement:
    return judged(looks, **more)[0]


def verdicts(of: Any) -> dict[str, str]:
    return {gate.name: gate.verdict.value for gate in of.gates}


def test_a_completed_deployment_with_healthy_targets_is_healthy() -> None:
    found = judgement(look(ROLLING, REPLACED), look())
    assert isinstance(found, Healthy)
    assert verdicts(found) == dict.fromkeys(
        ("rollout_completed", "our_deployment_live", "tasks_running", "failed_tasks", "targets_healthy"), "pass"
    )
    assert found.detail == "3 of 3 tasks running, 3 of 3 targets healthy"


@pytest.mark.parametrize(
    "seen",
    [
        look(deployment(rollout_state="IN_PROGRESS")),
        look(deployment(running=2)),
        look(deployment(running=4)),
        look(seen=targets("healthy", "healthy", "initial")),
        look(deployment(), replace(REPLACED, running=1)),  # one of the three healthy targets may be the old one's
    ],
)
def test_anything_less_is_waited_for(seen: Observed) -> None:
    assert isinstance(judgement(seen), Watching)


def test_targets_of_the_old_deployment_are_not_counted_as_ours() -> None:
    seen = look(ROLLING, REPLACED, seen=targets(*["healthy"] * 4))
    assert judgement(seen) == Watching("1 of 3 tasks running, 1 of 3 targets healthy")


IN_PROGRESS, STOPPED = deployment(rollout_state="IN_PROGRESS"), replace(REPLACED, running=0)
WITH_DRAINING = (*HEALTHY, *targets("draining", "draining", "draining"))
DRAINING = look(IN_PROGRESS, STOPPED, seen=WITH_DRAINING)


def test_old_tasks_that_drain_for_an_hour_keep_nobody_waiting() -> None:
    found = judgement(DRAINING)
    assert isinstance(found, Healthy)
    assert verdicts(found)["rollout_completed"] == verdicts(found)["targets_healthy"] == "pass"
    assert "tasks of before that still drain, without new requests: 3" in {gate.detail for gate in found.gates}


@pytest.mark.parametrize(
    "seen",
    [
        look(IN_PROGRESS, replace(STOPPED, running=1), seen=WITH_DRAINING),  # an old task still takes requests
        replace(DRAINING, targets=(*HEALTHY[:2], *targets("draining", "draining"))),
        look(IN_PROGRESS, seen=HEALTHY),  # nothing drains: ECS waits for something else, its alarms for instance
    ],
)
def test_while_old_tasks_may_take_requests_the_rollout_is_not_over(seen: Observed) -> None:
    assert isinstance(judgement(seen), Watching)


def test_a_failed_rollout_is_not_excused_by_old_tasks_that_drain() -> None:
    failed = look(deployment(rollout_state="FAILED"), STOPPED, seen=WITH_DRAINING)
    assert isinstance(judgement(failed), Failed)


def test_nothing_is_proven_of_a_service_that_wants_no_task() -> None:
    idle = look(deployment(desired=0, running=0), seen=(), desired=0, running=0)
    found = judgement(idle)
    assert isinstance(found, Healthy)
    assert found.wanted == 0
    assert {gate.not_applicable for gate in found.gates} == {
        "the service wants no task, so nothing of the new version runs"
    }


def test_without_a_load_balancer_there_is_no_question_about_targets() -> None:
    found = judgement(look(seen=None))
    assert isinstance(found, Healthy)
    assert "targets_healthy" not in verdicts(found)


def test_another_controller_tells_no_rollout_state() -> None:
    external = deployment(rollout_state=None)
    assert isinstance(judgement(look(external)), Healthy)
    assert isinstance(judgement(look(external, replace(REPLACED, running=0))), Watching)


def test_a_failed_rollout_fails_with_the_last_tasks_own_words() -> None:
    failed = deployment(running=0, rollout_state="FAILED", reason="circuit breaker: tasks failed to start.")
    found = judgement(look(failed, REPLACED, stopped=(failed_task(1),)))
    assert isinstance(found, Failed)
    assert found.cause is Cause.GATE
    assert "circuit breaker: tasks failed to start. The last task" in found.detail
    assert "exited (exit code 1)" in found.detail


def test_a_rollback_by_ecs_is_a_failed_deployment_even_when_the_service_is_stable() -> None:
    event = f"(service Backend) (deployment {OURS}) deployment failed: tasks failed to start."
    stable = look(replace(BACK, rollout_state="COMPLETED"), events=(event,))
    found = judgement(look(ROLLING, REPLACED), stable)
    assert isinstance(found, Failed)
    assert (found.cause, verdicts(found)["our_deployment_live"]) == (Cause.GATE, "fail")
    assert "tasks failed to start" in found.detail


@pytest.mark.parametrize(
    ("rollout", "cause"),
    [
        (Rollout("ROLLBACK_SUCCESSFUL", "an alarm"), Cause.GATE),
        (Rollout("ROLLBACK_IN_PROGRESS"), Cause.GATE),
        (Rollout("STOPPED", "the circuit breaker threshold was exceeded"), Cause.GATE),
        (Rollout("STOPPED", "Service deployment was superseded by a newer service deployment."), Cause.SUPERSEDED),
        (Rollout("SUCCESSFUL"), Cause.SUPERSEDED),
        (None, Cause.SUPERSEDED),
    ],
)
def test_another_primary_deployment_ends_the_watch_and_its_cause_tells_who(rollout: Any, cause: Cause) -> None:
    found = judgement(look(ROLLING, REPLACED), look(BACK, rollout=rollout))
    assert isinstance(found, Failed)
    assert found.cause is cause


def test_ecs_may_be_slow_to_list_a_new_deployment_but_not_for_ever() -> None:
    before = look(deployment(OLD))
    assert isinstance(judgement(before), Watching)
    found = judgement(before, before, every=SETTLING_SECONDS + 1)
    assert isinstance(found, Failed)
    assert found.cause is Cause.SUPERSEDED


def test_our_deployment_must_run_our_task_definition() -> None:
    found = judgement(look(deployment(task_definition="td/app:9")))
    assert isinstance(found, Failed)
    assert found.cause is Cause.SUPERSEDED
    assert isinstance(judgement(look(), expected=Expected(OURS, "app:2", DEADLINE)), Healthy)


def test_a_service_that_is_gone_ends_the_watch() -> None:
    assert isinstance(judgement(Observed(None)), Failed)


def test_a_service_that_is_being_deleted_is_not_healthy_when_its_last_task_has_stopped() -> None:
    reason = "the service Backend is DRAINING: it is being deleted, and takes no deployment"
    found = judgement(look(deployment(running=0), seen=(), desired=0, running=0, being_deleted=reason))
    assert isinstance(found, Failed)
    assert (found.cause, found.detail) == (Cause.SUPERSEDED, f"It was not watched to its end: {reason}.")


@pytest.mark.parametrize(("desired", "limit"), [(0, 3), (1, 3), (6, 3), (7, 4), (100, 50), (1000, 200)])
def test_the_limit_of_failed_tasks_is_that_of_the_circuit_breaker(desired: int, limit: int) -> None:
    assert failure_limit(desired) == limit


def test_failed_tasks_are_counted_by_id_and_by_the_highest_count_that_ecs_told() -> None:
    some = look(ROLLING, REPLACED, stopped=(failed_task(1), failed_task(2)))
    assert isinstance(judgement(some, some), Watching)
    found = judgement(some, look(ROLLING, REPLACED, stopped=(failed_task(3),)))
    assert isinstance(found, Failed)
    assert (found.cause, verdicts(found)["failed_tasks"]) == (Cause.GATE, "fail")
    counted = [look(replace(ROLLING, failed_tasks=count), REPLACED) for count in (2, 0, 3)]
    assert isinstance(judgement(*counted[:2]), Watching)
    assert isinstance(judgement(*counted), Failed)


@pytest.mark.parametrize(
    "harmless",
    [
        failed_task(1, of=OLD),
        failed_task(1, stop_code="ServiceSchedulerInitiated", reason="Scaling activity initiated by deployment"),
        failed_task(1, stop_code="UserInitiated", reason="Task stopped by user"),
    ],
)
def test_tasks_that_were_replaced_or_are_not_ours_did_not_fail(harmless: Any) -> None:
    stopped = tuple(replace(harmless, arn=f"task/{number}") for number in range(9))
    _, memory = judged([look(ROLLING, REPLACED, stopped=stopped)])
    assert memory.failures == 0


def test_tasks_stopped_for_their_health_failed() -> None:
    unhealthy = {"stop_code": "ServiceSchedulerInitiated", "reason": "Task failed ELB health checks in (target-group)"}
    stopped = tuple(failed_task(number, **unhealthy) for number in range(3))
    assert isinstance(judgement(look(ROLLING, REPLACED, stopped=stopped)), Failed)


def test_unhealthy_at_the_deadline_fails_and_says_what_is_missing() -> None:
    found = judgement(look(ROLLING, REPLACED), at=DEADLINE)
    assert isinstance(found, Failed)
    assert found.cause is Cause.TIMEOUT
    assert "tasks_running 1, must be == 3" in found.detail


def test_at_the_deadline_nobody_can_tell_without_aws() -> None:
    found = judgement(REFUSED, at=DEADLINE)
    assert isinstance(found, Unknown)
    assert found.cause is Cause.ERROR
    assert found.detail == f"AWS could not be asked, so nobody can tell: {REFUSED.why}."
    assert isinstance(judgement(REFUSED), Watching)


def test_a_look_just_before_the_deadline_still_counts_and_an_old_one_does_not() -> None:
    assert isinstance(judgement(look(ROLLING, REPLACED), REFUSED, at=DEADLINE - 10, every=10), Failed)
    assert isinstance(judgement(look(ROLLING, REPLACED), REFUSED, at=DEADLINE - 60, every=60), Unknown)


def test_unseen_targets_are_unknown_at_the_deadline_not_unhealthy() -> None:
    dark = replace(look(), targets=NotObserved("elbv2.describe_target_health: Throttling"))
    assert judgement(dark) == Watching("3 of 3 tasks running, targets unknown")
    assert isinstance(judgement(dark, at=DEADLINE), Unknown)


class TestObserving:
    """Somebody else deploys, and the command does not name the deployment."""

    EXPECTED = Expected(None, None, DEADLINE)

    def test_the_deployment_in_progress_is_taken(self) -> None:
        found, memory = judged([look(ROLLING, REPLACED), look()], self.EXPECTED)
        assert isinstance(found, Healthy)
        assert memory.deployment_id == OURS

    def test_the_next_one_is_waited_for(self) -> None:
        before = look(deployment(OLD))
        waiting, memory = judged([before, before], self.EXPECTED)
        assert waiting == Watching("waiting for a deployment to begin")
        assert memory.deployment_id is None
        found, memory = judged([before, before, look()], self.EXPECTED)
        assert isinstance(found, Healthy)
        assert memory.deployment_id == OURS

    def test_if_none_begins_nobody_can_tell(self) -> None:
        found, _ = judged([look(deployment(OLD))], self.EXPECTED, at=DEADLINE)
        assert isinstance(found, Unknown)
        assert found.cause is Cause.TIMEOUT
        healthy = next(gate for gate in found.gates if gate.name == "targets_healthy")
        assert (healthy.value, healthy.detail) == (None, "no deployment has begun"), "those of the service are healthy"

    def test_a_second_deployment_supersedes_the_one_that_is_watched(self) -> None:
        found, _ = judged([look(ROLLING, REPLACED), look(BACK, replace(ROLLING, status="ACTIVE"))], self.EXPECTED)
        assert isinstance(found, Failed)
        assert found.cause is Cause.SUPERSEDED


def test_what_is_remembered_stays_bounded() -> None:
    stopped = tuple(failed_task(number) for number in range(150))
    more = tuple(failed_task(number) for number in range(100, 300))
    memory = Memory(began_at=NOW)
    for batch in (stopped, more):
        memory = looked(memory, look(ROLLING, stopped=batch), EXPECTED, NOW)
    assert memory.failures == 200


DEPLOYMENTS = st.builds(
    deployment,
    st.sampled_from([OLD, OURS, "ecs-svc/3"]),
    status=st.sampled_from(["PRIMARY", "ACTIVE"]),
    running=st.integers(0, 4),
    failed_tasks=st.integers(0, 4),
    rollout_state=st.sampled_from([None, "IN_PROGRESS", "COMPLETED", "FAILED"]),
)
LOOKS = st.builds(
    look,
    DEPLOYMENTS,
    DEPLOYMENTS,
    seen=st.one_of(
        st.none(), st.lists(st.sampled_from(["healthy", "unhealthy"]), max_size=4).map(lambda s: targets(*s))
    ),
    stopped=st.lists(st.integers(0, 5).map(failed_task), max_size=4).map(tuple),
)


@given(st.lists(st.one_of(st.just(REFUSED), LOOKS), min_size=1, max_size=6), st.sampled_from([0.0, 590.0, 600.0]))
def test_a_verdict_is_always_what_its_gates_say(looks: list[Observed | NotObserved], into: float) -> None:
    found, _ = judged(looks, at=NOW + into)
    if isinstance(found, Watching):
        assert NOW + into < DEADLINE
        return
    expected = {Healthy: Verdict.PASS, Failed: Verdict.FAIL, Unknown: Verdict.INCONCLUSIVE}[type(found)]
    assert worst(gate.verdict for gate in found.gates) is expected


@given(LOOKS)
def test_only_our_own_primary_deployment_is_ever_healthy(seen: Observed) -> None:
    if isinstance(judgement(seen), Healthy):
        assert seen.service is not None
        assert seen.service.primary is not None
        assert (seen.service.primary.id, seen.service.primary.task_definition) == (OURS, "td/app:2")


def test_a_deployment_is_lost_only_when_another_one_leads() -> None:
    memory = Memory(began_at=NOW, deployment_id=OURS, seen=True)
    assert not lost(memory, service(), NOW)
    assert lost(memory, service(BACK), NOW)
    assert not lost(Memory(began_at=NOW), service(BACK), NOW)
