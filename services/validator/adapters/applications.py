"""Finds the address to which a service's tests are sent, and the headers that go with them."""

from dataclasses import dataclass

from pydantic import SecretStr

from contracts.base import Target
from contracts.policy import Application
from services._aws.errors import AwsError, Missing
from services._aws.load_balancers import find_public_endpoint
from services._aws.secrets import Secrets
from services._chassis.aws import Aws
from services._chassis.web import Address, address_of
from services.validator.domain.facts import Absent, Unknown


@dataclass(frozen=True, slots=True)
class AwsApplications:
    aws: Aws
    secrets: Secrets

    async def address(
        self, target: Target, application: Application, target_groups: tuple[str, ...]
    ) -> Address | Absent | Unknown:
        if (known := address_of(application, None)) is not None:
            return known
        try:
            found = await find_public_endpoint(self.aws, target, target_groups)
        except AwsError as error:
            return Unknown(str(error))
        return Absent(found.why) if isinstance(found, Missing) else Address(found.url, found.host)

    async def headers(self, target: Target, application: Application) -> dict[str, SecretStr] | Unknown:
        try:
            return await self.secrets.headers(target, application)
        except AwsError as error:
            return Unknown(str(error))
