"""A snapshot: a service as AWS describes it, how it is kept and compared, and what of it is shown."""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from contracts.base import Contract, Target
from contracts.prose import Plain, Prose
from contracts.schema_status import SchemaStatus
from services.recovery.domain.change import Body, pinned_definition
from services.recovery.domain.ecs_service import live_deployment

_ID = re.compile(r"[0-9]{8}_[0-9]{6}(_[0-9a-f]{8})?")
SnapshotId = Annotated[str, StringConstraints(pattern=rf"^{_ID.pattern}$")]
Purpose = Literal["before-change", "after-change", "asked"]


class Snapshot(Contract):
    """Everything that is needed to bring the service back. It has plain environment values, which are secret."""

    schema_version: int = 1
    snapshot_id: SnapshotId
    target: Target
    taken_at: datetime
    run_id: str | None = None
    purpose: Purpose
    service: Body
    """The service as DescribeServices returns it."""
    task_definition: Body
    """Its task definition as DescribeTaskDefinition returns it, with its tags."""
    digests: dict[str, str] = Field(default_factory=dict)
    """Container name → ``sha256:…`` of the image that ran."""
    surroundings: dict[str, Any] = Field(default_factory=dict)
    """Load balancing, scaling and network around the service."""
    revision: Body = Field(default_factory=dict)
    """Its service revision as DescribeServiceRevisions returns it; empty in a snapshot of a version before, and where
    ECS tells none."""
    database: SchemaStatus | None = None
    """What the application told of its database's schema; None in a snapshot of a version before."""
    unknown: tuple[str, ...] = ()
    """A sentence for each part that could not be read."""
    actor: Plain = ""
    """The person or service that asked for it; empty in a snapshot of version 0.1.0."""
    reason: Prose = ""

    @property
    def version(self) -> str:
        """Return the ARN of the task definition."""
        return str(self.task_definition["taskDefinitionArn"])

    @property
    def pinned_definition(self) -> Body:
        """Return the task definition as it is registered again, with each image by the digest that ran."""
        return pinned_definition(self.task_definition, self.digests)

    @property
    def tagged_images(self) -> dict[str, str]:
        """Return image by tag → the digest that ran, for the images whose tag another push can move."""
        return {
            container["image"]: self.digests[container["name"]]
            for container in self.task_definition["containerDefinitions"]
            if "@" not in container["image"] and container["name"] in self.digests
        }


def new_id(now: datetime, job: str) -> str:
    """Return ``YYYYMMDD_HHMMSS_`` and eight digits of the job's hash.

    Two snapshots in the same second have different ids; a retry has the same one.
    """
    return f"{now:%Y%m%d_%H%M%S}_{hashlib.sha256(job.encode()).hexdigest()[:8]}"


def taken_by_name(snapshot_id: str) -> datetime | None:
    """Return when a snapshot of this id was begun; None for what is no snapshot's id."""
    if not _ID.fullmatch(snapshot_id):
        return None
    try:
        return datetime.strptime(snapshot_id[:15], "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def why_not_kept(service: Mapping[str, Any]) -> str | None:
    """Return why UpdateService could not bring a service back, to be known before anything changes; None if it can."""
    controller = service.get("deploymentController", {}).get("type", "ECS")
    if controller != "ECS":
        return f"Its deployment controller is {controller}; Surefoot rolls back services that ECS itself deploys."
    strategy = service.get("deploymentConfiguration", {}).get("strategy", "ROLLING")
    if strategy != "ROLLING":
        return f"Its deployment strategy is {strategy}; Surefoot rolls back ROLLING deployments only."
    return None


RESTORED_SETTINGS: dict[str, Any] = {
    "networkConfiguration": {},
    "platformVersion": "LATEST",
    "deploymentConfiguration": {},
    "healthCheckGracePeriodSeconds": 0,
    "loadBalancers": [],
    "serviceRegistries": [],
    "capacityProviderStrategy": [],
    "placementConstraints": [],
    "placementStrategy": [],
    "enableExecuteCommand": False,
    "enableECSManagedTags": False,
    "propagateTags": "NONE",
    "availabilityZoneRebalancing": "DISABLED",
}
"""Fields of the service that UpdateService sets → their value where DescribeServices returns none."""
OF_DEPLOYMENT = ("serviceConnectConfiguration", "volumeConfigurations")
"""Fields that UpdateService sets and DescribeServices returns with the primary deployment only."""


def version_alone(service: Mapping[str, Any], version: str) -> dict[str, tuple[Any, Any]]:
    """Return what UpdateService has to change for ``version`` (an ARN) alone to be live: setting → (now, then)."""
    live = live_deployment(service)["taskDefinition"]
    return {} if live == version else {"taskDefinition": (live, version)}


def differences(snapshot: Snapshot, service: Mapping[str, Any], version: str) -> dict[str, tuple[Any, Any]]:
    """Return what UpdateService has to change for all to be as in the snapshot: setting → (now, then).

    ``version`` is the task definition to run. The desired count is not among them: whoever scales the service, an
    autoscaler, a schedule or a person, has done so for a reason, and a DAEMON service has none.
    """
    found, live = version_alone(service, version), live_deployment(service)
    for name, default in RESTORED_SETTINGS.items():
        now, then = service.get(name, default), snapshot.service.get(name, default)
        if now != then:
            found[name] = now, then
    then_live = live_deployment(snapshot.service)
    for name in OF_DEPLOYMENT:
        now, then = live.get(name), then_live.get(name)
        if now != then and then is not None:
            found[name] = now, then
    return found


def left_alone(snapshot: Snapshot, service: Mapping[str, Any]) -> str:
    """Return a sentence, after a space, about a desired count that is not as in the snapshot; ``""`` where it is."""
    now, then = service.get("desiredCount"), snapshot.service.get("desiredCount")
    if now is None or then is None or now == then or service.get("schedulingStrategy") == "DAEMON":
        return ""
    return f" The desired count was left at {now}; the snapshot has {then}."


def by_hand(target: Target, version: str) -> str:
    """Return the sentence that tells a person how to bring a version (the ARN of a task definition) back."""
    where = f"--region {target.region} --cluster {target.cluster} --service {target.service}"
    return f"By hand: aws ecs update-service {where} --task-definition {version}"


def update_parameters(changes: Mapping[str, tuple[Any, Any]], version: str) -> dict[str, Any]:
    """Return the parameters of UpdateService.

    A new capacity provider strategy alone would start no deployment, so that one is forced.
    """
    parameters = {name: to for name, (_, to) in changes.items() if to != {}}
    if "capacityProviderStrategy" in parameters:
        parameters["forceNewDeployment"] = True
    return {"taskDefinition": version, **parameters}
