"""The seven services at work in two accounts and two regions at once, under the virtual clock."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from botocore.exceptions import EndpointConnectionError

from contracts.base import Target, caused_id
from contracts.deployment import DeploymentConfig, DeploymentFinished, DeployRequested, ImageChange
from contracts.envelope import from_message
from contracts.topics import DEPLOYMENT_EVENTS
from sandbox.aws.accounts import ACCOUNT, REGION, SECOND_ACCOUNT
from sandbox.aws.server.in_process import InProcessAws, application_of
from sandbox.aws.workloads import COURT, EVERYWHERE, EXTERNAL_ID, PAYMENTS, Workload
from sandbox.scenarios.load import shipped
from sandbox.virtual.aws import InProcessConnection
from sandbox.virtual.bus import Record
from sandbox.virtual.clock import LoopClock
from sandbox.virtual.http import Transport
from sandbox.virtual.loop import VirtualLoop
from services._chassis.tasks import end
from services._policy.environment import environment_of
from services._policy.load import File, Files, load
from surefoot.rehearsal.rehearse import MONDAY, SETTINGS, VARIABLES
from surefoot.rehearsal.system import InProcessSystem
from surefoot.sandbox_policy import policy_of

LONGEST = 3600.0
T = TypeVar("T")


@dataclass
class Installation:
    loop: VirtualLoop
    clock: LoopClock
    aws: InProcessAws
    connection: InProcessConnection
    transport: Transport

    def play(self, policy: str, script: Callable[["Installation"], Coroutine[Any, Any, T]]) -> T:
        """Let the seven services run under this policy while ``script`` acts from outside; return what it returns."""
        environment = environment_of({**os.environ, **VARIABLES})
        policies = load(Files((File("policy.yaml", policy.encode()),)), environment, ACCOUNT)
        self.system = InProcessSystem(self.clock, self.connection, self.transport, SETTINGS, policies)

        async def play() -> T:
            passing = asyncio.create_task(_let_pass_everywhere(self.aws, self.clock))
            async with self.system:
                played = await script(self)
                await end([passing])
            return played

        return self.loop.run_until_complete(play())

    async def deploy(
        self, *workloads: Workload, image: str = "healthy", minutes: float = 2
    ) -> dict[Workload, DeploymentFinished]:
        """Deploy an image of each workload at the same time, and return how that ended."""
        runs = {caused_id("test", f"{image} {workload.place}"): workload for workload in workloads}
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
            account, region = workload.place
            target = Target(account=account, region=region, cluster=workload.cluster, service=workload.service)
            change = ImageChange(reference=f"{registry.uri}:{image}")
            config = DeploymentConfig(baking_minutes=minutes)
            request = DeployRequested(target=target, change=change, actor="test", config=config)
            await self.system.tell(request, f"{image} {workload.place}", "test")
        await asyncio.wait_for(all_have.wait(), LONGEST)
        await end([reading])
        return ended


async def _let_pass_everywhere(aws: InProcessAws, clock: LoopClock) -> None:
    while True:
        await clock.sleep(1)
        for world in aws.worlds.values():
            world.step(clock.now())


@pytest.fixture
def installation() -> Iterator[Installation]:
    loop = VirtualLoop()
    clock = LoopClock(loop, MONDAY + 14 * 3600)
    aws = InProcessAws(clock.now, workloads=EVERYWHERE, history_days=1)
    with closing(aws):
        front = aws.open("http://aws.sandbox", "application.sandbox", [80, 81, 82])
        aws.sessions.clock = clock.now
        blobs = {digest: blob for world in aws.worlds.values() for digest, blob in world.registry.blobs.items()}
        transport = Transport({80 + number: application_of(aws, number) for number in range(3)}, blobs)
        aws.calls.clear()
        yield Installation(loop, clock, aws, InProcessConnection(REGION, front, clock.now), transport)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def policy() -> str:
    urls = {workload: f"http://application.sandbox:{80 + number}" for number, workload in enumerate(EVERYWHERE)}
    return policy_of(urls)


def test_each_service_is_deployed_in_its_own_account_and_region(installation: Installation) -> None:
    ended = installation.play(policy(), lambda here: here.deploy(*EVERYWHERE))
    assert {workload.place: finished.outcome for workload, finished in ended.items()} == {
        workload.place: "succeeded" for workload in EVERYWHERE
    }, {finished.reason for finished in ended.values()}
    updates = [call for call in installation.aws.calls.calls(changing=True) if call.operation == "UpdateService"]
    assert sorted((call.account, call.region) for call in updates) == sorted(workload.place for workload in EVERYWHERE)
    assert installation.system.readiness.degraded == []


def test_one_that_cannot_be_entered_is_blocked_with_the_reason_and_the_other_goes_on(
    installation: Installation,
) -> None:
    ended = installation.play(policy().replace(EXTERNAL_ID, "guessed"), lambda here: here.deploy(COURT, PAYMENTS))
    assert ended[COURT].outcome == "succeeded"
    assert ended[PAYMENTS].outcome == "blocked"
    told = " ".join(
        str(from_message(one.headers, one.value).event)
        for topic in installation.system.bus.topics.values()
        for one in topic
    )
    assert f"account {SECOND_ACCOUNT} cannot be entered by" in told
    assert "guessed" not in told
    [sentence] = installation.system.readiness.degraded
    assert sentence.startswith(f"account {SECOND_ACCOUNT}/{REGION}: ")


def test_after_three_hours_a_rollback_does_not_need_sts(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STS is away while the image degrades, and the credentials hold; those of the beginning have long ended."""

    def away(*_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://sts.us-west-2.amazonaws.com")

    async def script(here: Installation) -> tuple[DeploymentFinished, DeploymentFinished]:
        first = await here.deploy(PAYMENTS)
        await here.clock.sleep(3 * 3600)
        monkeypatch.setattr(here.connection, "_assume_at", away)
        second = await here.deploy(PAYMENTS, image="slow")
        return first[PAYMENTS], second[PAYMENTS]

    first, second = installation.play(policy(), script)
    assert (first.outcome, second.outcome) == ("succeeded", "rolled_back"), (first.reason, second.reason)
    calls = [call for call in installation.aws.calls.calls() if call.operation == "AssumeRole"]
    given = [call.time for call in calls if call.status == 200]
    assert len(given) >= 5
    assert all(third - first > 3600 for first, third in zip(given, given[2:], strict=False)), "twice an hour at most"
    assert len(calls) == len(given) + 1, "once it was tried without the external id"
