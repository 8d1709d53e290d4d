"""The port ``LoadBalancers``: what the kit reads of Elastic Load Balancing, as health sees it."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.base import Target
from services._aws import load_balancers
from services._aws.reach import Reach
from services._chassis.aws import Aws
from services.health.domain.observed import TargetHealth


@dataclass(frozen=True, slots=True)
class AwsLoadBalancers:
    aws: Aws

    async def targets(self, target: Target, groups: Sequence[str]) -> tuple[TargetHealth, ...]:
        return tuple(
            TargetHealth(found.group, found.address, found.state, found.reason)
            for found in await load_balancers.target_health(self.aws, target, groups)
        )

    async def reach(self, target: Target, groups: Sequence[str]) -> Reach:
        return await load_balancers.find_reach(self.aws, target, groups)
