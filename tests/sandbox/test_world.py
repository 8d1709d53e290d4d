"""The seeded account as a whole: its records, its calls, its clock, its metrics, its process."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.request import urlopen

import boto3
import httpx2
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.aws.__main__ import main
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import BACKUP_BUCKET, CLUSTER, LOAD_BALANCER, LOG_GROUP, SERVICE
from sandbox.child import claim_port

START = 1_764_000_000.0
SESSION = boto3.Session("testing", "testing", region_name="us-west-2")


@pytest.fixture
def aws() -> Iterator[SimulatedAws]:
    with SimulatedAws(clock=lambda: START) as aws:
        yield aws


def client(aws: SimulatedAws, service: Any, agent: str = "test") -> Any:
    config = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 1}, user_agent_extra=agent)
    return SESSION.client(service, endpoint_url=aws.endpoint, config=config)


def test_the_records_of_the_account(aws: SimulatedAws) -> None:
    elb = client(aws, "elbv2")
    balancer = elb.describe_load_balancers(Names=[LOAD_BALANCER])["LoadBalancers"][0]
    listener = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"][0]
    with urlopen(f"http://{balancer['DNSName']}:{listener['Port']}/health", timeout=5) as answer:
        assert answer.status == 200
    assert elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
    group = elb.describe_target_groups(LoadBalancerArn=balancer["LoadBalancerArn"])["TargetGroups"][0]
    attributes = elb.describe_target_group_attributes(TargetGroupArn=group["TargetGroupArn"])["Attributes"]
    assert {"Key": "deregistration_delay.timeout_seconds", "Value": "30"} in attributes
    assert client(aws, "s3").get_bucket_versioning(Bucket=BACKUP_BUCKET)["Status"] == "Enabled"
    assert client(aws, "sts").get_caller_identity()["Account"] == "123456789012"
    scaling = client(aws, "application-autoscaling")
    target = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"][0]
    assert (target["ResourceId"], target["MinCapacity"], target["MaxCapacity"]) == (
        f"service/{CLUSTER}/{SERVICE}",
        2,
        6,
    )
    assert scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
    network = client(aws, "ecs").describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]
    subnets = network["networkConfiguration"]["awsvpcConfiguration"]["subnets"]
    assert len(client(aws, "ec2").describe_subnets(SubnetIds=subnets)["Subnets"]) == 2


def test_calls_are_logged_with_their_caller_and_without_parameters(aws: SimulatedAws) -> None:
    ecs = client(aws, "ecs", "surefoot/recovery/job-1/7")
    ecs.describe_services(cluster=CLUSTER, services=[SERVICE])
    ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=4)
    definition: Any = {"name": "a", "image": "b", "environment": [{"name": "PASSWORD", "value": "hunter2-hunter2"}]}
    ecs.register_task_definition(family="secretive", containerDefinitions=[definition])
    client(aws, "s3").put_object(Bucket=BACKUP_BUCKET, Key="a/b", Body=b"hunter2-hunter2")
    with pytest.raises(ClientError):
        ecs.update_service(cluster=CLUSTER, service="nobody", desiredCount=4)
    with urlopen(f"{aws.endpoint}/_sandbox/calls?changing=1", timeout=5) as answer:
        text = answer.read().decode()
    calls = json.loads(text)
    assert [(one["service"], one["operation"], one["resource"], one["status"]) for one in calls] == [
        ("ecs", "UpdateService", f"{CLUSTER}/{SERVICE}", 200),
        ("ecs", "RegisterTaskDefinition", "secretive", 200),
        ("s3", "PutObject", f"/{BACKUP_BUCKET}/a/b", 200),
        ("ecs", "UpdateService", f"{CLUSTER}/nobody", 400),
    ]
    assert "surefoot/recovery/job-1/7" in calls[0]["user_agent"]
    assert calls[0]["time"] == START
    assert "hunter2" not in text
    with urlopen(f"{aws.endpoint}/_sandbox/calls", timeout=5) as answer:
        everything = [one["operation"] for one in json.loads(answer.read())]
    assert everything[0] == "DescribeServices"


def test_what_moto_has_not_is_refused_at_once(aws: SimulatedAws) -> None:
    with pytest.raises(ClientError) as error:
        client(aws, "cloudwatch").describe_anomaly_detectors()
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_roll_out_changes_who_answers(aws: SimulatedAws) -> None:
    ecs = client(aws, "ecs")
    old = ecs.describe_task_definition(taskDefinition="court-case-backend")["taskDefinition"]
    container = {**old["containerDefinitions"][0], "image": f"{aws.world.registry.uri}:database-failure"}
    kept = {key: old[key] for key in ("family", "cpu", "memory", "networkMode", "requiresCompatibilities")}
    arn = ecs.register_task_definition(**kept, containerDefinitions=[container])["taskDefinition"]["taskDefinitionArn"]
    with urlopen(f"{aws.application_url}/health/ready", timeout=5) as answer:
        assert answer.status == 200
    ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=arn)
    aws.step(300)
    ready = client_status(f"{aws.application_url}/health/ready")
    assert ready == 503
    logs = client(aws, "logs")
    lines = [one["message"] for one in logs.filter_log_events(logGroupName=LOG_GROUP)["events"]]
    assert any("no pg_hba.conf entry" in line for line in lines)


def client_status(url: str) -> int:
    return httpx2.get(url, timeout=5).status_code


def test_metrics_follow_the_service(aws: SimulatedAws) -> None:
    aws.step(600)
    now = aws.now()
    dimensions = [{"Name": "ClusterName", "Value": CLUSTER}, {"Name": "ServiceName", "Value": SERVICE}]
    answer = client(aws, "cloudwatch").get_metric_statistics(
        Namespace="AWS/ECS", MetricName="CPUUtilization", Dimensions=dimensions, Period=60, Statistics=["Average"],
        StartTime=datetime.fromtimestamp(now - 600, UTC), EndTime=datetime.fromtimestamp(now, UTC),
    )  # fmt: skip
    values = [point["Average"] for point in answer["Datapoints"]]
    assert len(values) >= 8
    assert 20 < sum(values) / len(values) < 50


def _watched(aws: SimulatedAws, *, periods: int, above: float = 60) -> Any:
    """Create the alarm ``busy``, and return the deployment configuration that names it."""
    dimensions = [{"Name": "ClusterName", "Value": CLUSTER}, {"Name": "ServiceName", "Value": SERVICE}]
    client(aws, "cloudwatch").put_metric_alarm(
        AlarmName="busy", Namespace="AWS/ECS", MetricName="CPUUtilization", Dimensions=dimensions, Period=60,
        Statistic="Maximum", Threshold=above, ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=periods,
        TreatMissingData="notBreaching",
    )  # fmt: skip
    aws.step(180)
    return {"alarms": {"alarmNames": ["busy"], "enable": True, "rollback": True}, "minimumHealthyPercent": 0}


def test_alarms_are_watched_for_a_while_after_the_roll_out(aws: SimulatedAws) -> None:
    configuration, ecs = _watched(aws, periods=5), client(aws, "ecs")

    def deployed() -> Any:
        service = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]
        arn = service["currentServiceDeployment"]
        found = ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"][0]
        return service["deployments"][0]["rolloutState"], found["status"], found["alarms"]["status"]

    def deploy() -> None:
        changes = {"deploymentConfiguration": configuration, "forceNewDeployment": True}
        ecs.update_service(cluster=CLUSTER, service=SERVICE, **changes)

    deploy()
    aws.step(240)
    assert deployed() == ("IN_PROGRESS", "IN_PROGRESS", "MONITORING")
    aws.step(300)
    assert deployed() == ("COMPLETED", "SUCCESSFUL", "MONITORING_COMPLETE")
    deploy()
    aws.step(240)
    assert deployed() == ("IN_PROGRESS", "IN_PROGRESS", "MONITORING")
    _watched(aws, periods=5, above=10)
    aws.step(300)
    assert deployed() == ("COMPLETED", "ROLLBACK_SUCCESSFUL", "TRIGGERED")


def test_an_alarm_rolls_a_deployment_back(aws: SimulatedAws) -> None:
    configuration, cloudwatch, ecs = _watched(aws, periods=1), client(aws, "cloudwatch"), client(aws, "ecs")
    before = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]["taskDefinition"]
    old = ecs.describe_task_definition(taskDefinition=before)["taskDefinition"]
    container = {**old["containerDefinitions"][0], "image": f"{aws.world.registry.uri}:crash-loop"}
    kept = {key: old[key] for key in ("family", "cpu", "memory", "networkMode", "requiresCompatibilities")}
    arn = ecs.register_task_definition(**kept, containerDefinitions=[container])["taskDefinition"]["taskDefinitionArn"]
    ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=arn, deploymentConfiguration=configuration)
    aws.step(60)
    cloudwatch.set_alarm_state(AlarmName="busy", StateValue="ALARM", StateReason="it is")
    aws.step(61)
    service = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]
    assert service["taskDefinition"] == before
    record = ecs.describe_service_deployments(serviceDeploymentArns=[service["currentServiceDeployment"]])
    found = record["serviceDeployments"][0]
    assert found["status"] in {"ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"}
    assert found["alarms"] == {"status": "TRIGGERED", "alarmNames": ["busy"], "triggeredAlarmNames": ["busy"]}


def test_a_desired_count_out_of_bounds_is_pulled_back(aws: SimulatedAws) -> None:
    ecs = client(aws, "ecs")
    ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=9)
    aws.step(120)
    assert ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]["desiredCount"] == 6


def test_s3_stamps_product_time(aws: SimulatedAws) -> None:
    aws.step(3600)
    s3 = client(aws, "s3")
    s3.put_object(Bucket=BACKUP_BUCKET, Key="when", Body=b"")
    assert abs(s3.head_object(Bucket=BACKUP_BUCKET, Key="when")["LastModified"].timestamp() - START - 3600) < 2


def test_only_one_runs_in_a_process(aws: SimulatedAws) -> None:
    with pytest.raises(RuntimeError, match="already"):
        SimulatedAws().start()


def test_the_process_starts_says_so_and_ends() -> None:
    ports = [claim_port(0) for _ in range(3)]
    command = [sys.executable, "-m", "sandbox.aws", "--history-days", "0"]
    command += ["--port", str(ports[0]), "--application-port", str(ports[1]), "--elsewhere", str(ports[2])]
    environment = {**os.environ, "SUREFOOT_CLOCK": f"30@{time.time():.3f}"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"simulated AWS is ready at http://127.0.0.1:{ports[0]}")
        assert httpx2.get(f"http://127.0.0.1:{ports[2]}/health").status_code == 200
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert errors == ""


@pytest.mark.parametrize("option", ["--port", "--application-port"])
def test_a_taken_port_ends_it_with_one_sentence(
    option: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"--port": "0", "--application-port": "0", option: str(taken.getsockname()[1])}
        assert main([word for pair in ports.items() for word in pair]) == 1
    said = capsys.readouterr().err
    assert said.startswith("simulated AWS cannot start: ")
    assert len(said.splitlines()) == 1


def test_an_advertised_host_is_what_others_are_told() -> None:
    with SimulatedAws(clock=lambda: START, advertise="aws.internal") as aws:
        assert aws.endpoint.startswith("http://aws.internal:")
        here = f"http://127.0.0.1:{aws.endpoint.rsplit(':', 1)[-1]}"
        elb = SESSION.client("elbv2", endpoint_url=here)
        assert elb.describe_load_balancers()["LoadBalancers"][0]["DNSName"] == "aws.internal"
