"""What health needs from outside. When AWS does not answer, the methods raise ``AwsError`` with a sentence."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from pydantic import SecretStr

from contracts.base import Target
from contracts.monitor import DependencyFault
from contracts.policy import Application
from services._aws.reach import Counted, Reach
from services._chassis.web import Address
from services.health.domain.observed import (
    Answer,
    Evidence,
    Measurements,
    NotObserved,
    Rollout,
    Service,
    StoppedTask,
    TargetHealth,
)
from services.health.domain.watch.memory import Memory, Observed


class Databases(Protocol):
    """RDS."""

    async def fault(self, target: Target, instance: str, now: float) -> DependencyFault | None:
        """Return what is wrong with an instance in the target's account and region. Raise ``AwsError``."""
        ...


class Ecs(Protocol):
    """Every method raises ``AwsError``."""

    async def service(self, target: Target) -> Service | None:
        """Return the service, also while it is being deleted; None when it is not there."""
        ...

    async def stopped_tasks(self, target: Target) -> tuple[StoppedTask, ...]:
        """Return the service's tasks that stopped within the last hour or so, at most 100, oldest first."""
        ...

    async def rollout(self, target: Target, arn: str) -> Rollout | None:
        """Return how a service deployment went; None when ECS has forgotten it."""
        ...


class LoadBalancers(Protocol):
    """Every method raises ``AwsError``."""

    async def targets(self, target: Target, groups: Sequence[str]) -> tuple[TargetHealth, ...]:
        """Return the health of what is registered in the target groups with these ARNs."""
        ...

    async def reach(self, target: Target, groups: Sequence[str]) -> Reach:
        """Return where users reach what is in these target groups."""
        ...


class Metrics(Protocol):
    async def measure(self, target: Target, counted: Counted | None, now: float) -> Measurements:
        """Return the last five full minutes before ``now`` (epoch seconds). Raise ``AwsError``."""
        ...


class Applications(Protocol):
    async def headers(self, target: Target, application: Application) -> Mapping[str, SecretStr]:
        """Return the headers that the policy wants sent with each request to the application. Raise ``AwsError``."""
        ...

    async def get(self, address: Address, path: str) -> Answer | NotObserved | None:
        """Send one request; return ``NotObserved`` when no connection can be made.

        None where the application cannot be asked from here: no connection to an internal load balancer, or a
        redirect to another host, such as a login.
        """
        ...


class Examiner(Protocol):
    """Looks at everything that a score rests on. It never raises: what cannot be seen is ``NotObserved``."""

    async def __call__(self, target: Target, application: Application) -> Evidence: ...


class Observer(Protocol):
    async def __call__(self, target: Target, memory: Memory, now: float) -> Observed:
        """Take one look at the deployment that ``memory`` is about. Raise ``AwsError`` without ECS."""
        ...
