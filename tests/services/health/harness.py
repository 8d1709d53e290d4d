"""What health's tests share: builders, and fakes of its ports and of a running job."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from contracts.base import Target
from contracts.envelope import Meta
from services._aws.errors import AwsError
from services._chassis.transition import Cancelled, Decision, Emit, Transition
from services.health.domain.observed import (
    Answer,
    Deployment,
    Evidence,
    Measurements,
    Rollout,
    Service,
    StoppedTask,
    TargetHealth,
)
from services.health.domain.watch import Memory, Observed

TARGET = Target(account="123456789012", region="us-west-2", cluster="CourtCase", service="Backend")
META = Meta(id="command-1", source="surefoot/orchestrator", time=datetime(2025, 11, 24, tzinfo=UTC))
NOW = 1_764_000_000.0
GROUP = "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/backend/1"
OURS, OLD = "ecs-svc/2", "ecs-svc/1"


def deployment(id_: str = OURS, **more: Any) -> Deployment:
    known = {"status": "PRIMARY", "task_definition": f"td/app:{id_[-1]}", "desired": 3, "running": 3}
    return Deployment(id=id_, **{**known, "rollout_state": "COMPLETED", **more})


def service(*deployments: Deployment, **more: Any) -> Service:
    known: dict[str, Any] = {"desired": 3, "running": 3, "target_groups": (GROUP,), "rollout": "rollout-2"}
    return Service(deployments=deployments or (deployment(),), **{**known, **more})


def targets(*states: str) -> tuple[TargetHealth, ...]:
    return tuple(TargetHealth(GROUP, f"10.0.0.{number}", state) for number, state in enumerate(states))


HEALTHY = targets("healthy", "healthy", "healthy")


def failed_task(number: int, *, of: str = OURS, **more: Any) -> StoppedTask:
    known: dict[str, Any] = {"stop_code": "EssentialContainerExited", "reason": "Essential container in task exited"}
    return StoppedTask(arn=f"task/{number}", deployment_id=of, **{**known, "exit_codes": (1,), **more})


def look(*deployments: Deployment, seen: Sequence[TargetHealth] | None = HEALTHY, **more: Any) -> Observed:
    known = {key: more.pop(key) for key in ("stopped", "rollout") if key in more}
    groups = {} if seen is not None else {"target_groups": ()}
    state = service(*deployments, **{**groups, "rollout": "rollout-2", **more})
    return Observed(service=state, targets=None if seen is None else tuple(seen), **known)


def evidence(**more: Any) -> Evidence:
    """A service that is well in every respect."""
    measurements = Measurements(5, cpu=35, memory=45, p95_seconds=0.2, requests=600, target_5xx=1)
    ready = Answer(200, {"database": "ok", "redis": True, "migrations": {"head": "b2"}})
    well = Evidence(
        service=service(),
        targets=HEALTHY,
        measurements=measurements,
        balanced=True,
        health=Answer(200),
        ready=ready,
        endpoints={"/api/v1/": Answer(200)},
    )
    return replace(well, **more)


@dataclass
class VirtualClock:
    """Sleeping moves it."""

    time: float = NOW

    def now(self) -> float:
        return self.time

    def at(self, real: float) -> float:
        return real

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class FakeObserver:
    """Shows one look after the other, the last one for ever; None: AWS cannot be asked."""

    looks: list[Observed | None]
    taken: int = 0

    async def observe(self, target: Target, memory: Memory, now: float) -> Observed:
        seen = self.looks[min(self.taken, len(self.looks) - 1)]
        self.taken += 1
        if seen is None:
            raise AwsError("ECS did not answer DescribeServices: ThrottlingException")
        return seen


@dataclass
class FakeExaminer:
    found: Evidence

    async def examine(self, target: Target) -> Evidence:
        return self.found


@dataclass
class FakeEcs:
    """Remembers which service deployments were asked for."""

    state: Service | None = field(default_factory=service)
    stopped: tuple[StoppedTask, ...] = ()
    ended: Rollout | None = None
    unavailable: bool = False
    asked: list[str] = field(default_factory=list)

    async def service(self, target: Target) -> Service | None:
        if self.unavailable:
            raise AwsError("ECS did not answer DescribeServices: AccessDeniedException")
        return self.state

    async def stopped_tasks(self, target: Target) -> tuple[StoppedTask, ...]:
        return self.stopped

    async def rollout(self, target: Target, arn: str) -> Rollout | None:
        self.asked.append(arn)
        return self.ended


@dataclass
class FakeRunning:
    """A job under way; ``cancel_at`` is the checkpoint that finds it cancelled."""

    payload: bytes
    id: str = "command-1"
    kind: str = "watch"
    fence: int = 1
    attempt: int = 1
    saved: bytes | None = None
    cancel_at: int | None = None
    checkpoints: int = 0
    emitted: list[Emit] = field(default_factory=list)

    async def checkpoint(self, data: bytes) -> None:
        self.checkpoints += 1
        if self.checkpoints == self.cancel_at:
            raise Cancelled(self.id)
        self.saved = data

    async def check(self) -> None: ...

    async def emit(self, *emissions: Emit) -> None:
        self.emitted += emissions


@dataclass
class FakeStore:
    """State in memory; everything that was decided is kept in order."""

    states: dict[str, bytes] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)

    def apply(self, transition: Transition | None) -> Decision:
        assert transition is not None
        state = self.states.get(transition.key) if transition.key else None
        decision = transition.decide(state)
        if decision.state is not None:
            assert transition.key is not None
            self.states[transition.key] = decision.state
        self.decisions.append(decision)
        return decision


def events(decision: Decision) -> list[Any]:
    return [emission.event for emission in decision.emit]
