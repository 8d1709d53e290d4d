"""A rollback and what it can do without: what AWS denies, throttles or does not say delays and falsifies nothing."""

import asyncio
from typing import Any

import pytest

from contracts.base import Target
from contracts.recovery import CaptureSnapshot
from services._aws.errors import AwsError
from services._aws.optional_reads import OptionalReads
from tests.services.recovery.harness import ARN, OTHER, REPOSITORY, TARGET, Recovery

DENIED = AwsError("ECS did not answer: AccessDeniedException", code="AccessDeniedException")
THROTTLED = AwsError("ECS did not answer: ThrottlingException", code="ThrottlingException", temporary=True)


@pytest.fixture
async def recovery() -> Recovery:
    """A bad image was deployed 20 seconds ago."""
    made = Recovery()
    await made.deployed()
    return made


@pytest.mark.parametrize("error", [DENIED, THROTTLED])
@pytest.mark.parametrize("method", ["deployments", "targets", "pace", "task_definition", "revisions"])
async def test_a_rollback_begins_and_ends_without(recovery: Recovery, method: str, error: AwsError) -> None:
    plain = Recovery()
    await plain.deployed()
    usual = await plain.rolled_back()
    recovery.ecs.refusing[method] = error
    finished = await recovery.rolled_back()
    assert (finished.result, finished.rollback.by) == ("restored", "surefoot")
    assert finished.rollback.seconds == usual.rollback.seconds


async def test_without_the_targets_it_is_judged_by_the_counts_of_ecs_and_that_is_said(recovery: Recovery) -> None:
    recovery.ecs.refusing["targets"] = DENIED
    recovery.ecs.drain_seconds = 300
    finished = await recovery.rolled_back()
    assert finished.rollback.seconds > 300, "until ECS has completed the rollout"
    assert finished.detail == (
        "The snapshot's version is live again; 3 of 3 tasks of backend:1 run, by the counts of ECS alone, since "
        "ECS did not answer: AccessDeniedException."
    )


async def test_without_its_pace_the_usual_one_is_assumed_and_that_is_said(recovery: Recovery) -> None:
    recovery.ecs.refusing["pace"] = THROTTLED
    recovery.ecs.bad = {f"{REPOSITORY}@sha256:{letter * 64}" for letter in "ab"}
    finished = await recovery.rolled_back()
    assert "AWS did not say how long its tasks take, so that usual times are assumed" in finished.detail


@pytest.mark.parametrize("ahead", [-30.0, 30.0])
@pytest.mark.parametrize("listed", [True, False])
async def test_a_clock_that_differs_from_awss_does_not_hide_ecss_own_rollback(ahead: float, *, listed: bool) -> None:
    recovery = Recovery()
    recovery.ecs.clock_ahead = ahead
    recovery.ecs.history[0]["createdAt"] = recovery.ecs.history[0]["createdAt"].replace(year=2025)
    await recovery.deployed()
    recovery.ecs.fall_back(f"{ARN}:1", "ROLLBACK_SUCCESSFUL")
    recovery.ecs.history[-1]["id"] = "ecs-svc/back"
    recovery.ecs.settings["events"] = [{"message": "(service web) rolling back to deployment ecs-svc/back."}]
    if not listed:
        recovery.ecs.refusing["deployments"] = DENIED
    recovery.clock.time += 120
    finished = await recovery.rolled_back()
    assert (finished.result, finished.rollback.by) == ("restored", "ecs")
    assert recovery.ecs.updates == [f"{ARN}:2"]


async def test_ecs_that_rolls_back_is_not_raced_where_its_deployments_cannot_be_listed(recovery: Recovery) -> None:
    recovery.ecs.refusing["deployments"] = DENIED
    recovery.ecs.fall_back(f"{ARN}:1", "ROLLBACK_IN_PROGRESS")
    recovery.ecs.history[-1]["id"] = "ecs-svc/back"
    recovery.ecs.settings["events"] = [{"message": "(service web) rolling back to deployment ecs-svc/back."}]
    finished = await recovery.rolled_back()
    assert (finished.result, finished.rollback.by) == ("restored", "ecs")
    assert recovery.ecs.updates == [f"{ARN}:2"]


async def test_optional_fields_that_are_missing_are_no_fault_of_ours(recovery: Recovery) -> None:
    described = recovery.ecs._described

    def bare() -> dict[str, Any]:
        service = described()
        wanted = {"serviceName", "taskDefinition", "desiredCount", "runningCount"}
        return {name: value for name, value in service.items() if name in wanted} | {"deployments": []}

    recovery.ecs._described = bare  # type: ignore[method-assign]
    finished = await recovery.rolled_back()
    assert (finished.result, finished.rollback.by) == ("restored", "surefoot")
    assert recovery.ecs.live == f"{ARN}:1"


async def test_a_version_that_cannot_be_read_is_put_back_as_a_copy_or_as_it_is(recovery: Recovery) -> None:
    recovery.ecs.refusing |= {"task_definition": DENIED, "register": DENIED}
    finished = await recovery.rolled_back()
    assert finished.result == "restored"
    assert recovery.ecs.live == f"{ARN}:1"


