"""A snapshot: a service as AWS describes it, how it is kept and compared, and what of it is shown."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from contracts.base import Contract, Target
from contracts.policy import Recovery
from contracts.prose import Plain, Prose
from contracts.redact import redact
from services.recovery.domain.change import Body, pinned, registrable
from services.recovery.domain.ecs_service import live_deployment
from services.recovery.domain.protection import SnapshotEntry

HIDDEN = "[redacted]"
SnapshotId = Annotated[str, StringConstraints(pattern=r"^[0-9]{8}_[0-9]{6}(_[0-9a-f]{8})?$")]
Purpose = Literal["before-change", "after-change", "asked"]
_SECRET = re.compile(r"token|secret|password|passwd|credential|api[-_]?key|auth|dsn|url", re.IGNORECASE)


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
        body = registrable(self.task_definition)
        containers = [
            {**container, "image": pinned(container["image"], self.digests.get(container["name"]))}
            for container in body["containerDefinitions"]
        ]
        return {**body, "containerDefinitions": containers}

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


def why_not_kept(service: Mapping[str, Any]) -> str | None:
    """Return why UpdateService could not bring a service back, to be known before anything changes; None if it can."""
    controller = service.get("deploymentController", {}).get("type", "ECS")
    if controller != "ECS":
        return f"Its deployment controller is {controller}; Surefoot rolls back services that ECS itself deploys."
    strategy = service.get("deploymentConfiguration", {}).get("strategy", "ROLLING")
    if strategy != "ROLLING":
        return f"Its deployment strategy is {strategy}; Surefoot rolls back ROLLING deployments only."
    return None


def keep(
    index: Sequence[SnapshotEntry], needed: frozenset[str], now: datetime, recovery: Recovery
) -> tuple[tuple[SnapshotEntry, ...], tuple[SnapshotEntry, ...]]:
    """Return the entries that are kept and those that are deleted, each with the newest first.

    At most ``recovery.keep`` are kept, none older than ``recovery.retention_days``. Always kept are those that are
    ``needed`` (armed, being restored), the newest, and the newest proven one.
    """
    newest_first = sorted(index, key=lambda entry: (entry.taken_at, entry.snapshot_id), reverse=True)
    proven = next((entry.snapshot_id for entry in newest_first if entry.proven), None)
    safe = needed | {entry.snapshot_id for entry in newest_first[:1]} | ({proven} if proven else set())
    room = recovery.keep - sum(entry.snapshot_id in safe for entry in newest_first)
    oldest = now - timedelta(days=recovery.retention_days)
    kept, gone = [], []
    for entry in newest_first:
        if entry.snapshot_id in safe:
            kept.append(entry)
        elif room > 0 and entry.taken_at >= oldest:
            kept.append(entry)
            room -= 1
        else:
            gone.append(entry)
    return tuple(kept), tuple(gone)


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


def differences(snapshot: Snapshot, service: Mapping[str, Any], version: str) -> dict[str, tuple[Any, Any]]:
    """Return what UpdateService has to change: setting → (now, then). ``version`` is the task definition to run.

    The desired count is not among them: whoever scales the service, an autoscaler, a schedule or a person, has done so
    for a reason, and a DAEMON service has none.
    """
    found: dict[str, tuple[Any, Any]] = {}
    live = live_deployment(service)
    if live["taskDefinition"] != version:
        found["taskDefinition"] = live["taskDefinition"], version
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


def scrub(value: Any, name: str = "") -> Any:
    """Return ``value`` as it may be shown: environment values, and whatever is named like a secret, are hidden."""
    if isinstance(value, Mapping):
        return {key: scrub(part, key) for key, part in value.items()}
    if isinstance(value, list | tuple):
        if name == "environment":
            return [{**pair, "value": HIDDEN} if isinstance(pair, Mapping) else HIDDEN for pair in value]
        return [scrub(part, name) for part in value]
    return HIDDEN if isinstance(value, str) and _SECRET.search(name) else value


def view(snapshot: Snapshot, *, proven: bool) -> dict[str, Any]:
    """Return what the API shows of a snapshot: named fields only, so that no secret is shown by accident."""
    service = snapshot.service
    return {
        "snapshot_id": snapshot.snapshot_id,
        "taken_at": snapshot.taken_at,
        "run_id": snapshot.run_id,
        "purpose": snapshot.purpose,
        "actor": snapshot.actor,
        "reason": snapshot.reason,
        "proven": proven,
        "task_definition": snapshot.version,
        "containers": [
            {
                "name": container["name"],
                "image": redact(pinned(container["image"], snapshot.digests.get(container["name"]))),
                "environment": dict.fromkeys((pair["name"] for pair in container.get("environment", ())), HIDDEN),
                "secrets": sorted(pair["name"] for pair in container.get("secrets", ())),
            }
            for container in snapshot.task_definition["containerDefinitions"]
        ],
        "desired_count": service.get("desiredCount"),
        "deployment_configuration": scrub(service.get("deploymentConfiguration", {})),
        "network_configuration": scrub(service.get("networkConfiguration", {})),
        "load_balancers": scrub(service.get("loadBalancers", [])),
        "scaling": [
            {"min": scalable.get("MinCapacity"), "max": scalable.get("MaxCapacity")}
            for scalable in snapshot.surroundings.get("scalable_targets", ())
        ],
        "unknown": list(snapshot.unknown),
    }
