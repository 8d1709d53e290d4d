"""One deployment on the sandbox, from its request to its end, under a virtual clock."""

import asyncio
import os
from collections.abc import Coroutine
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

from contracts.base import Target, caused_id
from contracts.deployment import CheckUp, DeploymentFinished, DeployRequested, ImageChange
from contracts.envelope import Envelope, from_message
from contracts.topics import DEPLOYMENT_EVENTS
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.call_log import Call
from sandbox.aws.server.in_process import InProcessAws, application_of
from sandbox.aws.server.incidents import Impossible
from sandbox.aws.server.seed import CLUSTER, SERVICE
from sandbox.aws.world.conditions import Conditions
from sandbox.scenarios.model import Scenario
from sandbox.stack import REQUIRED_VARIABLES
from sandbox.virtual.aws import InProcessConnection
from sandbox.virtual.bus import Record
from sandbox.virtual.clock import LoopClock
from sandbox.virtual.http import Transport
from sandbox.virtual.loop import VirtualLoop
from services._chassis.tasks import end
from services._policy.environment import environment_of
from services._policy.load import Files, load
from services._policy.policies import Policies
from surefoot.rehearsal.actors import OutsideActors
from surefoot.rehearsal.system import InProcessSystem

T = TypeVar("T")

MONDAY = 1_767_571_200.0
"""2026-01-05 00:00 UTC."""
LONGEST = 4 * 3600.0
"""Product seconds after which a rehearsal is given up."""
WORLD_SECONDS = 1.0
"""Product seconds between two steps of the simulated AWS; each call makes a step, too."""
PORT = 80
SOURCE = "surefoot/rehearsal"
TARGET = Target(account=ACCOUNT, region=REGION, cluster=CLUSTER, service=SERVICE)
VARIABLES = {**REQUIRED_VARIABLES, "AWS_ACCOUNT": ACCOUNT, "AWS_REGION": REGION}
"""Settings of the sandbox's services; they win over the user's environment."""
SETTINGS = {name.lower(): value for name, value in VARIABLES.items()}


class NeverEnds(Exception):
    """A rehearsed deployment came to no end; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The result of a scenario."""

    finished: DeploymentFinished
    run: dict[str, Any]
    """The run, as the orchestrator's API shows it."""
    events: tuple[Envelope, ...]
    """All events that were published, in the order of their times."""
    calls: tuple[Call, ...]
    """Surefoot's calls that changed anything at AWS."""
    seconds: float
    """Product seconds, from the request to the end of the run."""


def policies_of(policy: Files) -> Policies:
    """Return the policies of a rehearsal under this policy file. Raise ``PolicyFaults``."""
    return load(policy, environment_of({**os.environ, **VARIABLES}), ACCOUNT)


def rehearse(scenario: Scenario, *, seed: int = 0, policy: Files = Files()) -> Rehearsal:  # noqa: B008  frozen
    """Deploy the scenario's image in its world, under a virtual clock. Raise ``NeverEnds`` or ``Impossible``.

    Gates and thresholds are those of ``policy``, and where it says nothing those of the environment, as for the
    services in production. Raise ``PolicyFaults`` for a policy that cannot be used.
    """
    policies = policies_of(policy)
    loop = VirtualLoop()
    clock = LoopClock(loop, MONDAY + scenario.world.hour * 3600)
    conditions = Conditions(scenario.world.traffic)
    # calls take no time here, so throttling them by the second would mean nothing
    aws = InProcessAws(clock.now, seed=seed, history_days=scenario.world.history_days, conditions=conditions, lags=True)
    with closing(aws):
        aws.world.registry.push(scenario.name, scenario.image)
        front = aws.open("http://aws.sandbox", "application.sandbox", [PORT])
        transport = Transport({PORT: application_of(aws, 0)}, aws.world.registry.blobs)
        connection = InProcessConnection(REGION, front)
        system = InProcessSystem(clock, connection, transport, SETTINGS, policies)
        try:
            return _run(loop, _play(scenario, aws, clock, system, OutsideActors(aws, connection, scenario.name)))
        except ExceptionGroup as group:
            raise _first(Impossible, group) or group from group


async def _play(
    scenario: Scenario, aws: InProcessAws, clock: LoopClock, system: InProcessSystem, actors: OutsideActors
) -> Rehearsal:
    run_id = caused_id(SOURCE, "1")
    async with asyncio.TaskGroup() as beside:
        passing = beside.create_task(_let_pass(aws, clock))
        await actors.prepare(scenario.world)
        aws.calls.clear()
        begun = clock.now()
        happening = beside.create_task(actors.happen(scenario.world.happenings))
        async with system:
            await system.publish(_request(scenario, aws), "1", SOURCE)
            finished = await _end_of(system, run_id)
            seconds, run = clock.now() - begun, await system.run(run_id)
            await clock.sleep(scenario.expect.watch if finished else 0)
        await end([passing, happening])
    if finished is None:
        raise NeverEnds(f"the deployment has not ended within {LONGEST / 3600:g} hours")
    events = (from_message(message.headers, message.value) for topic in system.bus.topics.values() for message in topic)
    calls = tuple(call for call in aws.calls.calls(changing=True) if "surefoot" in call.user_agent)
    return Rehearsal(finished, run, tuple(sorted(events, key=lambda envelope: envelope.meta.time)), calls, seconds)


def _request(scenario: Scenario, aws: InProcessAws) -> DeployRequested:
    image = ImageChange(reference=f"{aws.world.registry.uri}:{scenario.name}")
    change = image if scenario.change == "image" else CheckUp()
    return DeployRequested(target=TARGET, change=change, actor="rehearsal", config=scenario.config)


async def _let_pass(aws: InProcessAws, clock: LoopClock) -> None:
    while True:
        await clock.sleep(WORLD_SECONDS)
        aws.world.step(clock.now())


async def _end_of(system: InProcessSystem, run_id: str) -> DeploymentFinished | None:
    """Return how the run ended; None where it has not after ``LONGEST``."""
    found: asyncio.Future[DeploymentFinished] = asyncio.get_running_loop().create_future()

    async def look(record: Record) -> None:
        event = from_message(record.headers, record.value).event
        if isinstance(event, DeploymentFinished) and event.run_id == run_id and not found.done():
            found.set_result(event)

    reading = asyncio.create_task(system.bus.read([DEPLOYMENT_EVENTS.name], look))
    try:
        return await asyncio.wait_for(found, LONGEST)
    except TimeoutError:
        return None
    finally:
        await end([reading])


def _first(kind: type[Exception], group: ExceptionGroup) -> Exception | None:
    """Return the first exception of a kind in a group of groups; None where there is none."""
    found: Exception | None = group.subgroup(kind)
    while isinstance(found, ExceptionGroup):
        found = found.exceptions[0]
    return found


def _run(loop: VirtualLoop, work: Coroutine[Any, Any, T]) -> T:
    try:
        return loop.run_until_complete(work)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
