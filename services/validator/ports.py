"""The ports of the validator. Where AWS or the network fails, they return ``Unknown`` with a sentence."""

from collections.abc import Collection
from typing import Protocol

from pydantic import SecretStr

from contracts.base import Target
from contracts.policy import Application, Tests
from contracts.validator import Suite
from services._chassis.web import Address
from services.validator.domain.facts import Absent, Image, LiveService, Outside, TaskDefinition, Unknown
from services.validator.domain.judge import Attempt, TestResult
from services.validator.domain.reference import Reference


class EcsServices(Protocol):
    """ECS."""

    async def service(self, target: Target) -> LiveService | Absent | Unknown:
        """Return the service; ``Absent`` also while it is being deleted, when nothing can be deployed or proven."""
        ...

    async def task_definition(self, target: Target, name: str) -> TaskDefinition | Absent | Unknown:
        """Return the task definition that ``name`` means: ``family``, ``family:revision`` or an ARN."""
        ...


class Images(Protocol):
    """The registries that can be read: ECR, in the region of the target."""

    async def image(self, target: Target, reference: Reference) -> Image | Absent | Outside | Unknown: ...


class Applications(Protocol):
    """The address at which users reach a service, and the headers that its policy adds to each request."""

    async def address(
        self, target: Target, application: Application, target_groups: tuple[str, ...]
    ) -> Address | Absent | Unknown: ...

    async def headers(self, target: Target, application: Application) -> dict[str, SecretStr] | Unknown: ...


class Http(Protocol):
    """Sends requests."""

    async def get(self, address: Address, path: str, timeout: float) -> Attempt:  # noqa: ASYNC109  it limits the socket, in real seconds
        """Send one GET request. Redirects within the host are followed; the body is read to a limit and discarded."""
        ...


class SuiteRunner(Protocol):
    """Runs tests."""

    async def run(
        self, address: Address, tests: Tests, suites: Collection[Suite], deadline: float
    ) -> tuple[TestResult, ...]:
        """Run the suites, smoke first, until ``deadline`` (product time, epoch seconds).

        A test that there was no time for is returned without attempts. The tests of a suite that a failed smoke test
        made pointless are not returned at all.
        """
        ...
