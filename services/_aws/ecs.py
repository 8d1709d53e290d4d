"""Reading ECS: is the service there, what deploys it, which tasks stopped, what its task definitions say."""

from collections.abc import Sequence
from typing import Any, Literal

from contracts.base import Target
from services._aws.body import Body, entries
from services._aws.ecs_deployments import ServiceDeployment
from services._aws.ecs_task import EcsTask
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError, Missing, reading, temporary_code
from services._aws.task_definition import EcsTaskDefinition
from services._chassis.aws import Aws
from services._chassis.clock import moment

DESCRIBED_TASKS = 100
"""How many tasks one DescribeTasks takes."""
DESCRIBED_DEPLOYMENTS = 20
"""How many service deployments one DescribeServiceDeployments takes."""
PAST_DEPLOYMENTS = 20
COMPLETED_DEPLOYMENTS = 5
"""How many completed deployments are looked at to learn how long they take."""
_NO_TASK_DEFINITION = frozenset({"ClientException", "InvalidParameterException"})
"""Error codes for a task definition that does not exist; ECS has no narrower code."""


async def find_service(aws: Aws, target: Target, *, tags: bool = False) -> EcsService | Missing:
    """Return a service, or ``Missing``. All of Surefoot decides here whether a service exists.

    ACTIVE: it is there. DRAINING: it is there and being deleted; it can be read until its last task has stopped,
    and takes no deployment any more (``EcsService.being_deleted``). INACTIVE, or MISSING in ``failures[]``, or a
    cluster that is not there: ``Missing``. Whatever else ECS says, or an empty answer, is an ``AwsError``, since it
    does not tell whether the service is there.

    Source: Amazon ECS API Reference, DeleteService (the statuses) and "API failure reasons".
    """
    more: dict[str, Any] = {"include": ["TAGS"]} if tags else {}
    try:
        with reading("ECS", "DescribeServices"):
            answer = await aws.at(target).call(
                "ecs", "describe_services", cluster=target.cluster, services=[target.service], **more
            )
    except AwsError as error:
        if error.code == "ClusterNotFoundException":
            return Missing(f"there is no cluster {target.cluster} in {target.account}/{target.region}")
        if error.code == "ServiceNotFoundException":
            return _never_there(target)
        raise
    return _found(target, answer)


def _found(target: Target, answer: Body) -> EcsService | Missing:
    services = [EcsService(body) for body in answer.get("services") or ()]
    there = next((service for service in services if service.status != "INACTIVE"), None)
    if there is not None:
        return there
    if services:
        return Missing(f"the service {target.service} in the cluster {target.cluster} is INACTIVE: it was deleted")
    reasons = sorted({str(failure.get("reason") or "unknown") for failure in answer.get("failures") or ()})
    if reasons == ["MISSING"]:
        return _never_there(target)
    code = next((reason for reason in reasons if reason != "MISSING"), "EmptyAnswer")
    raise AwsError(
        f"ECS did not describe the service {target.service}: {', '.join(reasons) or 'an empty answer'}",
        code=code,
        temporary=not reasons or temporary_code(code),
    )


def _never_there(target: Target) -> Missing:
    return Missing(f"there is no service {target.service} in the cluster {target.cluster}")


async def list_tasks(aws: Aws, target: Target, status: Literal["RUNNING", "STOPPED"]) -> tuple[EcsTask, ...]:
    """Return the service's tasks, at most ``DESCRIBED_TASKS``. ECS remembers a stopped task for an hour or so."""
    there = aws.at(target)
    with reading("ECS", "ListTasks"):
        arns = await there.pages(
            "ecs",
            "list_tasks",
            "taskArns",
            cluster=target.cluster,
            serviceName=target.service,
            desiredStatus=status,
        )
    if not arns:
        return ()
    with reading("ECS", "DescribeTasks"):
        answer = await there.call("ecs", "describe_tasks", cluster=target.cluster, tasks=arns[:DESCRIBED_TASKS])
    return tuple(map(EcsTask, answer.get("tasks") or ()))


async def stopped_tasks(aws: Aws, target: Target) -> tuple[EcsTask, ...]:
    """Return the tasks that have stopped, oldest first; those that are still stopping are left out."""
    stopped = [task for task in await list_tasks(aws, target, "STOPPED") if task.stopped_at is not None]
    return tuple(sorted(stopped, key=lambda task: task.stopped_at or 0.0))


async def find_task_definition(
    aws: Aws, target: Target, name: str, *, tags: bool = False
) -> EcsTaskDefinition | Missing:
    """Look a task definition up by ``family``, ``family:revision`` or ARN; ``body["tags"]`` only when asked for."""
    more: dict[str, Any] = {"include": ["TAGS"]} if tags else {}
    try:
        with reading("ECS", "DescribeTaskDefinition"):
            answer = await aws.at(target).call("ecs", "describe_task_definition", taskDefinition=name, **more)
    except AwsError as error:
        if error.code in _NO_TASK_DEFINITION:
            return Missing(f"there is no task definition {name}")
        raise
    body = answer["taskDefinition"]
    return EcsTaskDefinition({**body, "tags": answer.get("tags") or []} if tags else body)


