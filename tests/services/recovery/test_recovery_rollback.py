"""What a rollback finds, and what it makes of it."""

import pytest
from hypothesis import given, settings

from contracts.base import Target
from contracts.recovery import RollBack, RollbackFinished
from contracts.results import StepProgressed
from services._aws.errors import AwsError
from services.recovery.domain.change import Body
from services.recovery.domain.rollback.observed import Observed
from services.recovery.domain.rollback.roll_back import (
    MOST_RESTORES,
    Done,
    Failed,
    Plan,
    Restore,
    Superseded,
    next_move,
)
from services.recovery.jobs.roll_back import REFUSED_SECONDS
from tests.services.recovery.harness import ARN, BAD, GOOD, OTHER, REPOSITORY, TARGET, Recovery
from tests.services.recovery.looks import LOOKS, PLANS


@pytest.fixture
async def recovery() -> Recovery:
    """A bad image was deployed 20 seconds ago."""
    made = Recovery()
    await made.deployed()
    return made


async def rolled_back(recovery: Recovery) -> RollbackFinished:
    command = RollBack(target=TARGET, run_id="run-1", trigger="a critical health check failed")
    await recovery.send(command, "command")
    await recovery.work()
    [finished] = recovery.published(RollbackFinished)
    return finished


async def test_ecs_that_is_rolling_back_is_waited_for_and_named(recovery: Recovery) -> None:
    recovery.ecs.fall_back(f"{ARN}:1", "ROLLBACK_IN_PROGRESS")
    ready = recovery.clock.now() + 60

    def finish() -> None:
        if recovery.clock.now() >= ready:
            recovery.ecs.history[-1]["status"] = "ROLLBACK_SUCCESSFUL"

    recovery.clock.while_asleep.append(finish)
    finished = await rolled_back(recovery)
    assert (finished.result, finished.rollback.by) == ("restored", "ecs")
    assert finished.rollback.seconds >= 60
    assert recovery.ecs.updates == [f"{ARN}:2"]


async def test_a_breaker_that_has_tripped_is_not_raced(recovery: Recovery) -> None:
    recovery.ecs.settings["deploymentConfiguration"]["deploymentCircuitBreaker"] = {
        "enable": True,
        "rollback": True,
    }
    recovery.ecs.history[-1]["deploymentCircuitBreaker"] = {"status": "TRIGGERED"}
    ready = recovery.clock.now() + 10

    def fall() -> None:
        if recovery.clock.now() >= ready:
            recovery.ecs.fall_back(f"{ARN}:1", "ROLLBACK_SUCCESSFUL")

    recovery.clock.while_asleep.append(fall)
    finished = await rolled_back(recovery)
    assert (finished.result, finished.rollback.by) == ("restored", "ecs")
    assert recovery.ecs.updates == [f"{ARN}:2"]


async def test_what_ecs_fell_back_to_is_replaced_when_it_is_not_the_snapshot(recovery: Recovery) -> None:
    recovery.ecs.fall_back(recovery.ecs.add_definition(OTHER), "ROLLBACK_SUCCESSFUL")
    finished = await rolled_back(recovery)
    assert (finished.result, finished.rollback.by) == ("restored", "surefoot")
    assert recovery.ecs.live == f"{ARN}:1"


async def test_a_rollback_that_ecs_could_not_finish_is_ours(recovery: Recovery) -> None:
    recovery.ecs.history[-1]["status"] = "ROLLBACK_FAILED"
    finished = await rolled_back(recovery)
    assert (finished.result, finished.rollback.by) == ("restored", "surefoot")


async def test_somebody_elses_version_is_left_alone(recovery: Recovery) -> None:
    recovery.ecs.deploy_elsewhere(recovery.ecs.add_definition(OTHER))
    finished = await rolled_back(recovery)
    assert (finished.result, finished.rollback.by) == ("superseded", "other")
    assert recovery.ecs.updates == [f"{ARN}:2"]
    answer = recovery.answer("command")
    assert answer is not None
    assert (answer.verdict, answer.cause) == ("fail", "superseded")


async def test_somebody_else_has_brought_the_version_back(recovery: Recovery) -> None:
    recovery.ecs.deploy_elsewhere(f"{ARN}:1")
    finished = await rolled_back(recovery)
    assert (finished.result, finished.rollback.by) == ("restored", "other")
    assert recovery.ecs.updates == [f"{ARN}:2"]


async def test_an_inactive_task_definition_is_registered_again_by_digest(recovery: Recovery) -> None:
    recovery.ecs.definitions[0]["status"] = "INACTIVE"
    finished = await rolled_back(recovery)
    assert finished.result == "restored"
    assert recovery.ecs.live == f"{ARN}:3"
    old, new = recovery.ecs.definitions[0], recovery.ecs.definitions[2]
    assert new["containerDefinitions"] == old["containerDefinitions"]
    assert new["tags"] == old["tags"]


