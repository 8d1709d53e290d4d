"""What versions need of AWS to start again, read with the kit."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.base import Target
from services._aws.ecs_views import EcsService
from services._aws.needs import NeededBy, needs_of_versions
from services._aws.task_definition import EcsTaskDefinition
from services._chassis.aws import Aws
from services.recovery.domain.readiness import Need
from services.recovery.domain.snapshots.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class AwsNeeds:
    aws: Aws

    async def of(self, target: Target, snapshots: Sequence[Snapshot]) -> list[tuple[Need, ...]]:
        versions = [
            NeededBy(EcsService(snapshot.service), EcsTaskDefinition(snapshot.task_definition), snapshot.digests)
            for snapshot in snapshots
        ]
        return [
            tuple(Need(need.what, need.there, need.why, need.changed_at, need.free) for need in found)
            for found in await needs_of_versions(self.aws, target, versions)
        ]
