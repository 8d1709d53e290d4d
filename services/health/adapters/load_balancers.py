"""The port ``LoadBalancers``: what the kit reads of Elastic Load Balancing, as health sees it."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.base import Target
from services._aws import load_balancers
from services._aws.errors import Missing
from services._chassis.aws import Aws
from services.health.domain.observed import PublicEndpoint, TargetHealth


@dataclass(frozen=True, slots=True)
class AwsLoadBalancers:
    aws: Aws

    async def targets(self, target: Target, groups: Sequence[str]) -> tuple[TargetHealth, ...]:
        return tuple(
            TargetHealth(found.group, found.address, found.state, found.reason)
            for found in await load_balancers.target_health(self.aws, target, groups)
        )

    async def endpoint(self, target: Target, groups: Sequence[str]) -> PublicEndpoint | None:
        found = await load_balancers.find_public_endpoint(self.aws, target, groups)
        if isinstance(found, Missing):
            return None
        return PublicEndpoint(
            url=found.url,
            host=found.host,
            load_balancer=found.load_balancer_dimension if found.counts_requests else None,
            target_group=found.target_group_dimension,
        )
