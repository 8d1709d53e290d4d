"""Rounds over all services: what begins them again and again, and which services they look at."""

from dataclasses import dataclass

from contracts.base import Target
from services._chassis.clock import Clock
from services._chassis.policies import Policies, why_not_governed
from services._chassis.store import Store
from services._chassis.transition import Job, decided


@dataclass(frozen=True, slots=True)
class Rounds:
    """Begins a round at the same times for all replicas, whichever comes first."""

    store: Store
    clock: Clock
    every: float
    """Product seconds from one round to the next."""
    kinds: tuple[str, ...]
    """The kinds of a round's jobs; the first one names the round."""

    async def run(self) -> None:
        while True:
            await self.clock.sleep(self.every)
            await self.once()

    async def once(self) -> None:
        first, *others = self.kinds
        name = f"{first}:{int(self.clock.now() // self.every)}"
        beside = (Job(f"{kind}:{name}", kind) for kind in others)
        await self.store.apply(decided(jobs=(Job(name, first), *beside)), cause=name)


def is_governed(policies: Policies, target: Target) -> bool:
    """Return whether the policy in force has anything to say of a service."""
    return not why_not_governed(policies, target)
