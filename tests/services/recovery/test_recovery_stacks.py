"""A stack of CloudFormation that goes back by itself is watched, for a while, and never raced."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from contracts.base import Target
from contracts.policy import Recovery as RecoverySection
from contracts.policy import ServicePolicy
from contracts.policy_parts import RecoveryPolicy
from contracts.recovery import RollBack, RollbackFinished
from services._aws import optional_reads
from services._aws.errors import AwsError
from services.recovery.domain.rollback.stack import WATCHED_SECONDS, StackSeen
from services.recovery.domain.work import RollbackProgress
from services.recovery.jobs.find_tools import watches_stacks
from tests.services.recovery.harness import ARN, OTHER, TARGET, Crash, Recovery
from tests.services.recovery.movers import FakeMovers
from tests.services.recovery.test_recovery_outside import alert, deploys, hears, succeeded
from tests.services.recovery.test_recovery_still_named import IN_STACK, by_hand

BACK, GONE_BACK, FAILED = "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED"
KINDS: dict[str, dict[str, Any]] = {
    "usual": {},
    "worker": {"loadBalancers": []},
    "daemon": {"schedulingStrategy": "DAEMON", "launchType": "EC2"},
    "several target groups": {
        "loadBalancers": [
            {"targetGroupArn": f"arn:{name}", "containerName": "backend", "containerPort": 8000} for name in "ab"
        ]
    },
    "stop before start": {
        "deploymentConfiguration": {"minimumHealthyPercent": 0, "maximumPercent": 100, "strategy": "ROLLING"}
    },
    "spot": {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}]},
}


@pytest.fixture
async def recovery() -> Recovery:
    """A bad image was deployed 20 seconds ago, to a service of the stack web, which CloudFormation takes back."""
    return await deployed()


async def deployed(**settings: Any) -> Recovery:
    made = Recovery()
    made.ecs.settings |= settings | {"tags": IN_STACK}
    await made.deployed()
    made.stacks.stack_status = BACK
    return made


def after(recovery: Recovery, seconds: float, happens: Callable[[], None]) -> None:
    """Let something happen once, so many seconds from now."""
    due, done = recovery.clock.now() + seconds, list[bool]()

    def once() -> None:
        if not done and recovery.clock.now() >= due:
            done.append(True)
            happens()

    recovery.clock.while_asleep.append(once)


def becomes(recovery: Recovery, status: str) -> Callable[[], None]:
    return lambda: setattr(recovery.stacks, "stack_status", status)


def brings(recovery: Recovery, version: str, tags: Any = None) -> Callable[[], None]:
    """Return what deploys a version past Surefoot."""

    def deploy() -> None:
        if tags is not None:
            next(each for each in recovery.ecs.definitions if each["taskDefinitionArn"] == version)["tags"] = tags
        recovery.ecs.deploy_elsewhere(version)

    return deploy


def restores(recovery: Recovery) -> list[str]:
    """Return the versions that Surefoot has deployed, without the run's own change."""
    return recovery.ecs.updates[1:]


@pytest.mark.parametrize("kind", KINDS)
async def test_cloudformation_brings_the_version_back_and_surefoot_calls_it_restored_once_it_is_healthy(
    kind: str,
) -> None:
    recovery = await deployed(**KINDS[kind])
    after(recovery, 60, brings(recovery, f"{ARN}:1"))
    after(recovery, 70, becomes(recovery, GONE_BACK))
    finished = await recovery.rolled_back()
    assert (finished.result, finished.rollback.by, restores(recovery)) == ("restored", "other", [])
    assert finished.rollback.seconds >= 90, "its tasks had to become healthy"
    assert "live again, while CloudFormation took the service's stack back; 3 of 3 tasks" in finished.detail
    assert "still names it" not in finished.detail, "the stack names again what it has brought back"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stack_that_does_not_get_to_the_service_is_not_waited_for_longer(kind: str) -> None:
    recovery = await deployed(**KINDS[kind])
    begun = recovery.clock.now()
    at: list[float] = []
    recovery.ecs.after_update.append(lambda: at.append(recovery.clock.now() - begun))
    finished = await recovery.rolled_back()
    assert (finished.result, finished.rollback.by, restores(recovery)) == ("restored", "surefoot", [f"{ARN}:1"])
    assert WATCHED_SECONDS <= at[0] <= WATCHED_SECONDS + 10
    assert "had not brought the version back within 3 minutes, so that Surefoot has: both may be" in finished.detail


