"""One installation of the seven services, for workloads in two accounts and two regions, under the virtual clock."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from contracts.base import Target
from contracts.deployment import DeploymentConfig, DeploymentFinished, DeployRequested, ImageChange, run_id_of
from contracts.envelope import from_message
from contracts.topics import DEPLOYMENT_EVENTS
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.server.in_process import InProcessAws
from sandbox.aws.workloads import EVERYWHERE, Workload
from sandbox.scenarios.load import shipped
from sandbox.virtual.aws import InProcessConnection
from sandbox.virtual.clock import LoopClock
from sandbox.virtual.http import Transport, transport_to
from sandbox.virtual.loop import VirtualLoop
from services._chassis.policies import Policies
from services._chassis.records import Record
from services._chassis.tasks import end
from services._policy.environment import environment_of
from services._policy.files import File, Files
from services._policy.load import load
from services._policy.read import PathReader
from services._policy.source import PolicySource
from surefoot.rehearsal.rehearse import SETTINGS, VARIABLES
from surefoot.rehearsal.stage import MONDAY
from surefoot.rehearsal.system import InProcessSystem
from surefoot.sandbox_policy import policy_of
from tests.kit import FakeKeeper

LONGEST = 3600.0
T = TypeVar("T")


ENVIRONMENT = environment_of({**os.environ, **VARIABLES})
Script = Callable[["Installation"], Coroutine[Any, Any, T]]


@dataclass
class Installation:
    loop: VirtualLoop
    clock: LoopClock
    aws: InProcessAws
    connection: InProcessConnection
    transport: Transport
    rounds: int = 0
    """How often something was deployed: each time is a request of its own."""

    def play(self, policy: str, script: Script[T]) -> T:
        """Let the seven services run under this policy while ``script`` acts from outside; return what it returns."""
        policies = load(Files((File("policy.yaml", policy.encode()),)), ENVIRONMENT, ACCOUNT)
        return self.loop.run_until_complete(self._play(policies, script))

    def play_file(self, path: Path, script: Script[T]) -> T:
        """The same, with a policy that is followed while the services run, as a process follows its file."""
        source = PolicySource(
            PathReader(str(path)), ENVIRONMENT, ACCOUNT, FakeKeeper(), now=self.clock.now, sleep=self.clock.sleep
        )

        async def play() -> T:
            await source.start()
            following = asyncio.create_task(source.run())
            played = await self._play(source, script)
            await end([following])
            return played

        return self.loop.run_until_complete(play())

    async def _play(self, policies: Policies, script: Script[T]) -> T:
        self.system = InProcessSystem(self.clock, self.connection, self.transport, SETTINGS, policies)
        passing = asyncio.create_task(_let_pass_everywhere(self.aws, self.clock))
        async with self.system:
            played = await script(self)
            await end([passing])
        return played

    async def deploy(
        self, *workloads: Workload, image: str = "healthy", minutes: float = 2
    ) -> dict[Workload, DeploymentFinished]:
        """Deploy an image of each workload at the same time, and return how that ended."""
        self.rounds += 1
        ids = {workload: f"{self.rounds} {workload.place}" for workload in workloads}
        runs = {run_id_of(_target(workload), "test", id_): workload for workload, id_ in ids.items()}
        ended: dict[Workload, DeploymentFinished] = {}
        all_have = asyncio.Event()

        async def look(record: Record) -> None:
            event = from_message(record.headers, record.value).event
            if isinstance(event, DeploymentFinished) and event.run_id in runs:
                ended[runs[event.run_id]] = event
                if len(ended) == len(runs):
                    all_have.set()

        reading = asyncio.create_task(self.system.bus.read([DEPLOYMENT_EVENTS.name], look))
        for workload in workloads:
            registry = self.aws.worlds[workload.place].registry
            registry.push(image, shipped()[image].image)
            change = ImageChange(reference=f"{registry.uri}:{image}")
            config = DeploymentConfig(baking_minutes=minutes)
            request = DeployRequested(target=_target(workload), change=change, actor="test", config=config)
            await self.system.publish(request, ids[workload], "test")
        await asyncio.wait_for(all_have.wait(), LONGEST)
        await end([reading])
        return ended


async def _let_pass_everywhere(aws: InProcessAws, clock: LoopClock) -> None:
    while True:
        await clock.sleep(1)
        for world in aws.worlds.values():
            world.step(clock.now())


@contextmanager
def installed() -> Iterator[Installation]:
    """Yield an installation in which nothing runs yet."""
    loop = VirtualLoop()
    clock = LoopClock(loop, MONDAY + 14 * 3600)
    aws = InProcessAws(clock.now, workloads=EVERYWHERE, history_days=1)
    with closing(aws):
        front = aws.open("http://aws.sandbox", "application.sandbox", [80, 81, 82])
        aws.sessions.clock = clock.now
        transport = transport_to(aws)
        aws.calls.clear()
        yield Installation(loop, clock, aws, InProcessConnection(REGION, front, clock.now), transport)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def policy() -> str:
    """Return a policy that reaches each workload."""
    urls = {workload: f"http://application.sandbox:{80 + number}" for number, workload in enumerate(EVERYWHERE)}
    return policy_of(urls)


def _target(workload: Workload) -> Target:
    account, region = workload.place
    return Target(account=account, region=region, cluster=workload.cluster, service=workload.service)
