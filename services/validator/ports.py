"""What the validator needs of the outside. Where AWS or the wire fails, the answer is ``Unknown`` with a sentence."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from contracts.base import Target
from contracts.validator import Suite
from services.validator.domain.facts import Absent, Image, LiveService, Outside, TaskDefinition, Unknown
from services.validator.domain.judge import Attempt, Tried
from services.validator.domain.reference import Reference


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service's requests go."""

    url: str
    """``http://host:port``, without a path."""
    host: str | None = None
    """The Host header that the load balancer's rule asks for."""
    certified: bool = False
    """Whether the host's certificate has to be right: not where a load balancer is called by its own name,
    which no certificate of its owner carries."""


class Services(Protocol):
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


class Balancers(Protocol):
    """What stands before a service."""

    async def address(self, target: Target, target_groups: tuple[str, ...]) -> Address | Absent | Unknown: ...


class Http(Protocol):
    """The one who sends requests."""

    async def get(self, address: Address, path: str, timeout: float) -> Attempt:  # noqa: ASYNC109  of the socket, in real seconds
        """One attempt: GET, redirects within the host followed, the body read to a bound and thrown away."""
        ...


class Probes(Protocol):
    """The one who runs tests."""

    async def run(self, address: Address, suites: Collection[Suite], deadline: float) -> tuple[Tried, ...]:
        """Run the suites, smoke first, until ``deadline`` (product time, epoch seconds).

        What there was no time for is returned without attempts; what a failed smoke test made pointless is not
        returned at all.
        """
        ...
