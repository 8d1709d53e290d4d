"""What the tests of diagnostics share: builders, and fakes of its ports."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from contracts.base import Target
from contracts.envelope import Meta
from services._aws.ecs_task import EcsTask
from services.diagnostics.domain.evidence import (
    Container,
    Deployment,
    Evidence,
    Service,
    ServiceEvent,
    StoppedTask,
    TargetHealth,
)

TARGET = Target(account="123456789012", region="us-west-2", cluster="CourtCase", service="Backend")
META = Meta(id="command-1", source="surefoot/orchestrator", time=datetime(2025, 11, 24, tzinfo=UTC))
NOW = 1_764_000_000.0
GROUP = "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/backend/1"
PRIMARY, OLD, GONE = "ecs-svc/2", "ecs-svc/1", "ecs-svc/0"


def deployment(id_: str = PRIMARY, **more: Any) -> Deployment:
    known = {"status": "PRIMARY", "task_definition": "td/app:2", "rollout_state": "COMPLETED"}
    return Deployment(id=id_, **{**known, **more})


def service(*deployments: Deployment, **more: Any) -> Service:
    known: dict[str, Any] = {"desired": 3, "running": 3, "pending": 0, "target_groups": (GROUP,)}
    return Service(deployments=deployments or (deployment(),), **{**known, **more})


def target(state: str = "healthy", reason: str = "", description: str = "") -> TargetHealth:
    return TargetHealth(GROUP, "10.0.0.7", state, reason, description)


def stopped(
    number: int = 1, *, of: str = PRIMARY, ago: float = 60, exit_code: int | None = 1, **more: Any
) -> StoppedTask:
    known: dict[str, Any] = {"stop_code": "EssentialContainerExited", "reason": "Essential container in task exited"}
    container = Container("backend", exit_code, more.pop("container_reason", ""))
    told = {**known, **more}
    return StoppedTask(
        arn=f"arn:aws:ecs:us-west-2:123456789012:task/CourtCase/{number}",
        deployment_id=of,
        stopped_at=NOW - ago,
        containers=(container,),
        failed=EcsTask({"stopCode": told["stop_code"], "stoppedReason": told["reason"]}).failed,
        **told,
    )


def unstarted(reason: str, number: int = 1, **more: Any) -> StoppedTask:
    """A task that never started."""
    return stopped(number, exit_code=None, stop_code="TaskFailedToStart", reason=reason, **more)


def event(message: str, ago: float = 60) -> ServiceEvent:
    return ServiceEvent(NOW - ago, message)


def evidence(**more: Any) -> Evidence:
    """A service that is well."""
    known: dict[str, Any] = {"service": service(), "stopped": (), "targets": (target(),) * 3}
    return Evidence(**{**known, **more})


SHORT = service(running=1, pending=0)
"""Two of three tasks are missing, and none is on its way."""


@dataclass
class FakeInspector:
    """Shows the evidence, or raises what it was given."""

    found: Evidence | Exception

    async def __call__(self, target: Target) -> Evidence:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found
