"""What ECS tells EventBridge, heard through a queue."""

import json
from typing import Any

import boto3
import pytest

from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import CLUSTER, SERVICE

pytest_plugins = ["sandbox.fixtures"]
PATTERN = {"source": ["aws.ecs"], "detail-type": ["ECS Deployment State Change", "ECS Task State Change"]}


@pytest.fixture
def queue(simulated_aws: SimulatedAws) -> str:
    del simulated_aws
    sqs, events = boto3.client("sqs"), boto3.client("events")
    url: str = sqs.create_queue(QueueName="ecs")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="ecs", EventPattern=json.dumps(PATTERN))
    events.put_targets(Rule="ecs", Targets=[{"Id": "queue", "Arn": arn}])
    return url


def heard(url: str) -> list[dict[str, Any]]:
    sqs, found = boto3.client("sqs"), list[dict[str, Any]]()
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [json.loads(message["Body"]) for message in messages]
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def test_a_deployment_and_its_tasks_are_told_of(simulated_aws: SimulatedAws, queue: str) -> None:
    ecs = boto3.client("ecs")
    answer = ecs.update_service(cluster=CLUSTER, service=SERVICE, forceNewDeployment=True)["service"]
    deployment = answer["deployments"][0]["id"]
    simulated_aws.step(300)
    told = heard(queue)
    rollouts = [one for one in told if one["detail-type"] == "ECS Deployment State Change"]
    assert [one["detail"]["eventName"] for one in rollouts] == [
        "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "SERVICE_DEPLOYMENT_COMPLETED",
    ]
    assert rollouts[-1]["source"] == "aws.ecs"
    assert rollouts[-1]["resources"] == [answer["serviceArn"]]
    assert rollouts[-1]["detail"] | {"updatedAt": ""} == {
        "eventType": "INFO",
        "eventName": "SERVICE_DEPLOYMENT_COMPLETED",
        "deploymentId": deployment,
        "updatedAt": "",
        "reason": f"ECS deployment {deployment} completed.",
    }
    tasks = [one["detail"] for one in told if one["detail-type"] == "ECS Task State Change"]
    begun = {task["taskArn"] for task in tasks if task["startedBy"] == deployment}
    assert len(begun) == 3
    one = next(iter(begun))
    lived = [task["lastStatus"] for task in tasks if task["taskArn"] == one]
    assert lived[-1] == "RUNNING"
    assert {"PENDING", "ACTIVATING"} <= set(lived)
    gone = [task for task in tasks if task["lastStatus"] == "STOPPED"]
    assert len(gone) == 3
    assert all(task["stopCode"] == "ServiceSchedulerInitiated" and task["stoppedAt"].endswith("Z") for task in gone)


def test_a_roll_out_that_fails_is_an_error(simulated_aws: SimulatedAws, queue: str) -> None:
    ecs = boto3.client("ecs")
    body: Any = ecs.describe_task_definition(taskDefinition="court-case-backend")["taskDefinition"]
    image = body["containerDefinitions"][0]["image"].partition(":")[0] + ":crash-loop"
    made = ecs.register_task_definition(
        family="crashing",
        containerDefinitions=[{"name": "backend", "image": image, "portMappings": [{"containerPort": 8000}]}],
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
    )["taskDefinition"]["taskDefinitionArn"]
    breaker: Any = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=made, deploymentConfiguration=breaker)
    simulated_aws.step(600)
    names = [one["detail"]["eventName"] for one in heard(queue) if one["detail-type"] == "ECS Deployment State Change"]
    assert names == [
        "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "SERVICE_DEPLOYMENT_FAILED",
        "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "SERVICE_DEPLOYMENT_COMPLETED",
    ]
