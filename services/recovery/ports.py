"""The ports of recovery. Each call may raise ``AwsError``."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from contracts.base import Target
from contracts.policy import Application
from contracts.rollout_pace import RolloutPace
from contracts.schema_status import SchemaStatus
from services.recovery.domain.change import Body
from services.recovery.domain.fargate_room import Vcpus
from services.recovery.domain.image_expiry import Deletion
from services.recovery.domain.migration.migration import LogPlace, OneOff
from services.recovery.domain.migration.migration_end import Task
from services.recovery.domain.moves.facts import Activity, Deployed
from services.recovery.domain.moves.trail import Trail
from services.recovery.domain.outside.signs import ServiceTask
from services.recovery.domain.readiness import Need
from services.recovery.domain.recreation.recreate_parts import Part
from services.recovery.domain.recreation.recreate_plan import Found
from services.recovery.domain.rollback.observed import Targets
from services.recovery.domain.scaling.load import Load
from services.recovery.domain.scaling.scale_plan import Autoscaler, DatabaseRoom
from services.recovery.domain.snapshots.proof import ProvenSnapshot, StoredObject
from services.recovery.domain.snapshots.snapshot import Snapshot
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry


class Ecs(Protocol):
    """ECS, as its API describes it. ``register`` and ``update`` change something: their callers look first."""

    async def service(self, target: Target) -> Body | None:
        """Return the service with its tags, also while it is being deleted (DRAINING); None if it does not exist."""
        ...

    async def task_definition(self, target: Target, name: str) -> Body | None:
        """Return a task definition with its tags, by ``family``, ``family:revision`` or ARN; None if there is none."""
        ...

    async def revisions(self, target: Target, family: str) -> list[Body]:
        """Return the newest ACTIVE task definitions of a family, ten at most, the newest first."""
        ...

    async def digests(self, target: Target, service: Body) -> dict[str, str]:
        """Return container name → digest of the image that runs, without those whose digest is unknown."""
        ...

    async def way_back(self, target: Target, service: Body) -> tuple[Body, dict[str, str]]:
        """Return the service as its last completed version had it, and the digests of that version's images.

        That is the service as it is where it is completed, never was, or where ECS does not tell.
        """
        ...

    async def revision(self, target: Target, service: Body) -> Body:
        """Return the service revision of the version that ``service`` describes; an empty one where ECS tells none."""
        ...

    async def deployments(self, target: Target, since: float) -> list[Body]:
        """Return the descriptions of the service deployments created after ``since`` (epoch seconds), newest first."""
        ...

    async def service_revisions(self, target: Target, arns: Sequence[str]) -> list[Body]:
        """Return the descriptions of service revisions, 20 at most; those that ECS has forgotten are left out."""
        ...

    async def tasks(self, target: Target) -> list[ServiceTask]:
        """Return the service's tasks that run, and those that have stopped within the last hour or so."""
        ...

    async def pace(self, target: Target, service: Body, task_definition: Body) -> RolloutPace:
        """Return how fast the service rolls this task definition out."""
        ...

    async def register(self, target: Target, body: Body) -> str:
        """Register a task definition and return its ARN."""
        ...

    async def update(self, target: Target, parameters: dict[str, Any]) -> Body:
        """Call UpdateService and return the service."""
        ...


class Balancers(Protocol):
    async def targets(self, target: Target, service: Body) -> Targets | None:
        """Return the targets of the service's target groups; None if it has no group."""
        ...


class Surroundings(Protocol):
    async def around(self, target: Target, service: Body) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return load balancing, scaling and network, and a sentence for each part that could not be read."""
        ...

    async def watched(self, target: Target, service: Body, definition: Body) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return log groups, alarms, the dashboard and who lets the service in, and what could not be read."""
        ...


class Infrastructure(Protocol):
    """Everything of a service that is made again from a snapshot. ``make`` changes something: its callers look first.

    Ids and ARNs in a part are those that AWS has now.
    """

    async def find(self, target: Target, snapshot: Snapshot, part: Part) -> Found | None:
        """Return what is there under the part's name; None if nothing is."""
        ...

    async def make(self, target: Target, part: Part, token: str) -> str:
        """Make a part and return its id or ARN, or an empty text; the same call again makes no second one.

        ``token`` is the same for each try.
        """
        ...

    async def may_make(self, target: Target) -> bool | None:
        """Return whether AWS lets the role make a part, by a call that makes none; None: it does not say."""
        ...

    async def wanted_tasks(self, target: Target) -> int:
        """Return how many tasks a service wants; 0 where it is not there. Raise ``AwsError``."""
        ...

    async def needs(self, target: Target, snapshot: Snapshot, parts: Sequence[Part]) -> tuple[Need, ...]:
        """Return what is not made and must be there: cluster, load balancers, roles, … No error is raised."""
        ...


class Needs(Protocol):
    async def of(self, target: Target, snapshots: Sequence[Snapshot]) -> list[tuple[Need, ...]]:
        """Return what the version of each snapshot needs to start again. No error is raised."""
        ...


class Outlook(Protocol):
    """What may take a way back away before it is needed. No error is raised."""

    async def expiring(self, target: Target, snapshot: Snapshot) -> tuple[Deletion, ...]:
        """Return what lifecycle policies do with its images, or may do: sentences without a full stop."""
        ...

    async def vcpus(self, target: Target, *, spot: bool) -> Vcpus:
        """Return the quota of Fargate vCPUs, and how many are used; ``spot``: those of FARGATE_SPOT."""
        ...