async def test_no_task_wanted_is_watched_alike() -> None:
    recovery = Recovery()
    recovery.ecs.desired = 0
    recovery.ecs.settings["tags"] = IN_STACK
    await recovery.deployed()
    recovery.stacks.stack_status = BACK
    after(recovery, 30, brings(recovery, f"{ARN}:1"))
    finished = await recovery.rolled_back()
    assert (finished.result, finished.rollback.by, restores(recovery)) == ("restored", "other", [])


@pytest.mark.parametrize("status", [FAILED, GONE_BACK, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", ""])
async def test_a_stack_that_ends_without_the_version_makes_surefoot_act_and_say_so(
    recovery: Recovery, status: str
) -> None:
    after(recovery, 30, becomes(recovery, status))
    finished = await recovery.rolled_back()
    assert (finished.result, finished.rollback.by, restores(recovery)) == ("restored", "surefoot", [f"{ARN}:1"])
    assert finished.rollback.seconds < WATCHED_SECONDS
    assert f"has taken the stack web back ({status or 'it is gone'}) and has not brought" in finished.detail


async def test_what_the_stack_has_gone_back_to_is_replaced_when_it_is_not_the_snapshot_s(recovery: Recovery) -> None:
    older = recovery.ecs.add_definition(OTHER)
    after(recovery, 30, brings(recovery, older, IN_STACK))
    after(recovery, 60, becomes(recovery, GONE_BACK))
    finished = await recovery.rolled_back()
    assert (finished.result, finished.rollback.by, restores(recovery)) == ("restored", "surefoot", [f"{ARN}:1"])
    assert recovery.ecs.live == f"{ARN}:1"


async def test_somebody_who_deploys_past_the_stack_is_left_alone(recovery: Recovery) -> None:
    hotfix = recovery.ecs.add_definition(OTHER)
    after(recovery, 30, brings(recovery, hotfix))
    finished = await recovery.rolled_back()
    assert (finished.result, restores(recovery), recovery.ecs.live) == ("superseded", [], hotfix)


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"])
async def test_a_fix_that_somebody_deploys_by_the_stack_once_it_has_gone_back_is_left_alone(
    recovery: Recovery, status: str
) -> None:
    fix = recovery.ecs.add_definition(OTHER)
    after(recovery, 30, becomes(recovery, status))
    after(recovery, 30, brings(recovery, fix, IN_STACK))
    finished = await recovery.rolled_back()
    assert (finished.result, restores(recovery), recovery.ecs.live) == ("superseded", [], fix)


async def test_what_a_stack_brought_in_before_anybody_watched_is_somebody_s_as_well(recovery: Recovery) -> None:
    fix = recovery.ecs.add_definition(OTHER)
    brings(recovery, fix, IN_STACK)()
    finished = await recovery.rolled_back()
    assert (finished.result, restores(recovery)) == ("superseded", [])


async def test_where_the_foreign_version_cannot_be_read_it_is_left_alone_in_a_rollback_by_hand() -> None:
    recovery = Recovery()
    recovery.ecs.settings["tags"] = IN_STACK
    older = recovery.ecs.add_definition(OTHER, tags=IN_STACK)
    recovery.stacks.stack_status = BACK

    def denied() -> None:
        recovery.ecs.deploy_elsewhere(older)
        recovery.ecs.refusing["task_definition"] = AwsError("denied", code="AccessDeniedException")

    after(recovery, 3600 + 30, denied)
    finished = await by_hand(recovery)
    assert (finished.result, recovery.ecs.updates) == ("superseded", [])


async def test_a_stack_that_is_updated_is_not_waited_for_and_named(recovery: Recovery) -> None:
    recovery.stacks.stack_status = "UPDATE_IN_PROGRESS"
    recovery.ecs.after_update.append(becomes(recovery, BACK))
    finished = await recovery.rolled_back()
    assert (finished.result, finished.rollback.by, restores(recovery)) == ("restored", "surefoot", [f"{ARN}:1"])
    assert finished.rollback.seconds < 60
    assert "is updating the stack web (UPDATE_IN_PROGRESS) and waits for the service" in finished.detail
    assert recovery.stacks.asked == ["stack"], "once it has acted nothing depends on the stack any more"


@pytest.mark.parametrize("status", ["UPDATE_COMPLETE", "CREATE_COMPLETE", "ROLLBACK_IN_PROGRESS", "UPDATE_FAILED"])
async def test_of_a_stack_that_moves_nothing_nothing_is_said(recovery: Recovery, status: str) -> None:
    recovery.stacks.stack_status = status
    finished = await recovery.rolled_back()
    assert (finished.result, restores(recovery)) == ("restored", [f"{ARN}:1"])
    assert finished.rollback.seconds < 60
    assert status not in finished.detail


@pytest.mark.parametrize(
    "error",
    [
        AwsError("CloudFormation did not answer DescribeStacks: AccessDenied", code="AccessDenied"),
        AwsError("CloudFormation did not answer DescribeStacks: Throttling", code="Throttling", temporary=True),
    ],
)
async def test_a_stack_that_cannot_be_read_costs_nothing(recovery: Recovery, error: AwsError) -> None:
    recovery.stacks.failing["stack"] = error
    finished = await recovery.rolled_back()
    assert (finished.result, restores(recovery)) == ("restored", [f"{ARN}:1"])
    assert finished.rollback.seconds < 60
    assert f"is not known, and was not waited for: {error}." in finished.detail


async def test_a_stack_that_cannot_be_read_any_more_while_it_is_watched_is_not_waited_for(recovery: Recovery) -> None:
    def deny() -> None:
        recovery.stacks.failing["stack"] = AwsError("throttled", code="Throttling", temporary=True)

    after(recovery, 20, deny)
    finished = await recovery.rolled_back()
    assert (finished.result, restores(recovery)) == ("restored", [f"{ARN}:1"])
    assert finished.rollback.seconds < WATCHED_SECONDS


class Hanging(FakeMovers):
    async def stack(self, target: Target, name: str) -> str:
        self.asked.append("stack")
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_cloudformation_that_hangs_is_waited_for_once_and_shortly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(optional_reads, "PATIENCE", 0.02)
    recovery, hanging = Recovery(), Hanging()
    job: Any = recovery.jobs["rollback"]
    recovery.jobs["rollback"] = replace(job, stacks=hanging)
    recovery.ecs.settings["tags"] = IN_STACK
    await recovery.deployed()
    finished = await recovery.rolled_back()
    assert (finished.result, restores(recovery)) == ("restored", [f"{ARN}:1"])
    assert "AWS did not answer DescribeStacks in time" in finished.detail
    assert hanging.asked == ["stack"]


async def test_a_service_without_a_stack_costs_no_call() -> None:
    recovery = Recovery()
    await recovery.deployed()
    assert (await recovery.rolled_back()).result == "restored"
    assert recovery.stacks.asked == []


@pytest.mark.parametrize("of_the_run", [True, False])
async def test_by_policy_surefoot_acts_at_once(of_the_run: bool) -> None:
    recovery = Recovery()
    recovery.ecs.settings["tags"] = IN_STACK
    acts = RecoverySection(stack_in_progress="act")
    if not of_the_run:
        recovery.policies.reload(ServicePolicy(target=TARGET, recovery=acts))
    await recovery.deployed(policy=RecoveryPolicy(recovery=acts) if of_the_run else None)
    recovery.stacks.stack_status = BACK
    finished = await recovery.rolled_back()
    assert (finished.result, finished.rollback.by, restores(recovery)) == ("restored", "surefoot", [f"{ARN}:1"])
    assert finished.rollback.seconds < 60
    assert recovery.stacks.asked == []


def test_a_service_that_was_taken_from_the_policy_is_watched() -> None:
    recovery = Recovery()
    other = Target(account=TARGET.account, region=TARGET.region, cluster="c", service="s")
    assert watches_stacks(recovery.policies, other, None)


@pytest.mark.parametrize("dies_after", [5, 40, 100, 185])
@pytest.mark.parametrize("comes_back", [True, False])
async def test_whoever_dies_the_stack_is_watched_for_the_same_time_and_the_version_put_back_once(
    dies_after: float, comes_back: bool
) -> None:
    recovery = await deployed()
    begun, at = recovery.clock.now(), list[float]()
    recovery.ecs.after_update.append(lambda: at.append(recovery.clock.now() - begun))

    def die() -> None:
        raise Crash

    after(recovery, dies_after, die)
    if comes_back:
        after(recovery, 120, brings(recovery, f"{ARN}:1"))
    finished = await recovery.rolled_back()
    assert finished.result == "restored"
    assert restores(recovery) == ([] if comes_back else [f"{ARN}:1"])
    assert all(WATCHED_SECONDS <= when <= WATCHED_SECONDS + 15 for when in at)


@pytest.mark.parametrize("die_at", range(1, 5))
async def test_a_rollback_after_a_watch_goes_on_wherever_its_executor_dies(recovery: Recovery, die_at: int) -> None:
    after(recovery, 30, becomes(recovery, FAILED))
    command = RollBack(target=TARGET, run_id="run-1", trigger="a gate failed")
    await recovery.send(command, "command")
    await recovery.work(die_at=die_at)
    await recovery.work()
    [finished] = recovery.published(RollbackFinished)
    assert (finished.result, recovery.ecs.live) == ("restored", f"{ARN}:1")
    assert len(restores(recovery)) == 1


async def test_a_recovery_that_was_away_acts_at_once_when_it_comes_back(recovery: Recovery) -> None:
    def die() -> None:
        recovery.clock.time += 1200
        raise Crash

    after(recovery, 20, die)
    finished = await recovery.rolled_back()
    assert (finished.result, restores(recovery)) == ("restored", [f"{ARN}:1"])


async def test_on_an_older_redis_the_watch_begins_anew_and_ends(recovery: Recovery) -> None:
    """What the job has kept is lost with the copy; the stack is read again, and the bound counts from then."""

    def forget() -> None:
        for held in recovery.store.jobs.values():
            if held.job.kind == "rollback":
                held.saved = None
        raise Crash

    after(recovery, 60, forget)
    finished = await recovery.rolled_back()
    assert (finished.result, restores(recovery)) == ("restored", [f"{ARN}:1"])
    assert finished.rollback.seconds < 60 + WATCHED_SECONDS + 60


async def test_a_rollback_by_hand_watches_as_well() -> None:
    recovery = Recovery()
    recovery.ecs.settings["tags"] = IN_STACK
    recovery.stacks.stack_status = BACK
    after(recovery, 3600 + 30, brings(recovery, f"{ARN}:1"))
    finished = await by_hand(recovery)
    assert (finished.result, finished.rollback.by, recovery.ecs.updates) == ("restored", "other", [])


async def test_an_alert_outside_a_run_watches_as_well() -> None:
    recovery = Recovery()
    await succeeded(recovery)
    recovery.clock.time += 5400
    deploys(recovery)
    recovery.ecs.settings["tags"] = IN_STACK
    recovery.clock.time += 1200
    recovery.stacks.stack_status = BACK
    before = len(recovery.ecs.updates)
    await hears(recovery, alert(recovery))
    [finished] = recovery.published(RollbackFinished)
    assert (finished.result, finished.rollback.by) == ("restored", "surefoot")
    assert finished.rollback.seconds >= WATCHED_SECONDS
    assert len(recovery.ecs.updates) == before + 1


async def test_ecs_that_goes_back_by_itself_is_named_before_the_stack(recovery: Recovery) -> None:
    recovery.ecs.fall_back(f"{ARN}:1", "ROLLBACK_IN_PROGRESS")
    after(recovery, 60, lambda: recovery.ecs.fall_back(f"{ARN}:1", "ROLLBACK_SUCCESSFUL"))
    finished = await recovery.rolled_back()
    assert (finished.result, finished.rollback.by, restores(recovery)) == ("restored", "ecs", [])


def test_a_progress_of_the_version_before_has_watched_no_stack() -> None:
    progress = RollbackProgress.from_bytes(b'{"goals": ["arn:1"]}')
    assert (progress.watched_from, progress.of_stack) == (0.0, "")


@pytest.mark.parametrize(
    ("status", "going", "gone"),
    [
        (BACK, True, True),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", False, True),
        (GONE_BACK, False, True),
        (FAILED, False, True),
        ("UPDATE_IN_PROGRESS", False, False),
        ("ROLLBACK_IN_PROGRESS", False, False),
        ("", False, False),
    ],
)
def test_only_an_update_that_is_taken_back_is_a_way_back(status: str, going: bool, gone: bool) -> None:
    seen = StackSeen("web", status)
    assert (seen.going_back, seen.gone_back) == (going, gone)
