"""Looks at a service that is to be scaled, and at what surrounds it, as far as AWS lets it be seen in time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from contracts.base import Target
from contracts.policy import ServicePolicy
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._aws.optional_reads import OptionalReads
from services._chassis.clock import Clock
from services.recovery.domain.change import Body
from services.recovery.domain.scale_plan import RECENT_SECONDS, Autoscaler, DatabaseRoom, Seen
from services.recovery.ports import Autoscaling, Ecs, Room

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
            spot_only=service.capacity_providers == {"FARGATE_SPOT"},
            messages=tuple(recent),
            autoscaler=scaler,
            free_addresses=addresses,
            database=database,
            unread=unread,
        )
