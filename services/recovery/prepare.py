"""Looks at what a migration would run with, and plans it."""

from dataclasses import dataclass, replace

from contracts.base import Target
from contracts.policy import ServicePolicy
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._chassis.policies import Policies
from services.recovery.domain.ecs_service import live_deployment
from services.recovery.domain.migration.database import remarks
from services.recovery.domain.migration.migration import Migration
from services.recovery.domain.migration.migration_plan import (
    NotPrepared,
    Prepared,
    Seen,
    ServiceFacts,
    plan_migration,
    tags_to_look_up,
)
from services.recovery.ports.service import Ecs, Images
from services.recovery.take_turns import listed


@dataclass(frozen=True, slots=True)
class MigrationPlanner:
    ecs: Ecs
    images: Images
    policies: Policies

    async def plan(self, target: Target, asked: Migration, policy: ServicePolicy) -> Prepared | NotPrepared:
        """Return what would run, or why nothing may. Raise ``AwsError`` where ECS does not say what there is."""
        service = await self.ecs.service(target)
        if service is None:
            return NotPrepared("the service is not there")
        version = str(live_deployment(service)["taskDefinition"])
        if not version:
            return NotPrepared("ECS does not say which task definition the service runs")
        live = await self.ecs.task_definition(target, version)
        if live is None:
            raise AwsError("ECS does not know the task definition that is live")
        base = live if asked.task_definition is None else await self.ecs.task_definition(target, asked.task_definition)
        if base is None:
            return NotPrepared(f"there is no task definition {asked.task_definition}")
        tags = tags_to_look_up(base, asked)
        of_live = asked.task_definition is None
        seen = Seen(
            service=service,
            facts=_facts(EcsService(service)),
            live=live,
            base=base,
            digests=await self.ecs.digests(target, service) if of_live else {},
            tagged={tag: await self.images.digest(target, tag) for tag in tags},
        )
        found = plan_migration(seen, asked, policy.change, target.region, asked.overridden)
        if isinstance(found, NotPrepared):
            return found
        warnings = (*found.plan.warnings, *remarks(listed(self.policies), policy))
        return replace(found, plan=found.plan.model_copy(update={"warnings": warnings}))


def _facts(service: EcsService) -> ServiceFacts:
    return ServiceFacts(
        serving=frozenset(balancer.container for balancer in service.balancers),
        on_fargate=service.on_fargate,
        on_spot="FARGATE_SPOT" in service.capacity_providers,
        rolling_out=service.rolling_out,
        deletion=service.being_deleted or "",
    )
