"""The simulated AWS of one scenario under a virtual clock, whoever deploys there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from sandbox.aws.accounts import REGION
from sandbox.aws.server.in_process import InProcessAws, application_of
from sandbox.aws.server.incidents import Impossible
from sandbox.aws.world.conditions import Conditions
from sandbox.scenarios.model import Scenario
from sandbox.virtual.aws import InProcessConnection
from sandbox.virtual.clock import LoopClock
from sandbox.virtual.http import Transport
from sandbox.virtual.loop import VirtualLoop
from services._chassis.tasks import end
from surefoot.rehearsal.actors import OutsideActors

T = TypeVar("T")
Watch = Callable[[InProcessAws], None]
"""Called after each step in time."""
Prepare = Callable[["Stage"], Awaitable[None]]
"""What else is to be done before the request; incidents are counted from its end."""

MONDAY = 1_767_571_200.0
"""2026-01-05 00:00 UTC."""
WORLD_SECONDS = 1.0
"""Product seconds between two steps of the simulated AWS; each call makes a step, too."""
PORT = 80


@dataclass(frozen=True, slots=True)
class Stage:
    scenario: Scenario
    loop: VirtualLoop
    clock: LoopClock
    aws: InProcessAws
    connection: InProcessConnection
    transport: Transport

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it to its end. Raise ``Impossible`` where an incident of the scenario cannot happen."""
        try:
            return self.loop.run_until_complete(work)
        except ExceptionGroup as group:
            raise _first(Impossible, group) or group from group
        finally:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()

    @asynccontextmanager
    async def under_way(self, watch: Watch | None = None, prepare: Prepare | None = None) -> AsyncIterator[float]:
        """Prepare the scenario's world, and let its time pass and its incidents happen meanwhile.

        Yield the product time, in epoch seconds, from which incidents are counted.
        """
        world = self.scenario.world
        actors = OutsideActors(self.aws, self.connection, self.scenario.name)
        async with asyncio.TaskGroup() as beside:
            passing = beside.create_task(self._let_pass(watch))
            await actors.prepare(world)
            if prepare is not None:
                await prepare(self)
            self.aws.calls.clear()
            begun = self.clock.now()
            happening = beside.create_task(actors.happen(world.happenings))
            yield begun
            await end([passing, happening])

    async def _let_pass(self, watch: Watch | None) -> None:
        while True:
            await self.clock.sleep(WORLD_SECONDS)
            self.aws.world.step(self.clock.now())
            if watch is not None:
                watch(self.aws)


@contextmanager
def staged(scenario: Scenario, seed: int) -> Iterator[Stage]:
    """Open the simulated AWS, with the scenario's image in its registry."""
    loop = VirtualLoop()
    clock = LoopClock(loop, MONDAY + scenario.world.hour * 3600)
    conditions = Conditions(scenario.world.traffic)
    # calls take no time here, so throttling them by the second would mean nothing
    aws = InProcessAws(clock.now, seed=seed, history_days=scenario.world.history_days, conditions=conditions, lags=True)
    with closing(aws):
        aws.world.registry.push(scenario.name, scenario.image)
        front = aws.open("http://aws.sandbox", "application.sandbox", [PORT])
        transport = Transport({PORT: application_of(aws, 0)}, aws.world.registry.blobs)
        yield Stage(scenario, loop, clock, aws, InProcessConnection(REGION, front), transport)


def _first(kind: type[Exception], group: ExceptionGroup) -> Exception | None:
    """Return the first exception of a kind in a group of groups; None where there is none."""
    found: Exception | None = group.subgroup(kind)
    while isinstance(found, ExceptionGroup):
        found = found.exceptions[0]
    return found
