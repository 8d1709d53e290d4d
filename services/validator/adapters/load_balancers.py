"""Where a service's tests are sent: the listener that forwards to its target group."""

from dataclasses import dataclass

from contracts.base import Target
from services._aws.errors import AwsError, Missing
from services._aws.load_balancers import find_public_endpoint
from services._chassis.aws import Aws
from services.validator.domain.facts import Absent, Unknown
from services.validator.ports import Address


@dataclass(frozen=True, slots=True)
class AwsLoadBalancers:
    aws: Aws

    async def address(self, target: Target, target_groups: tuple[str, ...]) -> Address | Absent | Unknown:
        try:
            found = await find_public_endpoint(self.aws, target, target_groups)
        except AwsError as error:
            return Unknown(str(error))
        return Absent(found.why) if isinstance(found, Missing) else Address(found.url, found.host)
