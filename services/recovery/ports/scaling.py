"""How many tasks a service may have, and what more of them need."""

from collections.abc import Sequence
from typing import Protocol

from contracts.base import Target
from services.recovery.domain.scaling.load import Load
from services.recovery.domain.scaling.scale_plan import Autoscaler, DatabaseRoom


class Autoscaling(Protocol):
    """Application Auto Scaling of one service. ``limit`` changes something: its callers look first."""

    async def autoscaler(self, target: Target) -> Autoscaler | None:
        """Return the service's scalable target; None if it has none."""
        ...

    async def limit(self, target: Target, low: int | None, high: int | None) -> None:
        """Set the limits of the scalable target; None leaves one as it is. All else of it stays."""
        ...


class Room(Protocol):
    """What more tasks need besides ECS."""

    async def free_addresses(self, target: Target, subnets: Sequence[str]) -> int:
        """Return how many addresses are free in these subnets together."""
        ...

    async def database(self, target: Target, instance: str) -> DatabaseRoom:
        """Return what an RDS instance is asked for now."""
        ...

    async def load(self, target: Target) -> Load:
        """Return what the service's tasks used in the last hours, minute by minute."""
        ...
