"""Which version of a service a rollback can bring back: the last one that ECS has rolled out completely."""

from dataclasses import dataclass, field
from typing import Any

from contracts.base import Target
from services._aws.body import Body, epoch
from services._aws.ecs import digests_of, image_digests, last_completed_deployments, service_revisions
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError, Missing
from services._chassis.aws import Aws

_OF_SERVICE = ("taskDefinition", "loadBalancers", "serviceRegistries", "networkConfiguration")
_OF_DEPLOYMENT = ("taskDefinition", "serviceConnectConfiguration", "volumeConfigurations")
_CAPACITY = ("launchType", "capacityProviderStrategy")
"""Fields of a service revision, and where a service's description has them. The platform version is left out: a
revision names the one that ran, where the service says LATEST."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version that ECS has rolled out completely."""

    task_definition: str
    """ARN."""
    service: EcsService
    """The service as DescribeServices describes it, with the settings of this version."""
    live: bool = True
    """False: another version is being rolled out, or has failed to be."""
    digests: dict[str, str] = field(default_factory=dict)
    """Container name → digest of the image that ran; unknown digests are left out."""


async def last_completed_version(aws: Aws, target: Target, service: EcsService) -> Version | Missing:
    """Return the last version that ECS has rolled out completely; ``Missing`` where there never was one.

    That is the primary deployment if it is completed; else the target of the last service deployment that ended
    SUCCESSFUL, or the completed deployment that is being replaced: ECS forgets service deployments after 90 days.
    Raise ``AwsError`` where neither can be read.

    Source: Amazon ECS API reference, Deployment (``rolloutState``), ListServiceDeployments, DescribeServiceRevisions.
    """
    primary = service.primary
    if primary is None:
        return Missing("ECS lists no deployment of the service, since another controller deploys it")
    if not service.rolling_out and primary.rollout_state in {"COMPLETED", None}:
        return Version(primary.task_definition, service, digests=await image_digests(aws, target, service))
    replaced = next((older for older in service.deployments if _was_completed(older.status, older.rollout_state)), None)
    try:
        revision = await _last_successful_revision(aws, target)
    except AwsError:
        if replaced is None:
            raise
        revision = None
    if revision is not None:
        return Version(str(revision["taskDefinition"]), _as_it_was(service, revision), False, digests_of(revision))
    if replaced is not None:
        return Version(replaced.task_definition, _as_it_was(service, replaced.body), live=False)
    return Missing("no deployment of the service has ever been completed")


def _was_completed(status: str, rollout_state: str | None) -> bool:
    return status == "ACTIVE" and rollout_state in {"COMPLETED", None}


async def _last_successful_revision(aws: Aws, target: Target) -> Body | None:
    deployments = await last_completed_deployments(aws, target)
    newest = max(deployments, key=lambda found: epoch(found.body.get("finishedAt")) or 0.0, default=None)
    arn = newest.body.get("targetServiceRevisionArn") if newest is not None else None
    if arn is None:
        return None
    revisions = await service_revisions(aws, target, [arn])
    return revisions[0] if revisions and revisions[0].get("taskDefinition") else None


def _as_it_was(service: EcsService, revision: Body) -> EcsService:
    """Return the description of the service with the settings that a revision or a deployment of it had."""
    body: dict[str, Any] = {**service.body, **_some(revision, _OF_SERVICE)}
    if capacity := _some(revision, _CAPACITY):
        body = {key: value for key, value in body.items() if key not in _CAPACITY} | capacity
    body["deployments"] = [
        {key: value for key, value in deployment.items() if key not in _OF_DEPLOYMENT} | _some(revision, _OF_DEPLOYMENT)
        if deployment.get("status") == "PRIMARY"
        else deployment
        for deployment in service.body.get("deployments") or ()
    ]
    return EcsService(body)


def _some(body: Body, keys: tuple[str, ...]) -> Body:
    return {key: body[key] for key in keys if body.get(key)}
