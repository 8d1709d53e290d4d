"""What health's tests share: builders, and fakes of its ports and of a running job."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from contracts.base import Target
from contracts.envelope import Meta
from contracts.monitor import DependencyFault
from contracts.policy import Application
from services._aws.ecs_task import EcsTask
from services._aws.errors import AwsError
from services._chassis.transition import Decision, Transition
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
from services.health.domain.watch.judge import conclude, remember
from services.health.domain.watch.memory import Expected, Memory, Observed
from tests.kit import FakeClock, memory_store

TARGET = Target(account="123456789012", region="us-west-2", cluster="CourtCase", service="Backend")
META = Meta(id="command-1", source="surefoot/orchestrator", time=datetime(2025, 11, 24, tzinfo=UTC))
NOW = 1_764_000_000.0
GROUP = "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/backend/1"
OURS, OLD = "ecs-svc/2", "ecs-svc/1"


def looked(memory: Memory, observed: Observed, expected: Expected, now: float) -> Memory:
    """Return what the watch remembers after one more look."""
    return conclude(memory, remember(memory, observed, expected, now), observed, expected, now)


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
    told = {**known, "exit_codes": (1,), **more}
    failed = EcsTask({"stopCode": told["stop_code"], "stoppedReason": told["reason"]}).failed
    return StoppedTask(arn=f"task/{number}", deployment_id=of, failed=failed, **told)


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


class FakeDatabases:
    """RDS, where the database is failed until a time."""

    def __init__(self, away_until: float = NOW, *, refused: bool = False) -> None:
        self.away_until, self.refused = away_until, refused
        self.asked: list[float] = []

    async def fault(self, target: Target, instance: str, now: float) -> DependencyFault | None:
        self.asked.append(now)
        if self.refused:
            raise AwsError("RDS did not answer DescribeDBInstances: AccessDenied")
        away = now < self.away_until
        return DependencyFault(name=instance, detail=f"the database {instance} is failed") if away else None


@dataclass
class FakeObserver:
    """Shows one look after the other, the last one for ever; None: AWS cannot be asked."""

    looks: list[Observed | None]
    taken: int = 0

    async def __call__(self, target: Target, memory: Memory, now: float) -> Observed:
        seen = self.looks[min(self.taken, len(self.looks) - 1)]
        self.taken += 1
        if seen is None:
            raise AwsError("ECS did not answer DescribeServices: ThrottlingException")
        return seen


@dataclass
class FakeExaminer:
    """Returns the given evidence, and records the application's policy of each call."""

    found: Evidence
    applications: list[Application] = field(default_factory=list)

    async def __call__(self, target: Target, application: Application) -> Evidence:
        self.applications.append(application)
        return self.found


@dataclass
class FakeEcs:
    """Answers as a test has set it up, and records which service deployments were asked for."""

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


class Decided:
    """The store of a service, and every decision that it took in."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.store = memory_store("health", clock or FakeClock(NOW))
        self.decisions: list[Decision] = []

    async def apply(self, transition: Transition | None) -> Decision:
        assert transition is not None
        written = await self.store.apply(transition, cause=f"cause-{len(self.decisions)}")
        assert written.decision is not None
        self.decisions.append(written.decision)
        return written.decision
