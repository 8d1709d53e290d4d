"""One deployment on the sandbox, from its request to its end, under a virtual clock."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import yaml

from contracts.base import Target
from contracts.cloudwatch_names import OURS
from contracts.deployment import (
    Change,
    CheckUp,
    DeploymentFinished,
    DeployRequested,
    ImageChange,
    Observe,
    Override,
    TaskDefinitionChange,
    run_id_of,
)
from contracts.envelope import Envelope, from_message
from contracts.topics import DEPLOYMENT_EVENTS
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.call_log import Call
from sandbox.aws.ecr.registry import Registry, split
from sandbox.aws.server.outcome import live_image, wanted_tasks, watched_services
from sandbox.scenarios.model import Scenario
from sandbox.scenarios.service import Service
from sandbox.stack import REQUIRED_VARIABLES
from services._chassis.records import Record
from services._chassis.tasks import end
from services._policy.environment import environment_of
from services._policy.files import File, Files
from services._policy.load import load
from services._policy.policies import Policies
from surefoot.rehearsal.people import act, make_again, newer_runs, try_plans
from surefoot.rehearsal.stage import NeverEnds, Prepare, Stage, Watch, staged
from surefoot.rehearsal.system import InProcessSystem

Look = Callable[[Stage, InProcessSystem], Awaitable[None]]
LONGEST = 4 * 3600.0
"""Product seconds after which a rehearsal is given up."""
LOOK_SECONDS = 60.0
"""Product seconds in which recovery looks at the ways back."""
SOURCE = "surefoot/rehearsal"
VARIABLES = {**REQUIRED_VARIABLES, "AWS_ACCOUNT": ACCOUNT, "AWS_REGION": REGION}
"""Settings of the sandbox's services; they win over the user's environment."""
SETTINGS = {name.lower(): value for name, value in VARIABLES.items()}


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
    also: tuple[DeploymentFinished, ...] = ()
    """How the services ended that were deployed afterwards."""
    wants: int = 0
    """The desired count of the service in the end."""
    live: str = ""
    """The image that the service's newest deployment runs in the end: its tag, or its reference."""
    fired: frozenset[str] = frozenset()
    """Names of those alarms of Surefoot's own that were in ALARM at some time."""
    newer: tuple[DeploymentFinished, ...] = ()
    """How the newer runs ended that people asked for, in the order of time."""
    refused_drills: tuple[str, ...] = ()
    """``PLAN: SENTENCE`` for each drill that was refused."""
    refused_recreation: str = ""
    """Why the service is not made again; empty where it is, and where nobody has asked."""
    armed: frozenset[str] = frozenset()
    """``cluster/service`` of each service over which alarms of Surefoot's own stand in the end."""


def policies_of(policy: Files, service: Service = Service()) -> Policies:  # noqa: B008  frozen
    """Return the policies of a rehearsal of this service under this policy file. Raise ``PolicyFaults``."""
    return load(policy, environment_of({**os.environ, **_variables(service)}), ACCOUNT)


def _variables(service: Service) -> dict[str, str]:
    return {**VARIABLES, "CLUSTER_NAME": service.cluster, "SERVICE_NAME": service.service_name}


def rehearse(
    scenario: Scenario,
    *,
    seed: int = 0,
    policy: Files = Files(),  # noqa: B008  frozen
    watch: Watch | None = None,
    prepare: Prepare | None = None,
    look: Look | None = None,
) -> Rehearsal:
    """Deploy the scenario's image in its world, under a virtual clock. Raise ``NeverEnds`` or ``Impossible``.

    Gates and thresholds are those of ``policy``, and where it says nothing those of the environment, as for the
    services in production. Raise ``PolicyFaults`` for a policy that cannot be used. ``watch`` sees the simulated AWS
    after each step in time; ``prepare`` does what else there is to do before the request; ``look`` looks at the
    services after the end, while they go on.
    """
    service = scenario.world.service
    policies = policies_of(_own(scenario) if not policy.files else policy, service)
    settings = {name.lower(): value for name, value in _variables(service).items()}
    with staged(scenario, seed) as stage:
        system = InProcessSystem(stage.clock, stage.connection, stage.transport, settings, policies)
        return stage.run(_play(stage, system, watch, prepare, look))


def _own(scenario: Scenario) -> Files:
    """Return a scenario's own policy as the file that it stands for."""
    if scenario.policy is None:
        return Files()
    return Files((File("policy.yaml", yaml.safe_dump(dict(scenario.policy)).encode()),))


