"""The monitor as it is wired, against the simulated AWS: names, dimensions, alarms that go off."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.config import Config

from contracts.base import Target
from contracts.gates import Verdict
from contracts.monitor import CheckAlarms, DependencyFault, SetUpMonitoring
from contracts.policy import ServicePolicy
from contracts.policy_parts import MonitoringPolicy
from contracts.policy_rules import BUILT_IN_RULES, RuleMetric, RulePolicy
from contracts.results import MonitoringOutput, StepFinished
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import CLUSTER, SERVICE
from sandbox.scenarios.incident import Incident
from services._aws.databases import RdsDatabases
from services._aws.errors import AwsError
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services._chassis.service import Platform, Service
from services._chassis.store import IndexedStore
from services.monitor.adapters.ecs import AwsEcs
from services.monitor.adapters.metrics import CloudWatchMetrics
from services.monitor.app import create_app
from services.monitor.domain.metrics import MINUTE, Readings
from services.monitor.domain.rules import evaluate
from services.monitor.jobs.check_alarms import CHECK
from services.monitor.jobs.set_up import SET_UP
from services.monitor.ports import NotFound
from services.monitor.settings import Settings
from tests.kit import FakeRunning, WorldClock
from tests.services.monitor.harness import RULES

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling import ApplicationAutoScalingClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ecs import ECSClient

START = 1_764_000_000.0
TARGET = Target(account=ACCOUNT, region=REGION, cluster=CLUSTER, service=SERVICE)
APPLICATION = "CourtCase/Production"


class Account:
    """One simulated account, a monitor in front of it, and boto3 to look behind it."""

    def __init__(self, aws: SimulatedAws, connection: AwsConnection) -> None:
        session = boto3.Session("testing", "testing", region_name=REGION)
        config = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 1})
        self.aws = aws
        self.cloudwatch: CloudWatchClient = session.client("cloudwatch", endpoint_url=aws.endpoint, config=config)
        self.ecs: ECSClient = session.client("ecs", endpoint_url=aws.endpoint, config=config)
        self.scaling: ApplicationAutoScalingClient = session.client(
            "application-autoscaling", endpoint_url=aws.endpoint, config=config
        )
        ours = self.of_monitor = Aws(connection, "monitor")
        self.services, self.metrics = AwsEcs(ours), CloudWatchMetrics(ours)
        platform = Platform(cast("IndexedStore", None), WorldClock(aws), ours)
        self.monitor: Service = create_app(Settings(aws_account=ACCOUNT), platform)

    async def readings(self) -> Readings:
        dimensions = await self.services.watched(TARGET, None)
        now = self.aws.now()
        return await self.metrics.read(TARGET, dimensions, APPLICATION, now - 15 * MINUTE, now)

    async def verdicts(self) -> dict[str, str]:
        seen = await self.readings()
        return {rule.name: evaluate(rule, seen, self.aws.now()).verdict for rule in RULES}

    async def work(self, kind: str, command: CheckAlarms | SetUpMonitoring) -> StepFinished:
        running = FakeRunning(command.model_dump_json().encode())
        transition = await self.monitor.jobs[kind](running)
        event = transition.decide(None).emit[0].event
        assert isinstance(event, StepFinished)
        return event

    def deploy(self, tag: str) -> None:
        old: Any = self.ecs.describe_task_definition(taskDefinition="court-case-backend")["taskDefinition"]
        repository = old["containerDefinitions"][0]["image"].partition(":")[0]
        kept = ("family", "cpu", "memory", "networkMode", "requiresCompatibilities", "executionRoleArn")
        containers: Any = [{**old["containerDefinitions"][0], "image": f"{repository}:{tag}"}]
        answer = self.ecs.register_task_definition(**{key: old[key] for key in kept}, containerDefinitions=containers)
        arn = answer["taskDefinition"]["taskDefinitionArn"]
        self.ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=arn)

    def alarms(self) -> dict[str, str]:
        found = self.cloudwatch.describe_alarms(AlarmNamePrefix=f"surefoot-{CLUSTER}/{SERVICE}-")["MetricAlarms"]
        return {alarm["AlarmName"].rpartition("-")[2]: alarm["StateValue"] for alarm in found}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with SimulatedAws(clock=lambda: START) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        connection = AwsConnection(REGION)
        aws.step(10 * MINUTE)
        yield Account(aws, connection)
        connection.close()


async def test_all_eight_metrics_of_a_healthy_service_are_found(account: Account) -> None:
    seen = await account.readings()
    assert seen.service.balanced
    assert (seen.service.wanted, seen.service.running) == (3, 3)
    for name in ("cpu", "memory", "requests", "response_time", "healthy", "database_errors"):
        assert len(seen.series[name]) >= 10, name
    assert set(seen.healthy.values()) == {3.0}
    assert all(0.05 < value < 0.5 for value in seen.series["response_time"].values())
    assert set((await account.verdicts()).values()) == {"ok"}
    assert await account.metrics.database_published(TARGET, seen.service, APPLICATION, account.aws.now())


async def test_the_set_up_is_there_and_its_alarms_tell_good_from_bad(account: Account) -> None:
    command = SetUpMonitoring(target=TARGET, run_id="run-1")
    answer = await account.work(SET_UP, command)
    assert answer.verdict is Verdict.PASS, answer.summary
    assert isinstance(answer.output, MonitoringOutput)
    body = json.loads(account.cloudwatch.get_dashboard(DashboardName=answer.output.dashboard)["DashboardBody"])
    assert [widget["properties"]["title"] for widget in body["widgets"]] == [
        "ECS Service Overview",
        "Application Load Balancer",
        "Error Rate (%)",
        "Response Time (s)",
        "Resource Utilization (%)",
        "Database",
    ]
    assert await account.work(SET_UP, command) == answer, "twice is the same"
    account.aws.step(6 * MINUTE)
    assert account.alarms() == dict.fromkeys((rule.name for rule in RULES), "OK")
    quiet = await account.work(CHECK, CheckAlarms(target=TARGET, run_id="run-1"))
    assert quiet.verdict is Verdict.PASS
    assert quiet.gates[0].samples == 8

    account.deploy("slow")
    account.aws.step(15 * MINUTE)
    alarms, verdicts = account.alarms(), await account.verdicts()
    broken = {"response_time", "response_time_warning", "cpu"}
    assert {name for name, state in alarms.items() if state == "ALARM"} == broken
    assert {name for name, verdict in verdicts.items() if verdict == "broken"} == broken
    loud = await account.work(CHECK, CheckAlarms(target=TARGET, run_id="run-1"))
    assert loud.verdict is Verdict.FAIL
    assert "surefoot-CourtCaseCluster/BackendService-response_time" in loud.gates[0].detail


async def test_the_alarm_of_a_rule_that_is_gone_is_deleted_and_nobody_elses(account: Account) -> None:
    busy = RulePolicy(name="busy", metric=RuleMetric.CPU, comparison=">", threshold=95, minutes=2, severity="critical")
    policy = ServicePolicy(target=TARGET, rules=(*BUILT_IN_RULES, busy))
    command = SetUpMonitoring(target=TARGET, run_id="run-1", policy=policy.part(MonitoringPolicy))
    await account.work(SET_UP, command)
    assert "busy" in account.alarms()
    foreign = {
        f"surefoot-{CLUSTER}/{SERVICE}-mine": "somebody's own",
        f"surefoot-{CLUSTER}/{SERVICE}-b-cpu": "Surefoot, ",
        f"surefoot-{CLUSTER}/{SERVICE}-memory": "Surefoot, warning: of a service whose own name is the same on Court/x",
    }
    for name, description in foreign.items():
        account.cloudwatch.put_metric_alarm(
            AlarmName=name, AlarmDescription=description, Namespace="AWS/ECS", MetricName="CPUUtilization",
            Dimensions=[{"Name": "ServiceName", "Value": "other"}], Statistic="Average", Period=60,
            EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip
    fewer = policy.model_copy(update={"rules": BUILT_IN_RULES[:2]}).part(MonitoringPolicy)
    answer = await account.work(SET_UP, command.model_copy(update={"policy": fewer}))
    assert answer.verdict is Verdict.PASS, answer.summary
    left = account.cloudwatch.describe_alarms(AlarmNamePrefix=f"surefoot-{CLUSTER}/{SERVICE}-")["MetricAlarms"]
    ours = {f"surefoot-{CLUSTER}/{SERVICE}-{rule.name}" for rule in BUILT_IN_RULES[:2]}
    assert {alarm["AlarmName"] for alarm in left} == ours | set(foreign)


async def test_what_the_previous_version_created_is_replaced_and_another_service_of_that_name_keeps_its_own(
    account: Account,
) -> None:
    former = f"surefoot-{CLUSTER}-{SERVICE}"
    others = f" on {CLUSTER}-{SERVICE.partition('S')[0]}/other"
    for rule, where in (("cpu", f" on {CLUSTER}/{SERVICE}"), ("memory", others)):
        account.cloudwatch.put_metric_alarm(
            AlarmName=f"{former}-{rule}", AlarmDescription=f"Surefoot, warning: {rule}{where}", Namespace="AWS/ECS",
            MetricName="CPUUtilization", Dimensions=[{"Name": "ServiceName", "Value": SERVICE}], Statistic="Average",
            Period=60, EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip

    def drawn(service: str) -> str:
        line = ["AWS/ECS", "CPUUtilization", "ClusterName", CLUSTER, "ServiceName", service, {"stat": "Average"}]
        widget = {"type": "metric", "properties": {"metrics": [line], "region": REGION}}
        return json.dumps({"widgets": [widget]})

    def dashboards() -> set[str]:
        return {entry["DashboardName"] for entry in account.cloudwatch.list_dashboards()["DashboardEntries"]}

    command = SetUpMonitoring(target=TARGET, run_id="run-1")
    account.cloudwatch.put_dashboard(DashboardName=former, DashboardBody=drawn("other"))
    await account.work(SET_UP, command)
    assert former in dashboards(), "it shows another service, whose name was the same"
    account.cloudwatch.put_dashboard(DashboardName=former, DashboardBody=drawn(SERVICE))
    answer = await account.work(SET_UP, command)
    assert answer.verdict is Verdict.PASS, answer.summary
    assert dashboards() == {f"surefoot-{CLUSTER}-_-{SERVICE}"}
    left = account.cloudwatch.describe_alarms(AlarmNamePrefix=f"{former}-")["MetricAlarms"]
    assert [alarm["AlarmName"] for alarm in left] == [f"{former}-memory"]
    assert len(account.alarms()) == 8


async def test_a_lost_database_is_seen_by_rules_and_alarms_alike(account: Account) -> None:
    await account.work(SET_UP, SetUpMonitoring(target=TARGET, run_id="run-1"))
    account.deploy("database-failure")
    account.aws.step(15 * MINUTE)
    broken = {"error_rate", "error_rate_warning", "database_connections"}
    assert {name for name, verdict in (await account.verdicts()).items() if verdict == "broken"} == broken
    assert {name for name, state in account.alarms().items() if state == "ALARM"} == broken


async def test_the_database_is_looked_at_where_it_is_named(account: Account) -> None:
    databases = RdsDatabases(account.of_monitor)
    found = await databases.look(TARGET, "court-case-db", account.aws.now())
    assert (found.status, found.fault) == ("available", None)
    assert len(found.cpu) >= 3
    account.aws.happen(Incident(database="away"))
    found_fault = await databases.fault(TARGET, "court-case-db", account.aws.now())
    assert found_fault == DependencyFault(name="court-case-db", detail="the database court-case-db is failed")
    with pytest.raises(AwsError, match="RDS"):
        await databases.fault(TARGET, "no-such-db", account.aws.now())


async def test_no_task_is_an_outage(account: Account) -> None:
    account.scaling.register_scalable_target(
        ServiceNamespace="ecs",
        ResourceId=f"service/{CLUSTER}/{SERVICE}",
        ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=0,
        MaxCapacity=6,
    )
    account.ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=0)
    account.aws.step(15 * MINUTE)
    assert (await account.verdicts())["service_unavailable"] == "no_data", "nobody wants a task"
    seen = await account.readings()
    wanted = Readings(seen.service.model_copy(update={"wanted": 3}), seen.series)
    assert evaluate(RULES[0], wanted, account.aws.now()).verdict == "broken"


async def test_what_is_not_there_is_said(account: Account) -> None:
    with pytest.raises(NotFound, match="no service other"):
        await account.services.watched(TARGET.model_copy(update={"service": "other"}), None)
    with pytest.raises(NotFound, match="no cluster"):
        await account.services.watched(TARGET.model_copy(update={"cluster": "other"}), None)