async def test_a_task_definition_that_ecs_has_forgotten_is_registered_again(recovery: Recovery) -> None:
    recovery.ecs.definitions = recovery.ecs.definitions[1:]
    finished = await rolled_back(recovery)
    assert (finished.result, finished.rollback.by) == ("restored", "surefoot")


@pytest.mark.parametrize(
    ("named_now", "copied"), [("sha256:" + "a" * 64, False), ("sha256:" + "b" * 64, True), (None, True)]
)
async def test_a_tag_that_names_another_image_by_now_is_replaced_by_the_digest(
    named_now: str | None, *, copied: bool
) -> None:
    recovery = Recovery()
    tagged = f"{REPOSITORY}:latest"
    recovery.ecs.definitions[0]["containerDefinitions"][0]["image"] = tagged
    recovery.registry.tags = {tagged: named_now} if named_now else {}
    await recovery.deployed()
    finished = await rolled_back(recovery)
    assert finished.result == "restored"
    assert recovery.ecs._image(recovery.ecs.live) == (GOOD if copied else tagged)
    assert len(recovery.ecs.definitions) == (3 if copied else 2)


async def test_settings_that_somebody_has_changed_in_the_run_stay(recovery: Recovery) -> None:
    """The run changes the version alone, and a rollback undoes the change and nothing else."""
    changed = {**recovery.ecs.settings["deploymentConfiguration"], "minimumHealthyPercent": 0}
    recovery.ecs.settings["deploymentConfiguration"] = changed
    finished = await rolled_back(recovery)
    assert finished.result == "restored"
    assert recovery.ecs.settings["deploymentConfiguration"] == changed
    assert [what for verb, what in recovery.ecs.changing if verb == "update"][-1] == {"taskDefinition": f"{ARN}:1"}


async def test_settings_of_a_rollout_that_the_run_had_found_under_way_go_with_it() -> None:
    """The snapshot is of the version that was completed last, with its settings."""
    made = Recovery()
    before = made.ecs.settings["deploymentConfiguration"]
    failing = made.ecs.add_definition(BAD)
    made.ecs.deploy_elsewhere(failing)
    way_back = made.ecs.way_back

    async def as_it_was(target: Target, service: Body) -> tuple[Body, dict[str, str]]:
        found, digests = await way_back(target, service)
        return found | {"deploymentConfiguration": before}, digests

    made.ecs.way_back = as_it_was  # type: ignore[method-assign]
    made.ecs.settings["deploymentConfiguration"] = {**before, "minimumHealthyPercent": 0}
    await made.deployed(image=f"{REPOSITORY}@sha256:{'d' * 64}")
    finished = await rolled_back(made)
    assert finished.result == "restored"
    assert made.ecs.live == f"{ARN}:1"
    assert made.ecs.settings["deploymentConfiguration"] == before


async def test_an_outage_of_aws_is_waited_out(recovery: Recovery) -> None:
    recovery.ecs.failing = [AwsError("ecs got no answer.", temporary=True) for _ in range(5)]
    finished = await rolled_back(recovery)
    assert finished.result == "restored"


REFUSAL = AwsError("ecs:UpdateService failed: AccessDeniedException.", temporary=False)


async def test_a_refusal_calls_people_if_it_stays(recovery: Recovery) -> None:
    recovery.ecs.failing = [REFUSAL] * 100
    finished = await rolled_back(recovery)
    assert (finished.result, finished.rollback.seconds) == ("failed", REFUSED_SECONDS)
    assert "AccessDenied" in finished.detail
    assert recovery.published(StepProgressed)[-1].message == f"{REFUSAL} Trying again."


async def test_a_refusal_that_passes_costs_some_seconds(recovery: Recovery) -> None:
    """Credentials had expired, and were renewed; a permission had not arrived everywhere."""
    recovery.ecs.failing = [REFUSAL] * 20
    assert (await rolled_back(recovery)).result == "restored"


async def test_a_version_that_does_not_get_healthy_any_more_is_a_failure_within_ten_minutes(
    recovery: Recovery,
) -> None:
    recovery.ecs.bad = {BAD, GOOD}
    finished = await rolled_back(recovery)
    assert finished.result == "failed"
    assert 600 <= finished.rollback.seconds < 615
    assert finished.detail == (
        "Nothing has moved for 10 minutes: 1 of 3 tasks of backend:1 run, 1 healthy behind the load balancer: 2 of its "
        "tasks do not run yet; nothing may stand still for 10 minutes (1 batch of 3 tasks, 120 s each to start and "
        "become healthy)."
    )
    assert recovery.protection.arm is None
    assert not recovery.protection.snapshots[0].proven


