"""Finds the addresses to which a service's tests are sent, with the headers that go along."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from pydantic import SecretStr

from contracts.base import Target
from contracts.policy import Application
from contracts.policy_tests import HttpTest
from services._aws.errors import AwsError
from services._aws.load_balancers import find_reach
from services._aws.reach import Nowhere, Reach
from services._aws.secrets import Secrets
from services._chassis.aws import Aws
from services._chassis.web import Address
from services.validator.domain.facts import NotAsked, Unknown
from services.validator.ports import Ways


@dataclass(frozen=True, slots=True)
class AwsApplications:
    aws: Aws
    secrets: Secrets

    async def headers(self, target: Target, application: Application) -> dict[str, SecretStr] | Unknown:
        try:
            return await self.secrets.headers(target, application)
        except AwsError as error:
            return Unknown(str(error))

    async def ways(
        self,
        target: Target,
        application: Application,
        target_groups: tuple[str, ...],
        paths: Collection[str],
        headers: Mapping[str, SecretStr],
    ) -> Ways | Unknown:
        try:
            reach = await self._reach(target, application, target_groups)
        except AwsError as error:
            return Unknown(str(error))
        own = reach.own_paths(paths)
        addresses = {path: _with(reach.to(path), headers) for path in (*paths, *own)}
        return Ways(addresses, tuple(_tests(own)))

    async def _reach(self, target: Target, application: Application, target_groups: tuple[str, ...]) -> Reach:
        if application.url is not None:
            return Reach.at(application.url)
        return await find_reach(self.aws, target, target_groups)


def _tests(own: Mapping[str, frozenset[int]]) -> Iterator[HttpTest]:
    for path, statuses in own.items():
        with suppress(ValueError):  # a path or a status that no test can have
            yield HttpTest(name="health-check", path=path, expected=statuses, critical=True)


def _with(address: Address | Nowhere, headers: Mapping[str, SecretStr]) -> Address | NotAsked:
    if isinstance(address, Nowhere):
        return NotAsked(address.why, unread=address.unread)
    return address.with_secrets(headers) or NotAsked(
        "the policy's headers are not sent to a load balancer whose certificate cannot be checked: set application.url"
    )
