"""A service on the sandbox of which everything is deleted, and which is made again: how it ends, and how long it takes.

Recovery alone is at work. Times are product time.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from contracts.base import Target
from contracts.envelope import from_message
from contracts.recovery import CaptureSnapshot, SnapshotCaptured
from contracts.recreation import RecreationFinished
from contracts.topics import RECOVERY_EVENTS, Party
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.call_log import Call
from sandbox.aws.workloads import Workload
from sandbox.scenarios.incident import Incident
from sandbox.scenarios.model import Scenario
from services._policy.files import Files
from services.recovery.api.recreation import RecreateRequest
from services.recovery.domain.recreation.recreation import MAKING_TIME
from surefoot.rehearsal.rehearse import SETTINGS, policies_of
from surefoot.rehearsal.stage import Stage, staged
from surefoot.rehearsal.system import InProcessSystem

LONGEST = MAKING_TIME.total_seconds() + 600.0
LOOK_SECONDS = 1.0
GONE_SECONDS = 120.0
"""In which tasks of a deleted service end, but for those that a load balancer still drains."""
E = TypeVar("E")
At = Callable[[Stage], None]
"""What a person does at that time."""


@dataclass(frozen=True, slots=True)
class Recreated:
    finished: RecreationFinished | None
    """None where it was refused."""
    refused: str
    seconds: float
    """From the approval to the end."""
    calls: tuple[Call, ...]
    """Recovery's calls that changed anything, from the approval on."""


def nothing(_: Stage) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Course:
    """What happens to a service, and what is asked for."""

    deletes: Literal["service", "everything"] | None = "everything"
    """None: nothing but what ``gone`` deletes."""
    before: At = nothing
    """What is done before the snapshot is taken."""
    gone: At = nothing
    """What is done once the service was deleted."""
    after: At = nothing
    """What is done at the end."""
    into: Target | None = None
    """Where it is made; None: where it was."""
    names: Callable[[Stage], Mapping[str, str]] = lambda _: {}
    """What stands there for what is in the snapshot."""
    others: Sequence[Workload] = ()
    """What runs in other accounts and regions."""


def recreated(scenario: Scenario, seed: int = 0, course: Course = Course()) -> Recreated:
    """Take a snapshot of the scenario's service, delete it, and let it be made again."""
    with staged(scenario, seed, course.others) as stage:
        system = InProcessSystem(
            stage.clock, stage.connection, stage.transport, SETTINGS, policies_of(Files()), parties=(Party.RECOVERY,)
        )
        return stage.run(_play(stage, system, course))


async def _play(stage: Stage, system: InProcessSystem, course: Course) -> Recreated:
    service = stage.scenario.world.service
    source = Target(account=ACCOUNT, region=REGION, cluster=service.cluster, service=service.service_name)
    async with stage.under_way(), system:
        course.before(stage)
        asked = CaptureSnapshot(target=source, run_id="run", purpose="before-change")
        await system.publish(asked, "capture", f"surefoot/{Party.ORCHESTRATOR}")
        await _event(stage, system, SnapshotCaptured)
        if course.deletes is not None:
            stage.aws.happen(Incident(deletes=course.deletes))
        course.gone(stage)
        await stage.clock.sleep(GONE_SECONDS)
        stage.aws.calls.clear()
        target = course.into or source
        body = RecreateRequest(
            actor="ann", from_cluster=source.cluster, from_region=source.region, names=dict(course.names(stage))
        )
        begun, refused = stage.clock.now(), await system.recreate(target, body, "bob")
        finished = None if refused else await _event(stage, system, RecreationFinished)
        seconds = stage.clock.now() - begun
        course.after(stage)
        calls = [call for call in stage.aws.calls.calls(changing=True) if "surefoot/recovery" in call.user_agent]
        return Recreated(finished, refused, seconds, tuple(calls))


async def _event(stage: Stage, system: InProcessSystem, kind: type[E]) -> E:
    """Return the first event of a kind. Raise ``RuntimeError`` where there is none in time."""
    until = stage.clock.now() + LONGEST
    while stage.clock.now() < until:
        await asyncio.sleep(LOOK_SECONDS)
        for message in system.bus.topics.get(RECOVERY_EVENTS.name, ()):
            event = from_message(message.headers, message.value).event
            if isinstance(event, kind):
                return event
    raise RuntimeError(f"there was no {kind.__name__} within {LONGEST / 60:.0f} minutes")
