"""The ports of the validator.

Where AWS or the network fails, they return ``Unknown`` with a sentence, unless they say that they raise ``AwsError``.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from contracts.base import Target
from contracts.image_reference import Reference
from contracts.monitor import DependencyFault
from contracts.policy import Application
from contracts.policy_tests import HttpTest, Tests
from contracts.rollout_pace import RolloutPace
from contracts.validator import Suite
from services._chassis.web import Address
from services.validator.domain.facts import Absent, Image, LiveService, NotAsked, Outside, TaskDefinition, Unknown
from services.validator.domain.results import Attempt, TestResult
from services.validator.domain.way_back import WayBack

Addresses = Mapping[str, Address | NotAsked]
"""Path → where a GET of it is sent."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How users reach a service."""

    addresses: Addresses
    instead: tuple[HttpTest, ...] = ()
    """Tests of the service's own health checks, if none of the paths that were asked about leads to it."""


class EcsServices(Protocol):
    """ECS."""

    async def service(self, target: Target) -> LiveService | Absent | Unknown:
        """Return the service; ``Absent`` also while it is being deleted, when nothing can be deployed or proven."""
        ...

    async def task_definition(self, target: Target, name: str) -> TaskDefinition | Absent | Unknown:
        """Return the task definition that ``name`` means: ``family``, ``family:revision`` or an ARN."""
        ...


class Images(Protocol):
    """The registries that can be read: ECR, of every account that allows it and in every region."""

    async def image(self, target: Target, reference: Reference) -> Image | Absent | Outside | Unknown: ...

    async def digest(self, target: Target, reference: Reference) -> str | Absent | Outside | Unknown:
        """Return the image's digest, without looking at what it runs on."""
        ...


class Rollouts(Protocol):
    """What a deployment of a service depends on, forth and back."""

    async def way_back(self, target: Target) -> WayBack | Absent | Unknown:
        """Return the last version that ECS rolled out completely; ``Absent`` where there never was one."""
        ...

    async def pace(self, target: Target, task_definition: str | None) -> RolloutPace | None:
        """Return how fast ECS rolls a task definition out to the service; None where it does not describe the service.

        Without a name it is the task definition that the service runs.
        """
        ...

    async def target_types(self, target: Target, groups: tuple[str, ...]) -> Mapping[str, str]:
        """Return ARN of a target group → its target type; those that cannot be read are left out."""
        ...


class Applications(Protocol):
    """Where users reach a service, and the headers that its policy adds to each request."""

    async def headers(self, target: Target, application: Application) -> dict[str, SecretStr] | Unknown: ...

    async def ways(
        self,
        target: Target,
        application: Application,
        target_groups: tuple[str, ...],
        paths: Collection[str],
        headers: Mapping[str, SecretStr],
    ) -> Ways | Unknown:
        """Return for each path where a request is sent so that the service answers it, with these headers."""
        ...


class Databases(Protocol):
    """RDS."""

    async def fault(self, target: Target, instance: str, now: float) -> DependencyFault | None:
        """Return what is wrong with an instance in the target's account and region. Raise ``AwsError``."""
        ...


class Http(Protocol):
    """Sends requests."""

    async def get(self, address: Address, path: str, timeout: float) -> Attempt:  # noqa: ASYNC109  it limits the socket, in real seconds
        """Send one GET request. Redirects within the host are followed; the body is read to a limit and discarded."""
        ...


class SuiteRunner(Protocol):
    """Runs tests."""

    async def run(
        self,
        addresses: Addresses,
        tests: Tests,
        suites: Collection[Suite],
        deadline: float,
        go_on: Callable[[tuple[TestResult, ...]], bool],
    ) -> tuple[TestResult, ...]:
        """Run the suites, smoke first, until ``deadline`` (product time, epoch seconds).

        A test that there was no time for is returned without attempts. ``go_on`` is asked about the smoke tests; where
        they make the other suites pointless, the tests of these are not returned at all.
        """
        ...

    async def repeat(
        self, addresses: Addresses, tests: Tests, results: Collection[TestResult], deadline: float
    ) -> tuple[TestResult, ...]:
        """Send these tests again, by turns and each without a second attempt, and return each request as a result."""
        ...