async def _play(
    stage: Stage, system: InProcessSystem, watch: Watch | None, prepare: Prepare | None, look: Look | None
) -> Rehearsal:
    scenario, world = stage.scenario, stage.aws.world
    afterwards = [service for service in scenario.world.services if service.name in scenario.also]
    async with stage.under_way(watch, prepare) as begun, system:
        acting = asyncio.create_task(_people(stage, system))
        watching = [asyncio.create_task(system.watch_moves())] if scenario.expect.of_moves else []
        finished = await _deploy(stage, system, scenario.world.service, "1")
        newer = [await _end_of(system, run_id) for run_id in newer_runs(finished.target, scenario.people, SOURCE)]
        await end([acting])
        seconds, run = stage.clock.now() - begun, await system.run(finished.run_id)
        also = [await _deploy(stage, system, service, str(number)) for number, service in enumerate(afterwards, 2)]
        target = _request(scenario, scenario.world.service, world.registry).target
        trying = asyncio.create_task(try_plans(system, target, scenario.drills))
        making = asyncio.create_task(make_again(system, target, scenario.recreation))
        await stage.clock.sleep(scenario.expect.watch)
        refused = trying.result() if trying.done() else []
        not_made = making.result() if making.done() else ""
        await end([trying, making, *watching])
        if (scenario.expect.drifted, scenario.expect.ready) != (None, None):
            await system.look_at_ways_back()
            await stage.clock.sleep(LOOK_SECONDS)
        if look is not None:
            await look(stage, system)
    events = (from_message(message.headers, message.value) for topic in system.bus.topics.values() for message in topic)
    return Rehearsal(
        finished,
        run,
        tuple(sorted(events, key=lambda envelope: envelope.meta.time)),
        tuple(call for call in stage.aws.calls.calls(changing=True) if "surefoot" in call.user_agent),
        seconds,
        tuple(also),
        wanted_tasks(world),
        live_image(world),
        frozenset(name for name in stage.fired if name.startswith(OURS)),
        newer=tuple(newer),
        refused_drills=tuple(refused),
        refused_recreation=not_made,
        armed=frozenset(watched_services(world, OURS)),
    )


async def _people(stage: Stage, system: InProcessSystem) -> None:
    """Let the scenario's persons act on the run of its service."""
    scenario = stage.scenario
    registry = stage.aws.world.registry
    target = _request(scenario, scenario.world.service, registry).target
    await act(system, target, run_id_of(target, SOURCE, "1"), scenario.people, SOURCE, registry.uri)


async def _deploy(stage: Stage, system: InProcessSystem, service: Service, id_: str) -> DeploymentFinished:
    """Return how the deployment of a service ended. Raise ``NeverEnds``."""
    request = _request(stage.scenario, service, stage.aws.world.registry)
    await system.publish(request, id_, SOURCE)
    return await _end_of(system, run_id_of(request.target, SOURCE, id_))


def _request(scenario: Scenario, service: Service, registry: Registry) -> DeployRequested:
    target = Target(account=ACCOUNT, region=REGION, cluster=service.cluster, service=service.service_name)
    overrides = tuple(Override(gate=gate, reason=reason) for gate, reason in scenario.overrides.items())
    return DeployRequested(
        target=target,
        change=_change(scenario, registry),
        actor="rehearsal",
        config=scenario.config,
        overrides=overrides,
        migration=scenario.migration,
    )


def _change(scenario: Scenario, registry: Registry) -> Change:
    match scenario.change:
        case "observe":
            return Observe()
        case "check_up":
            return CheckUp()
        case "image":
            return ImageChange(reference=f"{registry.uri}:{scenario.name}")
    wanted = scenario.change
    if wanted.task_definition is not None:
        return TaskDefinitionChange(task_definition=wanted.task_definition)
    image = wanted.image or scenario.name
    reference = f"{registry.uri}:{image}" if image in registry.tags else image
    found = registry.resolve(reference) if wanted.by_digest else None
    if found is not None:
        reference = f"{split(reference)[0]}@{found.digest}"
    return ImageChange(reference=reference, container=wanted.container)


async def _end_of(system: InProcessSystem, run_id: str) -> DeploymentFinished:
    """Return how the run ended. Raise ``NeverEnds`` where it has not after ``LONGEST``."""
    found: asyncio.Future[DeploymentFinished] = asyncio.get_running_loop().create_future()

    async def look(record: Record) -> None:
        event = from_message(record.headers, record.value).event
        if isinstance(event, DeploymentFinished) and event.run_id == run_id and not found.done():
            found.set_result(event)

    reading = asyncio.create_task(system.bus.read([DEPLOYMENT_EVENTS.name], look))
    try:
        return await asyncio.wait_for(found, LONGEST)
    except TimeoutError:
        raise NeverEnds(f"the deployment has not ended within {LONGEST / 3600:g} hours") from None
    finally:
        await end([reading])