async def newest_revisions(aws: Aws, target: Target, family: str, most: int) -> tuple[EcsTaskDefinition, ...]:
    """Return the ``most`` newest ACTIVE task definitions of a family, newest first, each with its tags."""
    with reading("ECS", "ListTaskDefinitions"):
        answer = await aws.at(target).call(
            "ecs", "list_task_definitions", familyPrefix=family, status="ACTIVE", sort="DESC", maxResults=most
        )
    found = [await find_task_definition(aws, target, arn, tags=True) for arn in answer.get("taskDefinitionArns") or ()]
    return tuple(definition for definition in found if isinstance(definition, EcsTaskDefinition))


async def service_deployments(aws: Aws, target: Target, since: float) -> tuple[ServiceDeployment, ...]:
    """Return the service deployments that began after ``since`` (epoch seconds), newest first."""
    listed = await _listed(aws, target, DESCRIBED_DEPLOYMENTS, createdAt={"after": moment(since)})
    arns = [deployment["serviceDeploymentArn"] for deployment in listed]
    found = await _described(aws, target, arns) if arns else ()
    return tuple(sorted(found, key=lambda deployment: deployment.created_at or 0.0, reverse=True))


async def last_completed_deployments(aws: Aws, target: Target) -> tuple[ServiceDeployment, ...]:
    """Return the last service deployments that ended SUCCESSFUL, in AWS's order, ``COMPLETED_DEPLOYMENTS`` at most."""
    return tuple(map(ServiceDeployment, await _listed(aws, target, COMPLETED_DEPLOYMENTS, status=["SUCCESSFUL"])))


async def past_deployments(aws: Aws, target: Target) -> tuple[ServiceDeployment, ...]:
    """Return the newest service deployments, however they ended, ``PAST_DEPLOYMENTS`` at most: ARN, times and status.

    ECS forgets them after 90 days (ECS API reference, ListServiceDeployments).
    """
    return tuple(map(ServiceDeployment, await _listed(aws, target, PAST_DEPLOYMENTS)))


async def _listed(aws: Aws, target: Target, most: int, **chosen: Any) -> Sequence[Any]:
    """Return the newest service deployments, ``most`` at most, as ECS lists them; ``chosen`` says which."""
    with reading("ECS", "ListServiceDeployments"):
        listed = await aws.at(target).call(
            "ecs",
            "list_service_deployments",
            cluster=target.cluster,
            service=target.service,
            maxResults=most,
            **chosen,
        )
    return listed.get("serviceDeployments") or ()


async def find_service_deployment(aws: Aws, target: Target, arn: str) -> ServiceDeployment | Missing:
    """Return a service deployment; ``Missing`` when ECS has forgotten it."""
    found = await _described(aws, target, [arn])
    return found[0] if found else Missing(f"ECS does not know the service deployment {arn} any more")


async def _described(aws: Aws, target: Target, arns: list[str]) -> tuple[ServiceDeployment, ...]:
    with reading("ECS", "DescribeServiceDeployments"):
        answer = await aws.at(target).call("ecs", "describe_service_deployments", serviceDeploymentArns=arns)
    return tuple(map(ServiceDeployment, answer.get("serviceDeployments") or ()))


async def service_revisions(aws: Aws, target: Target, arns: Sequence[str]) -> list[Body]:
    """Return the descriptions of service revisions, 20 at most; those that ECS has forgotten are left out."""
    with reading("ECS", "DescribeServiceRevisions"):
        answer = await aws.at(target).call("ecs", "describe_service_revisions", serviceRevisionArns=list(arns))
    found: list[Body] = answer.get("serviceRevisions") or []
    return found


async def image_digests(aws: Aws, target: Target, service: EcsService) -> dict[str, str]:
    """Return container name → digest of the image that the primary deployment runs; unknown digests are left out.

    The digests are those of the service revision; those that it lacks are taken from the running tasks. Raise
    ``AwsError`` where neither can be read: either will do.
    """
    if service.primary is None:
        return {}
    version = service.primary.task_definition
    try:
        of_revisions = await _of_revisions(aws, target, service, version)
    except AwsError:
        return await _of_tasks(aws, target, version)
    try:
        return await _of_tasks(aws, target, version) | of_revisions
    except AwsError:
        if not of_revisions:
            raise
        return of_revisions


async def _of_tasks(aws: Aws, target: Target, version: str) -> dict[str, str]:
    return {
        container.name: container.image_digest
        for task in await list_tasks(aws, target, "RUNNING")
        if task.task_definition == version
        for container in task.containers
        if container.image_digest
    }


async def current_revision(aws: Aws, target: Target, service: EcsService) -> Body:
    """Return the service revision of the primary deployment; an empty one where ECS tells none. Raise ``AwsError``."""
    if service.primary is None:
        return {}
    found = await _revisions_of(aws, target, service, service.primary.task_definition)
    return found[0] if found else {}


async def _of_revisions(aws: Aws, target: Target, service: EcsService, version: str) -> dict[str, str]:
    found = await _revisions_of(aws, target, service, version)
    return {name: digest for revision in found for name, digest in digests_of(revision).items()}


async def _revisions_of(aws: Aws, target: Target, service: EcsService, version: str) -> list[Body]:
    """Return the current service revisions that run a version (the ARN of a task definition)."""
    if not service.current_revisions:
        return []
    found = await service_revisions(aws, target, service.current_revisions[:20])
    return [revision for revision in found if revision.get("taskDefinition") == version]


def digests_of(revision: Body) -> dict[str, str]:
    """Return container name → digest of the image of a service revision; unknown digests are left out."""
    return {
        str(image["containerName"]): str(image["imageDigest"])
        for image in entries(revision, "containerImages")
        if image.get("containerName") and image.get("imageDigest")
    }
