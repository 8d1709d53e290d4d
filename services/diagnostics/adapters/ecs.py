"""The port ``Ecs`` on the ECS API. Task definitions and overrides, where the environment is, are not read."""

from typing import Any

from botocore.exceptions import ClientError

from contracts.base import Target
from services._chassis.aws import Aws
from services.diagnostics.adapters.asking import ask, ask_pages
from services.diagnostics.domain.evidence import Container, Deployment, Service, ServiceEvent, StoppedTask
from services.diagnostics.ports import Unavailable

_DESCRIBED = 100
"""Tasks that one ``DescribeTasks`` takes."""
_ABSENT = {"ClusterNotFoundException", "ServiceNotFoundException"}


class AwsEcs:
    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    async def service(self, target: Target) -> Service | None:
        try:
            answer = await ask(self._aws, "ecs", "describe_services", cluster=target.cluster, services=[target.service])
        except Unavailable as refusal:
            cause = refusal.__cause__
            if isinstance(cause, ClientError) and cause.response["Error"]["Code"] in _ABSENT:
                return None
            raise
        found = next((one for one in answer.get("services", []) if one.get("status") != "INACTIVE"), None)
        return _service(found) if found else None

    async def stopped_tasks(self, target: Target) -> tuple[StoppedTask, ...]:
        arns = await ask_pages(
            self._aws,
            "ecs",
            "list_tasks",
            "taskArns",
            cluster=target.cluster,
            serviceName=target.service,
            desiredStatus="STOPPED",
        )
        if not arns:
            return ()
        answer = await ask(self._aws, "ecs", "describe_tasks", cluster=target.cluster, tasks=arns[:_DESCRIBED])
        stopped = [one for one in answer.get("tasks", []) if one.get("stoppedAt")]
        return tuple(_stopped(one) for one in sorted(stopped, key=lambda one: one["stoppedAt"], reverse=True))


def _service(body: dict[str, Any]) -> Service:
    return Service(
        desired=body["desiredCount"],
        running=body["runningCount"],
        pending=body.get("pendingCount", 0),
        deployments=tuple(
            Deployment(
                id=one["id"],
                status=one["status"],
                task_definition=one["taskDefinition"],
                failed_tasks=one.get("failedTasks", 0),
                rollout_state=one.get("rolloutState"),
                reason=one.get("rolloutStateReason", ""),
            )
            for one in body.get("deployments", [])
        ),
        events=tuple(
            ServiceEvent(one["createdAt"].timestamp(), one.get("message", "")) for one in body.get("events", [])
        ),
        target_groups=tuple(
            one["targetGroupArn"] for one in body.get("loadBalancers", []) if one.get("targetGroupArn")
        ),
    )


def _stopped(body: dict[str, Any]) -> StoppedTask:
    return StoppedTask(
        arn=body["taskArn"],
        deployment_id=body.get("startedBy", ""),
        stopped_at=body["stoppedAt"].timestamp(),
        stop_code=body.get("stopCode", ""),
        reason=body.get("stoppedReason", ""),
        containers=tuple(
            Container(one["name"], one.get("exitCode"), one.get("reason", "")) for one in body.get("containers", [])
        ),
    )
