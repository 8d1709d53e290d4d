"""Recovery as it is built for production, on the simulated AWS; product time passes while a job sleeps."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast

import boto3
import pytest

from contracts.base import Target
from contracts.deployment import ImageChange
from contracts.envelope import Meta
from contracts.recovery import ApplyChange, Arm, CaptureSnapshot, ManualTrigger, RollBack, RollbackFinished
from contracts.results import SnapshotOutput, StepFinished
from contracts.scaling import ScalingFinished
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import BACKUP_BUCKET, CLUSTER, CONTAINER, SERVICE
from services._aws import optional_reads
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services._chassis.clock import moment
from services._chassis.service import Platform, Service
from services._chassis.signatures import UNSIGNED
from services._chassis.store import IndexedStore
from services._chassis.transition import Transition
from services.monitor.adapters.ecs import AwsEcs as EcsOfMonitor
from services.recovery.adapters.bucket import Bucket
from services.recovery.adapters.ecs import AwsEcs
from services.recovery.adapters.images import AwsImages
from services.recovery.adapters.snapshots import SignedSnapshots
from services.recovery.app import bucket_of, create_app
from services.recovery.decisions.scale import begin_scaling
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.scaling.scaling import EmergencyScaling
from services.recovery.settings import Settings
from tests.kit import FakeStore, HeldJob, WorldClock
from tests.services.recovery.harness import Work

TARGET = Target(account=ACCOUNT, region=REGION, cluster=CLUSTER, service=SERVICE)
PASSWORD = "correct-horse-battery"


class Account:
    """The simulated account with recovery at work in it, and a person with a console."""

    def __init__(self, aws: SimulatedAws, connection: AwsConnection) -> None:
        self.aws = aws
        self.connection = connection
        self.clock = WorldClock(aws)
        self.store = FakeStore()
        self.calls = Aws(connection, "recovery")
        settings = Settings(aws_account=ACCOUNT, aws_region=REGION, backup_bucket=BACKUP_BUCKET)
        self.service: Service = create_app(settings, Platform(cast("IndexedStore", self.store), self.clock, self.calls))
        self.console: Any = boto3.client("ecs", region_name=REGION, endpoint_url=aws.endpoint)

    async def obey(self, command: Any, id: str) -> StepFinished:  # noqa: A002  CloudEvents' word
        handler = self.service.handlers[type(command)]
        transition = await handler(command, Meta(id, "surefoot/test", moment(self.clock.now())))
        assert transition is not None
        await self.store.apply(transition, cause=id)
        for held in list(self.store.jobs.values()):
            if held.state == "queued":
                await self._do(held)
        answers = [emission.event for emission in self.store.emitted if isinstance(emission.event, StepFinished)]
        return next(answer for answer in answers if answer.command_id == id)

    async def _do(self, held: HeldJob) -> None:
        held.state = "done"
        self.store.write(await self.service.jobs[held.job.kind](Work(held, self.store)))

    def live(self) -> dict[str, Any]:
        service: dict[str, Any] = self.console.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]
        return service

    async def armed(self) -> str:
        answer = await self.obey(CaptureSnapshot(target=TARGET, run_id="run", purpose="before-change"), "capture")
        assert isinstance(answer.output, SnapshotOutput)
        snapshot = answer.output.snapshot_id
        expires = moment(self.clock.now() + 3600)
        armed = await self.obey(Arm(target=TARGET, run_id="run", snapshot_id=snapshot, expires_at=expires), "arm")
        assert armed.verdict == "pass"
        return snapshot

    async def changed(self, tag: str) -> StepFinished:
        registry = self.aws.world.registry
        image = f"{registry.uri}@{registry.tags[tag]}"
        self.aws.step(5)
        return await self.obey(ApplyChange(target=TARGET, run_id="run", images={CONTAINER: image}), "change")

    async def rolled_back(self) -> RollbackFinished:
        await self.obey(RollBack(target=TARGET, run_id="run", trigger="validation failed"), "back")
        [finished] = [emission.event for emission in self.store.emitted if isinstance(emission.event, RollbackFinished)]
        return finished


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    now = [1_768_228_200.0]
    with SimulatedAws(clock=lambda: now[0]) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        connection = AwsConnection(REGION)
        yield Account(aws, connection)
        connection.close()


async def test_a_snapshot_holds_the_service_and_what_stands_around_it(account: Account) -> None:
    snapshot_id = await account.armed()
    bucket = SignedSnapshots(Bucket(account.calls, BACKUP_BUCKET), UNSIGNED)
    assert await bucket.ids(TARGET) == [snapshot_id]
    stored = await bucket.get(TARGET, snapshot_id, ())
    assert stored is not None
    snapshot = stored.snapshot
    assert snapshot.unknown == ()
    assert snapshot.digests == {CONTAINER: account.aws.world.registry.tags["1.0"]}
    assert set(snapshot.surroundings) == {
        "target_groups", "target_group_attributes", "load_balancers", "listeners", "rules",
        "scalable_targets", "scaling_policies", "scheduled_actions", "security_groups", "subnets",
        "log_groups", "referring_groups", "alarms", "composite_alarms", "dashboards",
    }  # fmt: skip
    assert [
        (scalable["MinCapacity"], scalable["MaxCapacity"]) for scalable in snapshot.surroundings["scalable_targets"]
    ] == [(2, 6)]
    assert PASSWORD in snapshot.model_dump_json()
    assert await bucket.put(snapshot) is None
    await bucket.delete(TARGET, snapshot_id)
    assert await bucket.get(TARGET, snapshot_id, ()) is None
    assert not [emission for emission in account.store.emitted if PASSWORD in emission.event.model_dump_json()]


async def test_every_call_on_the_bucket_names_the_account_that_it_must_belong_to(account: Account) -> None:
    owners: dict[str, str | None] = {}

    def note(request: Any, operation_name: str, **_: object) -> None:
        owners[operation_name] = request.headers.get("x-amz-expected-bucket-owner")

    account.connection.client("s3").meta.events.register("request-created.s3", note)
    snapshot_id = await account.armed()
    bucket = Bucket(account.calls, BACKUP_BUCKET, ACCOUNT)
    assert await bucket.get(TARGET, snapshot_id)
    assert await bucket.ids(TARGET) == [snapshot_id]
    await bucket.delete(TARGET, snapshot_id)
    assert owners == dict.fromkeys(("PutObject", "GetObject", "ListObjectsV2", "DeleteObject"), ACCOUNT)


def test_a_bucket_of_another_account_is_meant_only_where_it_is_said(account: Account) -> None:
    settings = Settings(aws_account=ACCOUNT, backup_bucket=BACKUP_BUCKET)
    assert bucket_of(settings, account.calls).owner == ACCOUNT
    elsewhere = settings.model_copy(update={"backup_bucket_owner": "210987654321"})
    assert bucket_of(elsewhere, account.calls).owner == "210987654321"


async def test_a_deployment_is_rolled_back_until_the_old_version_is_healthy(account: Account) -> None:
    before = account.live()
    await account.armed()
    answer = await account.changed("unhealthy")
    assert answer.verdict == "pass"
    assert account.live()["taskDefinition"] != before["taskDefinition"]
    account.aws.step(60)
    finished = await account.rolled_back()
    after = account.live()
    assert (finished.result, finished.rollback.by) == ("restored", "surefoot")
    assert (after["taskDefinition"], after["runningCount"]) == (before["taskDefinition"], before["desiredCount"])
    changing = [call.operation for call in account.aws.calls.calls(changing=True)]
    assert changing.count("UpdateService") == 2
    assert changing.count("RegisterTaskDefinition") == 1


async def test_ecs_own_breaker_is_waited_for(account: Account) -> None:
    account.console.update_service(
        cluster=CLUSTER,
        service=SERVICE,
        deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
    )
    before = account.live()
    await account.armed()
    await account.changed("crash-loop")
    for _ in range(200):
        account.aws.step(5)
        newest = account.console.list_service_deployments(cluster=CLUSTER, service=SERVICE)
        if newest["serviceDeployments"][0]["status"].startswith("ROLLBACK"):
            break
    finished = await account.rolled_back()
    assert (finished.result, finished.rollback.by) == ("restored", "ecs")
    assert account.live()["taskDefinition"] == before["taskDefinition"]


async def test_an_inactive_task_definition_is_brought_back_as_a_copy(account: Account) -> None:
    before = account.live()["taskDefinition"]
    await account.armed()
    await account.changed("unhealthy")
    account.aws.step(60)
    account.console.deregister_task_definition(taskDefinition=before)
    finished = await account.rolled_back()
    assert (finished.result, finished.rollback.by) == ("restored", "surefoot")
    live = account.live()["taskDefinition"]
    assert live != before
    described = account.console.describe_task_definition(taskDefinition=live)["taskDefinition"]
    [container] = described["containerDefinitions"]
    assert container["image"].endswith(f"@{account.aws.world.registry.tags['1.0']}")


@pytest.mark.parametrize("tag", ["1.0", "wrong-architecture"])
async def test_a_tag_names_what_was_pushed_under_it_an_index_too(account: Account, tag: str) -> None:
    """Were recovery to take the image of one platform for it, each tag would count as moved."""
    registry = account.aws.world.registry
    images, reference = AwsImages(account.calls), f"{registry.uri}:{tag}"
    assert await images.digest(TARGET, reference) == registry.tags[tag]
    assert await images.digest(TARGET, f"{reference}@{registry.tags[tag]}") == registry.tags[tag]
    assert await images.digest(TARGET, f"{registry.uri}:none") is None


async def test_a_change_asked_for_by_a_tag_is_applied_while_the_tag_is_where_it_was(account: Account) -> None:
    await account.armed()
    registry = account.aws.world.registry
    images = {CONTAINER: f"{registry.uri}@{registry.tags['healthy']}"}
    change = ImageChange(reference=f"{registry.uri}:healthy")
    command = ApplyChange(target=TARGET, run_id="run", images=images, change=change)
    assert (await account.obey(command, "change")).verdict == "pass"


async def test_a_refusal_of_aws_is_answered_without_what_was_sent(account: Account) -> None:
    stranger = Target(account=ACCOUNT, region=REGION, cluster="Nowhere", service="Nothing")
    answer = await account.obey(CaptureSnapshot(target=stranger, run_id="run", purpose="before-change"), "capture")
    assert (answer.verdict, answer.cause) == ("fail", "usage")
    assert "no service" in answer.summary


async def test_an_object_that_is_no_snapshot_is_told_without_its_content(account: Account) -> None:
    snapshot_id = await account.armed()
    key = f"snapshots/{TARGET}/{snapshot_id}.json"
    damaged = f'{{"service": {{}}, "task_definition": "{PASSWORD}"}}'.encode()
    await account.calls.call("s3", "put_object", Bucket=BACKUP_BUCKET, Key=key, Body=damaged)
    finished = await account.rolled_back()
    assert finished.result == "failed"
    assert finished.detail.startswith(f"The snapshot {snapshot_id} is not used: it was changed after it was stored")


class ScaledAccount(Account):
    """The same, with a scaling to five tasks for five minutes."""

    def __init__(self, aws: SimulatedAws, connection: AwsConnection) -> None:
        super().__init__(aws, connection)
        self.scaler: Any = boto3.client("application-autoscaling", region_name=REGION, endpoint_url=aws.endpoint)

    async def scale(self, count: int = 5) -> None:
        now = moment(self.clock.now())
        scaling = EmergencyScaling(
            scaling_id="scaling:1",
            trigger=ManualTrigger(actor="ada"),
            target_count=count,
            asked_at=now,
            until=now + timedelta(minutes=5),
        )
        self.store.write(
            Transition(key_of(TARGET), lambda state: begin_scaling(Protection.from_bytes(state), TARGET, scaling))
        )
        await self._work()

    async def pass_time(self) -> None:
        """Let its time pass, and do what is due."""
        [timer] = [timer for timer in self.store.timers.values() if timer.kind == "unscale"]
        self.aws.step(300)
        due = await self.service.timers["unscale"](timer)
        assert due is not None
        self.store.write(due)
        await self._work()

    async def _work(self) -> None:
        for held in list(self.store.jobs.values()):
            if held.state == "queued":
                await self._do(held)

    @property
    def limits(self) -> tuple[int, int] | None:
        found = self.scaler.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[RESOURCE])["ScalableTargets"]
        return (found[0]["MinCapacity"], found[0]["MaxCapacity"]) if found else None

    def ended(self) -> ScalingFinished:
        [finished] = [event.event for event in self.store.emitted if isinstance(event.event, ScalingFinished)]
        return finished


RESOURCE = f"service/{CLUSTER}/{SERVICE}"


@pytest.fixture
def scaled(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScaledAccount]:
    monkeypatch.setattr(optional_reads, "PATIENCE", 60.0)  # a busy machine may take longer than AWS
    now = [1_768_228_200.0]
    with SimulatedAws(clock=lambda: now[0]) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        connection = AwsConnection(REGION)
        yield ScaledAccount(aws, connection)
        connection.close()


async def test_a_scaling_raises_the_limits_and_the_count_and_leaves_the_rest_to_the_autoscaler(
    scaled: ScaledAccount,
) -> None:
    before = scaled.limits
    assert before is not None
    began = scaled.clock.now()
    await scaled.scale()
    assert (scaled.live()["desiredCount"], scaled.live()["runningCount"]) == (5, 5)
    assert scaled.clock.now() - began <= 180, "the requirements' three minutes"
    assert scaled.limits == (5, before[1])
    await scaled.pass_time()
    assert (scaled.limits, scaled.ended().result) == (before, "restored")
    policies = scaled.scaler.describe_scaling_policies(ServiceNamespace="ecs", ResourceId=RESOURCE)["ScalingPolicies"]
    actions = scaled.scaler.describe_scheduled_actions(ServiceNamespace="ecs", ResourceId=RESOURCE)["ScheduledActions"]
    assert policies, "what scales it is still there"
    assert scaled.live()["desiredCount"] == 5, "its policies decide, which the sandbox keeps as records"
    assert isinstance(actions, list)


async def test_without_an_autoscaler_the_count_of_before_comes_back(scaled: ScaledAccount) -> None:
    scaled.scaler.deregister_scalable_target(
        ServiceNamespace="ecs", ResourceId=RESOURCE, ScalableDimension="ecs:service:DesiredCount"
    )
    await scaled.scale()
    assert scaled.live()["desiredCount"] == 5
    await scaled.pass_time()
    assert (scaled.live()["desiredCount"], scaled.limits, scaled.ended().result) == (3, None, "restored")


async def test_who_stops_a_task_is_told_from_a_task_that_ends(account: Account) -> None:
    """Recovery sees that somebody is at work, and the monitor that it is no outage of the version."""
    arn = account.console.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"][0]
    account.console.stop_task(cluster=CLUSTER, task=arn)
    account.aws.step(120)
    [stopped] = [task for task in await AwsEcs(account.calls).tasks(TARGET) if task.stopped_at is not None]
    assert (stopped.stopped_by_somebody, stopped.taken_back, stopped.failed, stopped.exited) == (True,) + (False,) * 3
    assert stopped.deployment_id == account.live()["deployments"][0]["id"]
    [seen] = await EcsOfMonitor(account.calls).stopped(TARGET)
    assert (seen.taken_back, seen.by_itself) == (True, False)
