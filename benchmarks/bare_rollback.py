"""The bare script: aiokafka and boto3, the calls of a rollback in their order, no truth, no lease, no second look.

``python -m benchmarks.bare_rollback``; an alert's value is ``{"service": …, "snapshot": …}``.
"""

import asyncio
import json
import os
from datetime import UTC, datetime
from typing import Any

import boto3
from aiokafka import AIOKafkaConsumer

TOPIC = "bare.alerts.v1"


class Clients:
    """boto3's clients, built once, as ours are."""

    def __init__(self) -> None:
        self.s3: Any = boto3.client("s3")
        self.ecs: Any = boto3.client("ecs")
        self.ecr: Any = boto3.client("ecr")


def roll_back(aws: Clients, service: str, snapshot_key: str, since: datetime) -> None:
    """Bring the snapshot's task definition back, after the same reading calls as ours."""
    named = {"cluster": os.environ["CLUSTER_NAME"], "service": service}
    bucket = os.environ["BACKUP_BUCKET"]
    snapshot = json.loads(aws.s3.get_object(Bucket=bucket, Key=snapshot_key)["Body"].read())
    aws.ecs.describe_services(cluster=named["cluster"], services=[service], include=["TAGS"])
    listed = aws.ecs.list_service_deployments(**named, createdAt={"after": since}, maxResults=20)
    arns = [deployment["serviceDeploymentArn"] for deployment in listed["serviceDeployments"]]
    if arns:
        aws.ecs.describe_service_deployments(serviceDeploymentArns=arns)
    goal = snapshot["task_definition"]["taskDefinitionArn"]
    aws.ecs.describe_task_definition(taskDefinition=goal, include=["TAGS"])
    for container in snapshot["task_definition"]["containerDefinitions"]:
        registry, _, image = container["image"].partition("/")
        name, _, tag = image.partition(":")
        account = registry.partition(".")[0]
        aws.ecr.batch_get_image(registryId=account, repositoryName=name, imageIds=[{"imageTag": tag}])
    aws.ecs.update_service(**named, taskDefinition=goal)


async def main() -> None:
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        group_id="bare",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    aws = Clients()
    await consumer.start()
    async for message in consumer:
        alert = json.loads(message.value)
        roll_back(aws, alert["service"], alert["snapshot"], datetime.fromtimestamp(alert["since"], UTC))
        await consumer.commit()


if __name__ == "__main__":
    asyncio.run(main())
