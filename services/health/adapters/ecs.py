"""The port ``Ecs`` on the ECS API."""

from typing import Any

from botocore.exceptions import ClientError

from contracts.base import Target
from services._chassis.aws import Aws
from services.health.adapters.asking import ask, ask_pages
from services.health.domain.observed import Deployment, Rollout, Service, StoppedTask
from services.health.ports import Unavailable

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
            if _code(refusal) in _ABSENT:
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
        return tuple(_stopped(one) for one in sorted(stopped, key=lambda one: one["stoppedAt"]))

    async def rollout(self, arn: str) -> Rollout | None:
        answer = await ask(self._aws, "ecs", "describe_service_deployments", serviceDeploymentArns=[arn])
        found = next(iter(answer.get("serviceDeployments", [])), None)
        return Rollout(found.get("status", ""), found.get("statusReason", "")) if found else None


def _code(refusal: Unavailable) -> str | None:
    cause = refusal.__cause__
    return cause.response["Error"]["Code"] if isinstance(cause, ClientError) else None


def _service(body: dict[str, Any]) -> Service:
    return Service(
        desired=body["desiredCount"],
        running=body["runningCount"],
        deployments=tuple(_deployment(one) for one in body.get("deployments", [])),
        events=tuple(one.get("message", "") for one in body.get("events", [])),
        target_groups=tuple(
            one["targetGroupArn"] for one in body.get("loadBalancers", []) if one.get("targetGroupArn")
        ),
        rollout=body.get("currentServiceDeployment"),
    )


def _deployment(body: dict[str, Any]) -> Deployment:
    return Deployment(
        id=body["id"],
        status=body["status"],
        task_definition=body["taskDefinition"],
        desired=body.get("desiredCount", 0),
        running=body.get("runningCount", 0),
        failed_tasks=body.get("failedTasks", 0),
        rollout_state=body.get("rolloutState"),
        reason=body.get("rolloutStateReason", ""),
    )


def _stopped(body: dict[str, Any]) -> StoppedTask:
    containers = body.get("containers", [])
    reasons = [one["reason"] for one in containers if one.get("reason")]
    reason = body.get("stoppedReason", "")
    return StoppedTask(
        arn=body["taskArn"],
        deployment_id=body.get("startedBy", ""),
        stop_code=body.get("stopCode", ""),
        reason="; ".join(dict.fromkeys((reason, *reasons))),
        exit_codes=tuple(one["exitCode"] for one in containers if one.get("exitCode") is not None),
    )
