"""ECS."""

from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from services._chassis.aws import Aws
from services._chassis.clock import moment
from services.recovery.adapters.calls import calling
from services.recovery.domain.change import Body
from services.recovery.domain.roll_back import primary_of
from services.recovery.ports import CallFailed

REVISIONS = 10
DEPLOYMENTS = 20
TASKS = 100


@dataclass(frozen=True, slots=True)
class AwsEcs:
    aws: Aws

    async def service(self, target: Target) -> Body | None:
        try:
            with calling("ecs:DescribeServices"):
                answer = await self.aws.call(
                    "ecs",
                    "describe_services",
                    cluster=target.cluster,
                    services=[target.service],
                    include=["TAGS"],
                )
        except CallFailed as failed:
            if failed.code == "ClusterNotFoundException":
                return None
            raise
        found: list[Body] = [one for one in answer["services"] if one["status"] != "INACTIVE"]
        return found[0] if found else None

    async def task_definition(self, name: str) -> Body | None:
        try:
            with calling("ecs:DescribeTaskDefinition"):
                answer = await self.aws.call("ecs", "describe_task_definition", taskDefinition=name, include=["TAGS"])
        except CallFailed as failed:
            # ECS's way to say that there is none
            if failed.code == "ClientException":
                return None
            raise
        return {**answer["taskDefinition"], "tags": answer.get("tags", [])}

    async def revisions(self, family: str) -> list[Body]:
        with calling("ecs:ListTaskDefinitions"):
            answer = await self.aws.call(
                "ecs",
                "list_task_definitions",
                familyPrefix=family,
                status="ACTIVE",
                sort="DESC",
                maxResults=REVISIONS,
            )
        found = [await self.task_definition(arn) for arn in answer["taskDefinitionArns"]]
        return [one for one in found if one is not None]

    async def digests(self, target: Target, service: Body) -> dict[str, str]:
        """From the service's revision; where that does not say, from its running tasks."""
        version = primary_of(service)["taskDefinition"]
        found = await self._of_tasks(target, version)
        found.update(await self._of_revision(service, version))
        return found

    async def _of_revision(self, service: Body, version: str) -> dict[str, str]:
        arns = [one["arn"] for one in service.get("currentServiceRevisions", ())]
        if not arns:
            return {}
        with calling("ecs:DescribeServiceRevisions"):
            answer = await self.aws.call("ecs", "describe_service_revisions", serviceRevisionArns=arns[:20])
        return {
            image["containerName"]: image["imageDigest"]
            for one in answer["serviceRevisions"]
            if one["taskDefinition"] == version
            for image in one.get("containerImages", ())
            if image.get("imageDigest")
        }

    async def _of_tasks(self, target: Target, version: str) -> dict[str, str]:
        with calling("ecs:ListTasks"):
            listed = await self.aws.call(
                "ecs",
                "list_tasks",
                cluster=target.cluster,
                serviceName=target.service,
                desiredStatus="RUNNING",
                maxResults=TASKS,
            )
        if not listed["taskArns"]:
            return {}
        with calling("ecs:DescribeTasks"):
            answer = await self.aws.call("ecs", "describe_tasks", cluster=target.cluster, tasks=listed["taskArns"])
        return {
            container["name"]: container["imageDigest"]
            for task in answer["tasks"]
            if task["taskDefinitionArn"] == version
            for container in task["containers"]
            if container.get("imageDigest")
        }

    async def deployments(self, target: Target, since: float) -> list[Body]:
        with calling("ecs:ListServiceDeployments"):
            listed = await self.aws.call(
                "ecs",
                "list_service_deployments",
                **_named(target),
                createdAt={"after": moment(since)},
                maxResults=DEPLOYMENTS,
            )
        arns = [one["serviceDeploymentArn"] for one in listed["serviceDeployments"]]
        if not arns:
            return []
        with calling("ecs:DescribeServiceDeployments"):
            answer = await self.aws.call("ecs", "describe_service_deployments", serviceDeploymentArns=arns)
        return sorted(answer["serviceDeployments"], key=lambda one: one["createdAt"], reverse=True)

    async def register(self, body: Body) -> str:
        with calling("ecs:RegisterTaskDefinition"):
            answer = await self.aws.call("ecs", "register_task_definition", **body)
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    async def update(self, target: Target, parameters: dict[str, Any]) -> Body:
        with calling("ecs:UpdateService"):
            answer = await self.aws.call("ecs", "update_service", **_named(target), **parameters)
        service: Body = answer["service"]
        return service


def _named(target: Target) -> dict[str, Any]:
    return {"cluster": target.cluster, "service": target.service}