async def test_a_tag_that_is_known_to_name_another_image_is_not_put_back() -> None:
    recovery = Recovery()
    tagged = f"{REPOSITORY}:latest"
    recovery.ecs.definitions[0]["containerDefinitions"][0]["image"] = tagged
    recovery.registry.tags = {tagged: "sha256:" + "b" * 64}
    await recovery.deployed()
    recovery.ecs.refusing["register"] = DENIED
    finished = await recovery.rolled_back()
    assert (finished.result, "AccessDenied" in finished.detail) == ("failed", True)
    assert recovery.ecs.updates == [f"{ARN}:2"]


async def test_a_lost_answer_of_our_own_call_is_not_taken_for_somebody_elses(recovery: Recovery) -> None:
    def lose_the_answer() -> None:
        recovery.ecs.after_update.clear()
        raise AwsError("ECS did not answer UpdateService: ReadTimeoutError", temporary=True)

    recovery.ecs.after_update.append(lose_the_answer)
    finished = await recovery.rolled_back()
    assert (finished.result, finished.rollback.by) == ("restored", "surefoot")
    assert recovery.ecs.updates == [f"{ARN}:2", f"{ARN}:1"]


async def test_a_snapshot_is_stored_without_digests_that_nobody_may_read() -> None:
    recovery = Recovery()
    recovery.ecs.refusing["digests"] = DENIED
    await recovery.snapshot()
    answer = recovery.answer("run-1:before-change")
    assert answer is not None
    assert answer.summary.endswith("without the digests of its images (ECS did not answer: AccessDeniedException).")


async def test_a_service_whose_deployments_are_not_listed_is_refused_before_the_change() -> None:
    recovery = Recovery()
    recovery.ecs.settings["deployments"] = []
    await recovery.send(CaptureSnapshot(target=TARGET, run_id="run-1", purpose="before-change"), "capture")
    await recovery.work()
    answer = recovery.answer("capture")
    assert answer is not None
    assert (answer.verdict, answer.summary) == (
        "fail",
        "No snapshot was stored: ECS lists no deployment of the service.",
    )


async def test_a_change_whose_answer_names_no_deployment_is_looked_up() -> None:
    fresh = Recovery()
    await fresh.arm()
    described = fresh.ecs._described

    def once() -> None:
        fresh.ecs._described = lambda: _again(described() | {"deployments": []})  # type: ignore[method-assign]

    def _again(bare: dict[str, Any]) -> dict[str, Any]:
        fresh.ecs._described = described  # type: ignore[method-assign]
        return bare

    fresh.ecs.after_update.append(once)
    answer = await fresh.change(image=OTHER)
    assert answer is not None
    assert (answer.verdict, fresh.ecs.updates) == ("pass", [f"{ARN}:2"])


# reads that hang


class Hanging:
    """A read that does not end before it is told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.over = asyncio.Event()

    async def __call__(self) -> str:
        self.begun += 1
        await self.over.wait()
        return "seen"


async def test_a_read_that_hangs_is_waited_for_once_and_asked_again_when_it_has_ended() -> None:
    reads, hanging = OptionalReads(patience=0.01), Hanging()
    for _ in range(3):
        answer = await reads.read("DescribeTargetHealth", hanging)
        assert isinstance(answer, AwsError)
        assert (str(answer), answer.temporary) == ("AWS did not answer DescribeTargetHealth in time", True)
    assert hanging.begun == 1
    other = await reads.read("another", lambda: _known("there"))
    assert other == "there"
    hanging.over.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await reads.read("DescribeTargetHealth", hanging) == "seen"
    assert hanging.begun == 2


async def test_a_refused_read_is_its_error_and_another_fault_is_loud() -> None:
    async def refused() -> str:
        raise DENIED

    async def broken() -> str:
        raise LookupError

    reads = OptionalReads()
    assert await reads.read("it", refused) is DENIED
    with pytest.raises(LookupError):
        await reads.read("it", broken)


async def _known(value: str) -> str:
    return value


@pytest.mark.parametrize("method", ["update", "service"])
@pytest.mark.parametrize("error", [DENIED, THROTTLED])
async def test_what_aws_refuses_for_ever_ends_with_its_words_and_the_command_to_go_back_by_hand(
    recovery: Recovery, method: str, error: AwsError
) -> None:
    recovery.ecs.refusing[method] = error
    finished = await recovery.rolled_back()
    assert (finished.result, recovery.ecs.live) == ("failed", f"{ARN}:2")
    by_hand = f"--region us-west-2 --cluster {TARGET.cluster} --service {TARGET.service} --task-definition {ARN}:1"
    assert finished.detail.endswith(f"{error}. By hand: aws ecs update-service {by_hand}")


async def test_a_refusal_that_passed_is_not_told_any_more(recovery: Recovery) -> None:
    recovery.ecs.bad = {f"{REPOSITORY}@sha256:{letter * 64}" for letter in "ab"}
    taken = recovery.ecs.update

    async def refuse(target: Target, parameters: dict[str, Any]) -> dict[str, Any]:
        recovery.ecs.update = taken  # type: ignore[method-assign]
        raise THROTTLED

    recovery.ecs.update = refuse  # type: ignore[method-assign]
    finished = await recovery.rolled_back()
    assert (finished.result, recovery.ecs.live) == ("failed", f"{ARN}:1")
    assert "Throttling" not in finished.detail
    assert "By hand" not in finished.detail
