"""Clients that are not ours: the aws command line with the required emergency commands, boto3's waiters and pages."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import CLUSTER, LOG_GROUP, SERVICE

pytest_plugins = ["sandbox.fixtures"]

AWS = Path(sys.executable).with_name("aws")


def aws(endpoint: str, *command: str) -> Any:
    """What ``aws --endpoint-url … command`` prints."""
    said = subprocess.run(
        [AWS, "--endpoint-url", endpoint, "--region", "us-west-2", "--output", "json", *command],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "AWS_PAGER": ""},
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout or "{}")


@pytest.mark.usefixtures("simulated_aws")
def test_the_required_emergency_commands(simulated_aws: SimulatedAws) -> None:
    endpoint = simulated_aws.endpoint
    (service,) = aws(endpoint, "ecs", "describe-services", "--cluster", CLUSTER, "--services", SERVICE)["services"]
    assert (service["serviceName"], service["runningCount"]) == (SERVICE, 3)
    arns = aws(endpoint, "ecs", "list-tasks", "--cluster", CLUSTER, "--service-name", SERVICE)["taskArns"]
    tasks = aws(endpoint, "ecs", "describe-tasks", "--cluster", CLUSTER, "--tasks", *arns)["tasks"]
    assert {task["lastStatus"] for task in tasks} == {"RUNNING"}
    stream = f"ecs/backend/{arns[0].rpartition('/')[2]}"
    log = ("--log-group-name", LOG_GROUP, "--log-stream-name", stream, "--start-from-head")
    lines = [event["message"] for event in aws(endpoint, "logs", "get-log-events", *log)["events"]]
    assert any("Uvicorn running" in line for line in lines)
    network = json.dumps(service["networkConfiguration"])
    overrides = json.dumps({"containerOverrides": [{"name": "backend", "command": ["alembic", "upgrade", "head"]}]})
    run = ("--cluster", CLUSTER, "--task-definition", "court-case-backend", "--launch-type", "FARGATE")
    begun = aws(endpoint, "ecs", "run-task", *run, "--network-configuration", network, "--overrides", overrides)
    assert begun["failures"] == []
    simulated_aws.step(120)
    (ended,) = aws(endpoint, "ecs", "describe-tasks", "--cluster", CLUSTER, "--tasks", begun["tasks"][0]["taskArn"])[
        "tasks"
    ]
    assert (ended["lastStatus"], ended["containers"][0]["exitCode"]) == ("STOPPED", 0)


def test_boto3s_own_waiters(simulated_aws: SimulatedAws) -> None:
    ecs = boto3.client("ecs")
    quickly: Any = {"Delay": 0, "MaxAttempts": 50}
    ecs.get_waiter("services_stable").wait(cluster=CLUSTER, services=[SERVICE], WaiterConfig=quickly)
    arns = ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]
    ecs.get_waiter("tasks_running").wait(cluster=CLUSTER, tasks=arns, WaiterConfig=quickly)
    ecs.stop_task(cluster=CLUSTER, task=arns[0])
    simulated_aws.step(120)
    ecs.get_waiter("tasks_stopped").wait(cluster=CLUSTER, tasks=arns[:1], WaiterConfig=quickly)
    group = boto3.client("elbv2").describe_target_groups()["TargetGroups"][0]["TargetGroupArn"]
    boto3.client("elbv2").get_waiter("target_in_service").wait(TargetGroupArn=group, WaiterConfig=quickly)
    ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=0)
    ecs.delete_service(cluster=CLUSTER, service=SERVICE)
    simulated_aws.step(120)
    ecs.get_waiter("services_inactive").wait(cluster=CLUSTER, services=[SERVICE], WaiterConfig=quickly)


@pytest.mark.usefixtures("simulated_aws")
def test_boto3s_own_pages() -> None:
    ecs = boto3.client("ecs")
    for _ in range(12):
        ecs.register_task_definition(family="paged", containerDefinitions=[{"name": "a", "image": "b", "memory": 64}])
    listed = ecs.get_paginator("list_task_definitions").paginate(familyPrefix="paged", PaginationConfig={"PageSize": 5})
    pages = [page["taskDefinitionArns"] for page in listed]
    assert [len(page) for page in pages] == [5, 5, 2]
    assert len({arn for page in pages for arn in page}) == 12
    one_by_one = ecs.get_paginator("list_tasks").paginate(
        cluster=CLUSTER, serviceName=SERVICE, PaginationConfig={"PageSize": 1}
    )
    assert [len(page["taskArns"]) for page in one_by_one] == [1, 1, 1]
