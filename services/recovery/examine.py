"""Looks at a service that is to be scaled, or deployed once more in a drill, as far as AWS lets it be seen in time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from contracts.base import Target
from contracts.policy import ServicePolicy
from services._aws.body import epoch
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._aws.optional_reads import OptionalReads
from services._chassis.clock import Clock
from services.recovery.domain.change import Body
from services.recovery.domain.drill.drill_plan import Live, moves
from services.recovery.domain.ecs_service import live_deployment
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.scaling.scale_plan import RECENT_SECONDS, Autoscaler, DatabaseRoom, Seen
from services.recovery.domain.snapshots.snapshot import why_not_kept
from services.recovery.inspect import Inspect
from services.recovery.ports.scaling import Autoscaling, Room
from services.recovery.ports.service import Ecs, Images

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ScalingExaminer:
    ecs: Ecs
    autoscaling: Autoscaling
    room: Room
    clock: Clock
    reads: Callable[[], OptionalReads] = OptionalReads

    async def examine(self, target: Target, policy: ServicePolicy) -> Seen | None:
        """Return what is there; None if the service does not exist. Raise ``AwsError`` where ECS does not say."""
        body = await self.ecs.service(target)
        if body is None:
            return None
        service, reads, unread = EcsService(body), self.reads(), dict[str, str]()

        async def read(check: str, name: str, question: Callable[[], Awaitable[T]]) -> T | None:
            found = await reads.read(name, question)
            if isinstance(found, AwsError):
                unread[check] = str(found).rstrip(".")
                return None
            return found

        scaler, addresses, database = await asyncio.gather(
            read("limits_known", "DescribeScalableTargets", lambda: self.autoscaling.autoscaler(target)),
            read("free_addresses", "DescribeSubnets", lambda: self._addresses(target, service)),
            read("database_headroom", "GetMetricData", lambda: self._database(target, policy)),
        )
        return self._seen(body, scaler, addresses, database, unread)

    async def _addresses(self, target: Target, service: EcsService) -> int | None:
        return await self.room.free_addresses(target, service.subnets) if service.subnets else None

    async def _database(self, target: Target, policy: ServicePolicy) -> DatabaseRoom | None:
        instance = policy.monitoring.database
        return await self.room.database(target, instance) if instance else None

    def _seen(
        self,
        body: Body,
        scaler: Autoscaler | None,
        addresses: int | None,
        database: DatabaseRoom | None,
        unread: dict[str, str],
    ) -> Seen:
        service, since = EcsService(body), self.clock.now() - RECENT_SECONDS
        recent = (event.message for event in service.events if event.created_at is None or event.created_at > since)
        return Seen(
            desired=service.desired,
            running=service.running,
            daemon=service.is_daemon,
            deletion=service.being_deleted or "",
            rolling_out=service.rolling_out,
            deployed_at=_deployments(service),
            spot_only=service.capacity_providers == {"FARGATE_SPOT"},
            messages=tuple(recent),
            autoscaler=scaler,
            free_addresses=addresses,
            database=database,
            unread=unread,
        )


@dataclass(frozen=True, slots=True)
class DrillExaminer:
    """Looks at a service that is to be deployed once more."""

    ecs: Ecs
    images: Images
    inspect: Inspect
    clock: Clock

    async def live(self, target: Target) -> Live | None:
        """Return what is live; None where there is no service. Raise ``AwsError`` where ECS does not say it all."""
        body = await self.ecs.service(target)
        if body is None:
            return None
        service, primary = EcsService(body), live_deployment(body)
        definition = await self.ecs.task_definition(target, str(primary["taskDefinition"])) or {}
        drift = await self.inspect.drift(target)
        deployed_at = epoch(primary.get("createdAt"))
        return Live(
            deployment_id=str(primary["id"]),
            version=str(primary["taskDefinition"]).rpartition("/")[2],
            desired=service.desired,
            pace=await self.ecs.pace(target, body, definition),
            drift=drift,
            snapshot_age=await self._age_of(target, drift.snapshot_id),
            age=None if deployed_at is None else max(0.0, self.clock.now() - deployed_at),
            rolling_out=service.rolling_out,
            daemon=service.is_daemon,
            obstacle=_clause(service.being_deleted or why_not_kept(body) or ""),
            moving=await self._moving(target, body, definition),
        )

    async def _age_of(self, target: Target, snapshot_id: str) -> float | None:
        protection = await self.inspect.store.read(key_of(target), Protection)
        taken = (entry.taken_at for entry in protection.snapshots if entry.snapshot_id == snapshot_id)
        taken_at = next(taken, None)
        return None if taken_at is None else self.clock.now() - taken_at.timestamp()

    async def _moving(self, target: Target, body: Body, definition: Body) -> tuple[str, ...]:
        """Return a clause for each image that a new task may run in another form than those that run."""
        containers = definition.get("containerDefinitions") or []
        tagged = [(str(each["name"]), str(each["image"])) for each in containers if "@" not in str(each["image"])]
        if not containers:
            return ("ECS does not know the task definition that is live any more",)
        if not tagged:
            return ()
        runs = await self.ecs.digests(target, body)
        names = await asyncio.gather(*(self.images.digest(target, image) for _, image in tagged))
        found = (moves(name, image, runs.get(name), now) for (name, image), now in zip(tagged, names, strict=True))
        return tuple(filter(None, found))


def _clause(sentence: str) -> str:
    text = sentence.rstrip(".")
    return f"{text[:1].lower()}{text[1:]}"


def _deployments(service: EcsService) -> tuple[float, ...]:
    """Return when deployments began or were completed, as far as ECS tells it here (service event messages)."""
    began = service.primary.created_at if service.primary else None
    completed = (event.created_at for event in service.events if "deployment completed" in event.message)
    return tuple(at for at in (began, *completed) if at is not None)