class Autoscaling(Protocol):
    """Application Auto Scaling of one service. ``limit`` changes something: its callers look first."""

    async def autoscaler(self, target: Target) -> Autoscaler | None:
        """Return the service's scalable target; None if it has none."""
        ...

    async def limit(self, target: Target, low: int | None, high: int | None) -> None:
        """Set the limits of the scalable target; None leaves one as it is. All else of it stays."""
        ...


class Room(Protocol):
    """What more tasks need besides ECS."""

    async def free_addresses(self, target: Target, subnets: Sequence[str]) -> int:
        """Return how many addresses are free in these subnets together."""
        ...

    async def database(self, target: Target, instance: str) -> DatabaseRoom:
        """Return what an RDS instance is asked for now."""
        ...

    async def load(self, target: Target) -> Load:
        """Return what the service's tasks used in the last hours, minute by minute."""
        ...


class Movers(Protocol):
    """What shows who has changed a service. Nothing here is needed for any decision."""

    async def deployed(self, target: Target, service: Body, since: float) -> tuple[Deployed, ...]:
        """Return the deployments that began after ``since`` (epoch seconds), the oldest first."""
        ...

    async def activities(self, target: Target, since: float) -> tuple[Activity, ...]:
        """Return the newest scaling activities since then."""
        ...

    async def limits(self, target: Target) -> tuple[int, int] | None:
        """Return the limits of the service's scalable target; None if it has none."""
        ...

    async def trail(self, target: Target, service: Body, since: float) -> Trail:
        """Return the calls that CloudTrail tells, of all services of the account and region. No error is raised."""
        ...

    async def stack(self, target: Target, name: str) -> str:
        """Return the status of a stack of CloudFormation; empty where there is none of this name."""
        ...


class NotPlaced(Exception):
    """ECS has answered that it starts no task: it has no room or no addresses. The text is ECS's, cleaned."""


class OneOffTasks(Protocol):
    """Tasks beside a service. ``run`` and ``stop`` change something: their callers look first."""

    async def run(self, target: Target, task: OneOff, command: Sequence[str], token: str) -> str:
        """Start one task, on demand, and return its ARN; the same token again returns the same task.

        Raise ``NotPlaced``.
        """
        ...

    async def find(self, target: Target, family: str, token: str) -> Task | None:
        """Return the task of a family that was started with this token, also one that has stopped; None if none was."""
        ...

    async def task(self, target: Target, arn: str) -> Task | None:
        """Return a task; None if ECS has forgotten it, an hour or so after its end."""
        ...

    async def stop(self, target: Target, arn: str, reason: str) -> None: ...

    async def log(self, target: Target, place: LogPlace, arn: str, most: int) -> list[str]:
        """Return the last lines of a task's log, ``most`` at most, the oldest first, as the application wrote them."""
        ...


class Applications(Protocol):
    """The applications that the services run."""

    async def schema(self, target: Target, service: Body, application: Application) -> SchemaStatus:
        """Return what the application that serves tells of its database's schema, within seconds.

        No error is raised: what is not known is said by the status itself.
        """
        ...


class Images(Protocol):
    async def digest(self, target: Target, reference: str) -> str | None:
        """Return the digest that ``repository:tag`` names now; None if its registry cannot be read in time.

        No error is raised.
        """
        ...


class Objects(Protocol):
    """The backup bucket."""

    async def put(self, target: Target, snapshot_id: str, stored: StoredObject, *, again: bool = False) -> bool:
        """Store an object; return False if there is one already. ``again``: replace it."""
        ...

    async def get(self, target: Target, snapshot_id: str) -> StoredObject | None:
        """Return an object as it is now. Raise ``Unproven`` for one that is too large for a snapshot."""
        ...

    async def ids(self, target: Target) -> list[str]:
        """Return the names of all objects of a target, the highest first. Anybody may have put them there."""
        ...

    async def targets(self) -> list[Target]:
        """Return the targets of which there are objects, in the order of their names."""
        ...

    async def delete(self, target: Target, snapshot_id: str) -> None: ...


class Snapshots(Protocol):
    """The stored snapshots. ``index``: what the state of their target knows of them."""

    @property
    def own_key(self) -> str:
        """Return the id of the key that signs; empty where nothing is signed."""
        ...

    async def put(self, snapshot: Snapshot) -> ProvenSnapshot | None:
        """Store a snapshot; return None if one with this id is stored already."""
        ...

    async def get(self, target: Target, snapshot_id: str, index: Sequence[SnapshotEntry]) -> ProvenSnapshot | None:
        """Return a snapshot; None if there is none. Raise ``Unproven`` for one that must not be used."""
        ...

    async def adopt(self, target: Target, snapshot_id: str, index: Sequence[SnapshotEntry]) -> ProvenSnapshot | None:
        """Return a snapshot that has this service's signature from now on, where there are signatures.

        Raise ``Unproven``.
        """
        ...

    async def unindexed(self, target: Target, now: datetime, most: int) -> list[ProvenSnapshot]:
        """Return the newest snapshots, ``most`` at most, that are believed only while the index of the target is empty.

        None where signatures are demanded: those that are signed prove themselves.
        """
        ...

    async def ids(self, target: Target) -> list[str]:
        """Return the ids under which something is stored for a target, the newest first."""
        ...

    async def targets(self) -> list[Target]:
        """Return the targets of which something is stored, in the order of their names."""
        ...

    async def delete(self, target: Target, snapshot_id: str) -> None: ...
