"""Reads what shows who has changed a service: its deployments, scaling activities, limits, and its stack."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from contracts.prose import quote
from services._aws import ecs
from services._aws.body import entries, epoch
from services._aws.ecs_deployments import EcsDeployment, ServiceDeployment
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError, reading
from services._chassis.aws import Aws
from services.recovery.adapters.scaling import DIMENSION
from services.recovery.adapters.trail import OF_TASK_SETS, OPERATIONS, look_up
from services.recovery.domain.change import Body
from services.recovery.domain.moves.facts import Activity, Deployed
from services.recovery.domain.moves.trail import Trail

SAME_SECONDS = 10.0
"""Seconds between the times that ECS gives for one deployment in the service and in its history, at most."""
MOST_ACTIVITIES = 50


@dataclass(frozen=True, slots=True)
class AwsMovers:
    aws: Aws

    async def deployed(self, target: Target, service: Body, since: float) -> tuple[Deployed, ...]:
        seen = EcsService(service)
        history = await ecs.service_deployments(self.aws, target, since)
        arns = list(dict.fromkeys(arn for each in history for arn in _revisions(each)))[:20]
        found = await ecs.service_revisions(self.aws, target, arns) if arns else []
        versions = {str(body["serviceRevisionArn"]): str(body.get("taskDefinition") or "") for body in found}
        listed = [each for each in seen.deployments if each.created_at is not None and each.created_at >= since]
        past = [_of_history(each, versions, listed) for each in history if each.created_at is not None]
        # a deployment that ECS began to go back from an other one is told with that one
        known = {each.deployment_id for each in past}
        back = [each.back_at for each in past if each.back_at is not None]
        alone = [_of_service(each) for each in listed if each.id not in known and not _near(each.created_at, back)]
        return tuple(sorted([*past, *alone], key=lambda each: each.at))

    async def activities(self, target: Target, since: float) -> tuple[Activity, ...]:
        with reading("Application Auto Scaling", "DescribeScalingActivities"):
            answer = await self.aws.at(target).call(
                "application-autoscaling",
                "describe_scaling_activities",
                ServiceNamespace="ecs",
                ResourceId=f"service/{target.cluster}/{target.service}",
                ScalableDimension=DIMENSION,
                MaxResults=MOST_ACTIVITIES,
            )
        found = map(_activity, answer.get("ScalingActivities") or ())
        return tuple(each for each in found if each is not None and each.at >= since)

    async def limits(self, target: Target) -> tuple[int, int] | None:
        resource = f"service/{target.cluster}/{target.service}"
        with reading("Application Auto Scaling", "DescribeScalableTargets"):
            answer = await self.aws.at(target).call(
                "application-autoscaling",
                "describe_scalable_targets",
                ServiceNamespace="ecs",
                ResourceIds=[resource],
            )
        for each in answer.get("ScalableTargets") or ():
            if each.get("ScalableDimension", DIMENSION) == DIMENSION:
                return int(each["MinCapacity"]), int(each["MaxCapacity"])
        return None

    async def trail(self, target: Target, service: Body, since: float) -> Trail:
        foreign = EcsService(service).controller != "ECS"
        return await look_up(self.aws, target, (*OPERATIONS, OF_TASK_SETS) if foreign else OPERATIONS, since)

    async def stack(self, target: Target, name: str) -> str:
        try:
            with reading("CloudFormation", "DescribeStacks"):
                answer = await self.aws.at(target).call("cloudformation", "describe_stacks", StackName=name)
        except AwsError as error:
            if error.code == "ValidationError":  # how CloudFormation says that there is none
                return ""
            raise
        stacks = answer.get("Stacks") or ()
        return str(stacks[0].get("StackStatus", "")) if stacks else ""


def _revisions(deployment: ServiceDeployment) -> Iterator[str]:
    """Return the ARNs of the service revisions that a deployment names."""
    body = deployment.body
    of_rollback = (body.get("rollback") or {}).get("serviceRevisionArn")
    named = ((body.get("targetServiceRevision") or {}).get("arn"), of_rollback, _source(body))
    yield from (str(arn) for arn in named if arn)


def _source(body: Body) -> str:
    """Return the ARN of the service revision before a deployment; empty where there were several, or none."""
    sources = list(entries(body, "sourceServiceRevisions"))
    return str(sources[0].get("arn") or "") if len(sources) == 1 else ""


def _of_history(
    deployment: ServiceDeployment, versions: Mapping[str, str], listed: Sequence[EcsDeployment]
) -> Deployed:
    body = deployment.body
    at = deployment.created_at or 0.0
    version = versions.get(str((body.get("targetServiceRevision") or {}).get("arn")), "")
    same = [each for each in listed if each.task_definition == version and _near(each.created_at, [at])]
    rollback = body.get("rollback") or {}
    return Deployed(
        at=at,
        version=version,
        source=versions.get(_source(body), ""),
        deployment_id=same[0].id if same else "",
        arn=deployment.arn,
        back_at=epoch(rollback.get("startedAt")),
        back_to=versions.get(str(rollback.get("serviceRevisionArn")), ""),
        why_back=quote(str(rollback.get("reason") or deployment.reason)),
    )


def _of_service(deployment: EcsDeployment) -> Deployed:
    return Deployed(deployment.created_at or 0.0, deployment.task_definition, deployment_id=deployment.id)


def _near(at: float | None, others: Sequence[float]) -> bool:
    return at is not None and any(abs(at - other) <= SAME_SECONDS for other in others)


def _activity(body: Mapping[str, Any]) -> Activity | None:
    """Return an activity that has changed something; None for all others."""
    at = epoch(body.get("StartTime"))
    if at is None or body.get("StatusCode") not in {"Successful", "Overridden", "InProgress", "Pending"}:
        return None
    texts = [quote(str(body.get(name) or "")) for name in ("ActivityId", "Description", "Cause")]
    return Activity(texts[0], at, texts[1], texts[2])
