"""The simulated AWS of one scenario under a virtual clock, whoever deploys there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sandbox.aws.accounts import REGION
from sandbox.aws.server.gateway import Gateway
from sandbox.aws.server.in_process import InProcessAws
from sandbox.aws.server.incidents import Impossible
from sandbox.aws.workloads import COURT, Workload
from sandbox.scenarios.model import Scenario
from sandbox.virtual.aws import InProcessConnection, botocore_in_virtual_time
from sandbox.virtual.clock import LoopClock
from sandbox.virtual.http import Transport, transport_to
from sandbox.virtual.loop import VirtualLoop
from services._chassis.tasks import end
from surefoot.rehearsal.actors import OutsideActors

T = TypeVar("T")


class NeverEnds(Exception):
    """A rehearsed deployment came to no end; the text is a sentence."""


Watch = Callable[[InProcessAws], None]
"""Called after each step in time."""
Prepare = Callable[["Stage"], Awaitable[None]]
"""What else is to be done before the request; incidents are counted from its end."""

MONDAY = 1_767_571_200.0
"""2026-01-05 00:00 UTC."""
WORLD_SECONDS = 1.0
"""Product seconds between two steps of the simulated AWS; each call makes a step, too."""
OTHER_PORT = 8081
"""The port at which the first load balancer in another account or region listens."""
ALARM_SECONDS = 30.0
"""Product seconds between two looks at the alarms."""


@dataclass(frozen=True, slots=True)
class Stage:
    scenario: Scenario
    loop: VirtualLoop
    clock: LoopClock
    aws: InProcessAws
    gateway: Gateway
    connection: InProcessConnection
    transport: Transport
    fired: set[str] = field(default_factory=set)
    """Names of the alarms that were in ALARM at some time since the request."""

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it to its end. Raise ``Impossible`` where an incident of the scenario cannot happen, or ``NeverEnds``."""
        try:
            with botocore_in_virtual_time(self.loop):
                return self.loop.run_until_complete(work)
        except ExceptionGroup as group:
            raise _first(Impossible, group) or _first(NeverEnds, group) or group from group
        finally:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()

    @asynccontextmanager
    async def under_way(self, watch: Watch | None = None, prepare: Prepare | None = None) -> AsyncIterator[float]:
        """Prepare the scenario's world, and let its time pass and its incidents happen meanwhile.

        Yield the product time, in epoch seconds, from which incidents are counted: those before it have happened.
        """
        actors = OutsideActors(self.aws, self.gateway, self.connection, self.scenario)
        before = max(0.0, *(-incident.at for incident in self.scenario.world.happenings), 0.0)
        async with asyncio.TaskGroup() as beside:
            passing = [beside.create_task(self._let_pass(watch)), beside.create_task(self._watch_alarms())]
            await actors.prepare()
            if prepare is not None:
                await prepare(self)
            passing.append(beside.create_task(actors.happen(before)))
            await self.clock.sleep(before)
            self.aws.calls.clear()
            self.fired.clear()
            yield self.clock.now()
            await end(passing)

    async def _let_pass(self, watch: Watch | None) -> None:
        while True:
            await self.clock.sleep(WORLD_SECONDS)
            self.aws.world.step(self.aws.now())
            if watch is not None:
                watch(self.aws)

    async def _watch_alarms(self) -> None:
        while True:
            await self.clock.sleep(ALARM_SECONDS)
            self.fired.update(self.aws.alarms_firing())


@contextmanager
def staged(scenario: Scenario, seed: int, others: Sequence[Workload] = ()) -> Iterator[Stage]:
    """Open the simulated AWS, with the scenario's infrastructure, and its image in the registry.

    ``others``: what runs in other accounts or regions.
    """
    world = scenario.world
    loop = VirtualLoop()
    clock = LoopClock(loop, MONDAY + world.hour * 3600)
    # calls take no time here, so throttling them by the second would mean nothing
    aws = InProcessAws(
        clock.now, seed=seed, history_days=world.history_days, lags=True, workloads=(COURT, *others), scenario=scenario
    )
    with closing(aws):
        ports = [*(listener.port for _, listener in world.listeners), *range(OTHER_PORT, OTHER_PORT + len(others))]
        gateway = aws.open("http://aws.sandbox", "application.sandbox", ports)
        connection = InProcessConnection(REGION, gateway, loop=loop)
        yield Stage(scenario, loop, clock, aws, gateway, connection, transport_to(aws))


def _first(kind: type[Exception], group: ExceptionGroup) -> Exception | None:
    """Return the first exception of a kind in a group of groups; None where there is none."""
    found: Exception | None = group.subgroup(kind)
    while isinstance(found, ExceptionGroup):
        found = found.exceptions[0]
    return found
