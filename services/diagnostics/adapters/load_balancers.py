"""The port ``LoadBalancers``: what the kit reads of Elastic Load Balancing, as diagnostics sees it."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.base import Target
from services._aws.load_balancers import target_health
from services._chassis.aws import Aws
from services.diagnostics.domain.evidence import TargetHealth


@dataclass(frozen=True, slots=True)
class AwsLoadBalancers:
    aws: Aws

    async def targets(self, target: Target, groups: Sequence[str]) -> tuple[TargetHealth, ...]:
        return tuple(
            TargetHealth(found.group, found.address, found.state, found.reason, found.description)
            for found in await target_health(self.aws, target, groups)
        )
