"""What the validator needs of the outside. Where AWS or the wire fails, the answer is ``Unknown`` with a sentence."""

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
        """``Absent`` also while it is being deleted: then nothing can be deployed, and nothing is proven."""
        ...

    async def task_definition(self, target: Target, name: str) -> TaskDefinition | Absent | Unknown:
        """``family``, ``family:revision`` or an ARN."""
        ...


class Images(Protocol):
    """The registries that can be asked: ECR, in the region of the target."""

    async def image(self, target: Target, reference: Reference) -> Image | Absent | Outside | Unknown: ...


class Applications(Protocol):
    """Where users reach a service, and what its policy has sent with each request."""

    async def address(
        self, target: Target, application: Application, target_groups: tuple[str, ...]
    ) -> Address | Absent | Unknown: ...

    async def headers(self, target: Target, application: Application) -> dict[str, SecretStr] | Unknown: ...


class Http(Protocol):
    """The one who sends requests."""

    async def get(self, address: Address, path: str, timeout: float) -> Attempt:  # noqa: ASYNC109  of the socket, in real seconds
        """One attempt: GET, redirects within the host followed, the body read to a bound and thrown away."""
        ...


class SuiteRunner(Protocol):
    """The one who runs tests."""

    async def run(
        self, address: Address, tests: Tests, suites: Collection[Suite], deadline: float
    ) -> tuple[TestResult, ...]:
        """Run the suites, smoke first, until ``deadline`` (product time, epoch seconds).

        What there was no time for is returned without attempts; what a failed smoke test made pointless is not
        returned at all.
        """
        ...