async def test_a_missing_snapshot_or_service_is_a_failure(recovery: Recovery) -> None:
    recovery.shelf.objects.clear()
    finished = await rolled_back(recovery)
    assert (finished.result, "bucket" in finished.detail) == ("failed", True)
    other = Recovery()
    await other.deployed()
    other.ecs.gone = True
    finished = await rolled_back(other)
    assert (finished.result, "not there" in finished.detail) == ("failed", True)


async def test_a_service_that_is_being_deleted_is_not_rolled_back_and_that_is_said_at_once(recovery: Recovery) -> None:
    recovery.ecs.settings["status"] = "DRAINING"
    before = list(recovery.ecs.changing)
    finished = await rolled_back(recovery)
    assert finished.result == "failed"
    assert finished.detail == (
        "A rollback is not possible: the service BackendService is DRAINING: "
        "it is being deleted, and takes no deployment."
    )
    assert finished.rollback.seconds < 10
    assert recovery.ecs.changing == before


async def test_what_replaces_the_restored_version_again_is_undone_once_and_then_people_are_called(
    recovery: Recovery,
) -> None:
    def fight() -> None:
        if recovery.ecs.live == f"{ARN}:1":
            recovery.ecs.deploy_elsewhere(f"{ARN}:2")

    recovery.clock.while_asleep.append(fight)
    finished = await rolled_back(recovery)
    assert finished.result == "failed"
    assert recovery.ecs.updates == [f"{ARN}:2", f"{ARN}:1", f"{ARN}:1"]


async def test_if_the_snapshots_version_never_left_there_is_nothing_to_go_back_to() -> None:
    recovery = Recovery()
    await recovery.arm()
    finished = await rolled_back(recovery)
    assert (finished.result, "nothing to go back to" in finished.detail) == ("failed", True)
    assert recovery.ecs.changing == []


async def test_a_change_to_what_the_snapshot_shows_needs_no_way_back() -> None:
    recovery = Recovery()
    await recovery.arm()
    await recovery.change(image=GOOD)
    finished = await rolled_back(recovery)
    assert (finished.result, finished.rollback.by) == ("restored", "surefoot")
    assert finished.detail.startswith("Nothing was changed")
    assert finished.untouched
    assert recovery.ecs.changing == []


async def test_an_observed_deployment_is_rolled_back_on_command() -> None:
    recovery = Recovery()
    await recovery.arm()
    recovery.clock.time += 5
    recovery.ecs.deploy_elsewhere(recovery.ecs.add_definition(BAD))
    finished = await rolled_back(recovery)
    assert (finished.result, finished.rollback.by) == ("restored", "surefoot")
    assert recovery.ecs.live == f"{ARN}:1"


@pytest.mark.parametrize(("live", "result"), [(BAD, "restored"), (GOOD, "superseded")])
async def test_of_an_observed_run_only_the_version_that_it_has_judged_is_taken_back(live: str, result: str) -> None:
    recovery = Recovery()
    await recovery.arm()
    judged = recovery.ecs.add_definition(BAD)
    recovery.ecs.deploy_elsewhere(judged)
    recovery.clock.time += 300
    if live != BAD:
        recovery.ecs.deploy_elsewhere(recovery.ecs.add_definition(live, cpu="512"))
    command = RollBack(target=TARGET, run_id="run-1", trigger="our_deployment_live", task_definition=judged)
    await recovery.send(command, "roll-back-1")
    await recovery.work()
    (finished,) = recovery.published(RollbackFinished)
    assert finished.result == result
    assert bool(recovery.ecs.updates) is (result == "restored")


async def test_an_answer_of_ecs_from_before_the_update_is_no_drift(recovery: Recovery) -> None:
    described = recovery.ecs._described
    stale = [described(), described()]

    def restored() -> None:
        recovery.ecs._described = lambda: stale.pop() if stale else described()  # type: ignore[method-assign]  # ECS is eventually consistent

    recovery.ecs.after_update.append(restored)
    finished = await rolled_back(recovery)
    assert (finished.result, stale) == ("restored", [])
    assert recovery.ecs.updates == [f"{ARN}:2", f"{ARN}:1"]


@settings(max_examples=500)
@given(LOOKS, PLANS)
def test_every_move_keeps_the_promises(observed: Observed, plan: Plan) -> None:
    move = next_move(observed, plan)
    assert observed.now < plan.deadline or isinstance(move, Done | Superseded | Failed)
    if isinstance(move, Restore):
        assert len(plan.restored_at) < MOST_RESTORES
        assert observed.live != "foreign"
        assert observed.live == "judged" or (plan.ordered and observed.differs)
        assert observed.ecs != "rolling-back" or plan.restored_at
    elif isinstance(move, Done):
        assert observed.live == "goal"
        assert observed.healthy
        assert move.by != "ecs" or (observed.ecs == "rolled-back" and not plan.restored_at)
        assert move.by == "surefoot" or not plan.restored_at
        assert observed.now >= plan.no_straggler_after
    elif isinstance(move, Superseded):
        assert observed.live == "foreign"
