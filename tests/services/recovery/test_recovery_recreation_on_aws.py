"""Every part of a service is deleted on the simulated AWS, or half of them, and it serves again."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from contracts.recovery import CaptureSnapshot
from contracts.results import SnapshotOutput
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import BACKUP_BUCKET, CLUSTER, SERVICE
from services._chassis.aws_connection import AwsConnection
from services._chassis.clock import moment
from services._chassis.signatures import UNSIGNED
from services._chassis.transition import Transition
from services.recovery.adapters.infrastructure import AwsInfrastructure
from services.recovery.adapters.snapshots import SignedSnapshots
from services.recovery.app import bucket_of
from services.recovery.decisions.recreate import RECREATE, PlanDecision, approve, ask
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.recreation.recreate_plan import RecreationPlan
from services.recovery.domain.recreation.recreation import APPROVAL_TIME, Recreation
from services.recovery.domain.snapshots.snapshot import Snapshot
from services.recovery.recreate import Recreate
from services.recovery.settings import Settings
from tests.services.recovery.harness import Work
from tests.services.recovery.test_recovery_on_simulated_aws import TARGET, Account

pytestmark = pytest.mark.timeout(120)


class Gone:
    """A person with a console, who deletes parts of the service."""

    def __init__(self, aws: SimulatedAws) -> None:
        self._clients = {
            name: boto3.client(name, region_name=REGION, endpoint_url=aws.endpoint)
            for name in ("ecs", "elbv2", "ec2", "logs", "cloudwatch", "application-autoscaling")
        }

    def __getitem__(self, name: str) -> Any:
        return self._clients[name]

    @property
    def scaled(self) -> dict[str, str]:
        return {
            "ServiceNamespace": "ecs", "ResourceId": f"service/{CLUSTER}/{SERVICE}",
            "ScalableDimension": "ecs:service:DesiredCount",
        }  # fmt: skip

    def service(self) -> None:
        self["application-autoscaling"].deregister_scalable_target(**self.scaled)
        self["ecs"].delete_service(cluster=CLUSTER, service=SERVICE, force=True)

    def entrance(self) -> None:
        balancing = self["elbv2"]
        for balancer in balancing.describe_load_balancers()["LoadBalancers"]:
            arn = balancer["LoadBalancerArn"]
            for listener in balancing.describe_listeners(LoadBalancerArn=arn)["Listeners"]:
                balancing.delete_listener(ListenerArn=listener["ListenerArn"])
        for group in balancing.describe_target_groups()["TargetGroups"]:
            balancing.delete_target_group(TargetGroupArn=group["TargetGroupArn"])

    def rest(self) -> None:
        self["logs"].delete_log_group(logGroupName="/ecs/court-case-backend")
        self["cloudwatch"].delete_alarms(AlarmNames=["backend-5xx"])
        for revision in self["ecs"].list_task_definitions(status="ACTIVE")["taskDefinitionArns"]:
            self["ecs"].deregister_task_definition(taskDefinition=revision)


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


async def taken(account: Account, gone: Gone) -> tuple[Recreate, Snapshot]:
    """Take a snapshot of the service, with an alarm of its own and a retention of its logs."""
    gone["logs"].put_retention_policy(logGroupName="/ecs/court-case-backend", retentionInDays=30)
    [group] = gone["elbv2"].describe_target_groups()["TargetGroups"]
    gone["cloudwatch"].put_metric_alarm(
        AlarmName="backend-5xx", Namespace="AWS/ApplicationELB", MetricName="HTTPCode_Target_5XX_Count",
        Dimensions=[{"Name": "TargetGroup", "Value": group["TargetGroupArn"].rpartition(":")[2]}],
        Statistic="Sum", Period=60, EvaluationPeriods=2, Threshold=5.0, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    answer = await account.obey(CaptureSnapshot(target=TARGET, run_id="run", purpose="before-change"), "capture")
    assert isinstance(answer.output, SnapshotOutput)
    settings = Settings(aws_account=ACCOUNT, aws_region=REGION, backup_bucket=BACKUP_BUCKET)
    snapshots = SignedSnapshots(bucket_of(settings, account.calls), UNSIGNED)
    recreate = Recreate(AwsInfrastructure(account.calls), snapshots, account.store)
    return recreate, await recreate.snapshot(TARGET, answer.output.snapshot_id)


async def made_again(account: Account, recreate: Recreate, snapshot: Snapshot) -> tuple[RecreationPlan, Protection]:
    """Ask, approve, and let the job run as in production."""
    now = moment(account.clock.now())
    plan = await recreate.plan(snapshot, None, now)
    wanted = Recreation(
        recreation_id="recreation:1", snapshot_id=snapshot.snapshot_id, plan=plan.digest, makes=plan.makes,
        asked_at=now, until=now + APPROVAL_TIME, actor="ann",
    )  # fmt: skip
    for state in (
        ask(Protection(), TARGET, wanted),
        approve(Protection(recreation=wanted), TARGET, PlanDecision(plan.digest, "bob", "", now)),
    ):
        await account.store.apply(Transition(key_of(TARGET), lambda _, state=state: state), cause="")  # type: ignore[misc]
    [held] = [held for held in account.store.jobs.values() if held.job.kind == RECREATE]
    account.store.write(await account.service.jobs[RECREATE](Work(held, account.store)))
    return plan, await account.store.read(key_of(TARGET), Protection)


async def test_a_service_of_which_every_part_was_deleted_serves_again_within_the_hour(account: Account) -> None:
    gone = Gone(account.aws)
    recreate, snapshot = await taken(account, gone)
    before = account.live()
    gone.service()
    gone.entrance()
    gone.rest()
    plan, protection = await made_again(account, recreate, snapshot)
    assert not plan.blocked
    [past] = protection.past_recreations
    assert past.result == "recreated", past.sentence
    assert (past.ended_at - past.asked_at).total_seconds() < 3600
    live = account.live()
    assert (live["desiredCount"], live["runningCount"]) == (before["desiredCount"], before["desiredCount"])
    [group] = gone["elbv2"].describe_target_groups()["TargetGroups"]
    arn = group["TargetGroupArn"]
    assert arn != before["loadBalancers"][0]["targetGroupArn"]
    assert live["loadBalancers"][0]["targetGroupArn"] == arn
    assert group["LoadBalancerArns"], "a listener sends it requests"
    attributes = gone["elbv2"].describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    old = snapshot.surroundings["target_group_attributes"][before["loadBalancers"][0]["targetGroupArn"]]
    assert {each["Key"]: each["Value"] for each in old}.items() <= {e["Key"]: e["Value"] for e in attributes}.items()
    [alarm] = gone["cloudwatch"].describe_alarms(AlarmNames=["backend-5xx"])["MetricAlarms"]
    assert alarm["Dimensions"] == [{"Name": "TargetGroup", "Value": arn.rpartition(":")[2]}]
    [logs] = gone["logs"].describe_log_groups(logGroupNamePrefix="/ecs/court-case-backend")["logGroups"]
    assert logs["retentionInDays"] == 30
    [limits] = gone["application-autoscaling"].describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    assert (limits["MinCapacity"], limits["MaxCapacity"]) == (2, 6)
    assert not (await recreate.plan(snapshot, None, moment(account.clock.now()))).makes


async def test_of_a_service_that_is_half_gone_the_other_half_stays_as_it_is(account: Account) -> None:
    gone = Gone(account.aws)
    recreate, snapshot = await taken(account, gone)
    [group] = gone["elbv2"].describe_target_groups()["TargetGroups"]
    gone["logs"].put_retention_policy(logGroupName="/ecs/court-case-backend", retentionInDays=7)
    gone.service()
    plan, protection = await made_again(account, recreate, snapshot)
    [past] = protection.past_recreations
    assert past.result == "recreated", past.sentence
    assert [line.part.kind for line in plan.lines if line.state == "differs"] == ["log group"]
    [logs] = gone["logs"].describe_log_groups(logGroupNamePrefix="/ecs/court-case-backend")["logGroups"]
    assert logs["retentionInDays"] == 7, "it is left as it is"
    assert account.live()["loadBalancers"][0]["targetGroupArn"] == group["TargetGroupArn"]
