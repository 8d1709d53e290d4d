"""One deployment on the sandbox, from its request to its end, under a virtual clock."""

import asyncio
import os
from dataclasses import dataclass
from typing import Any

from contracts.base import Target, caused_id
from contracts.deployment import CheckUp, DeploymentFinished, DeployRequested, ImageChange
from contracts.envelope import Envelope, from_message
from contracts.topics import DEPLOYMENT_EVENTS
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.call_log import Call
from sandbox.aws.server.in_process import InProcessAws
from sandbox.aws.server.seed import CLUSTER, SERVICE
from sandbox.scenarios.model import Scenario
from sandbox.stack import REQUIRED_VARIABLES
from sandbox.virtual.bus import Record
from services._chassis.tasks import end
from services._policy.environment import environment_of
from services._policy.load import Files, load
from services._policy.policies import Policies
from surefoot.rehearsal.stage import Prepare, Stage, Watch, staged
from surefoot.rehearsal.system import InProcessSystem

LONGEST = 4 * 3600.0
"""Product seconds after which a rehearsal is given up."""
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


def rehearse(
    scenario: Scenario,
    *,
    seed: int = 0,
    policy: Files = Files(),  # noqa: B008  frozen
    watch: Watch | None = None,
    prepare: Prepare | None = None,
) -> Rehearsal:
    """Deploy the scenario's image in its world, under a virtual clock. Raise ``NeverEnds`` or ``Impossible``.

    Gates and thresholds are those of ``policy``, and where it says nothing those of the environment, as for the
    services in production. Raise ``PolicyFaults`` for a policy that cannot be used. ``watch`` sees the simulated AWS
    after each step in time; ``prepare`` does what else there is to do before the request.
    """
    policies = policies_of(policy)
    with staged(scenario, seed) as stage:
        system = InProcessSystem(stage.clock, stage.connection, stage.transport, SETTINGS, policies)
        return stage.run(_play(stage, system, watch, prepare))


async def _play(stage: Stage, system: InProcessSystem, watch: Watch | None, prepare: Prepare | None) -> Rehearsal:
    run_id, clock, scenario = caused_id(SOURCE, "1"), stage.clock, stage.scenario
    async with stage.under_way(watch, prepare) as begun, system:
        await system.publish(_request(scenario, stage.aws), "1", SOURCE)
        finished = await _end_of(system, run_id)
        seconds, run = clock.now() - begun, await system.run(run_id)
        await clock.sleep(scenario.expect.watch if finished else 0)
    if finished is None:
        raise NeverEnds(f"the deployment has not ended within {LONGEST / 3600:g} hours")
    events = (from_message(message.headers, message.value) for topic in system.bus.topics.values() for message in topic)
    calls = tuple(call for call in stage.aws.calls.calls(changing=True) if "surefoot" in call.user_agent)
    return Rehearsal(finished, run, tuple(sorted(events, key=lambda envelope: envelope.meta.time)), calls, seconds)


def _request(scenario: Scenario, aws: InProcessAws) -> DeployRequested:
    image = ImageChange(reference=f"{aws.world.registry.uri}:{scenario.name}")
    change = image if scenario.change == "image" else CheckUp()
    return DeployRequested(target=TARGET, change=change, actor="rehearsal", config=scenario.config)


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
