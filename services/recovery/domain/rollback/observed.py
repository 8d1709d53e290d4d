"""A service during a rollback as AWS shows it: what is live, how far its rollout has come, and what is missing."""

from dataclasses import dataclass
from typing import Literal

from services.recovery.domain.ecs_service import EcsAct
from services.recovery.domain.rollback.stack import StackSeen


@dataclass(frozen=True, slots=True)
class Targets:
    """The targets of the load balancer: of several target groups, the one that is farthest from done."""

    healthy: int
    waiting: int = 0
    """Neither healthy nor draining: they have begun a moment ago, or are ill."""
    draining: int = 0


@dataclass(frozen=True, slots=True)
class Observed:
    """The service as AWS shows it."""

    now: float
    live: Literal["goal", "judged", "foreign"]
    """The primary deployment's version: the snapshot's, the one that is to be taken back, or neither."""
    rollout: str
    """The primary deployment's state: IN_PROGRESS, COMPLETED or FAILED."""
    running: int
    """Running tasks of the primary deployment; tasks of other deployments are ``others``."""
    desired: int
    targets: Targets | None
    """None without a load balancer, and where its targets could not be seen."""
    ecs: EcsAct
    """What ECS's own circuit breaker or alarms are doing, or have done since the snapshot."""
    others: int = 0
    """Running tasks of other deployments. Those that drain are not running any more."""
    moved: bool = False
    """Whether another deployment is live than when the snapshot was taken."""
    differs: bool = False
    """Whether something that UpdateService sets is not as in the snapshot."""
    version: str = "the snapshot's version"
    """The name of the primary deployment's task definition."""
    unseen: str = ""
    """Why the targets of the load balancer could not be seen."""
    left: str = ""
    """A sentence about what the rollback leaves alone."""
    deployment_id: str = ""
    """The primary deployment, as ECS names it."""
    stack: StackSeen | None = None
    """The stack of CloudFormation that the service belongs to; None where none is known, or it makes no difference."""

    @property
    def healthy(self) -> bool:
        return not self.missing

    @property
    def missing(self) -> str:  # noqa: PLR0911  a list of questions, in their order
        """Return what the version lacks to be live and healthy, as a phrase; empty where it lacks nothing.

        What counts are the version's own tasks. ECS completes the rollout only after the last old task has drained,
        which may take an hour; behind a load balancer it is over once every other task has stopped running, and the
        targets that take requests are exactly the tasks that are wanted.
        """
        if self.running < self.desired:
            return f"{self.desired - self.running} of its tasks do not run yet"
        targets = self.targets
        if targets is not None and targets.healthy < self.desired:
            return f"{self.desired - targets.healthy} of its targets are not healthy yet"
        if self.rollout == "COMPLETED":
            return ""
        if self.others:
            return f"{self.others} {_tasks(self.others)} of another version still run{'s' if self.others == 1 else ''}"
        if targets is None:
            return "ECS has not completed the rollout yet"
        if targets.waiting or targets.healthy > self.desired:
            return "more targets are registered than tasks are wanted, and ECS has not completed the rollout yet"
        return ""

    @property
    def standing(self) -> int:
        """Return how far the rollout has come: it grows with each task and target of it, and each other that stops."""
        targets = max(0, self.targets.healthy - self.others) if self.targets is not None else 0
        return self.running + targets - self.others

    @property
    def progress(self) -> str:
        """Return which tasks were counted, and what is missing."""
        parts = [f"{self.running} of {self.desired} {_tasks(self.desired)} of {self.version} run"]
        if self.targets is not None:
            parts.append(f"{self.targets.healthy} healthy behind the load balancer")
            if self.targets.draining:
                old = self.targets.draining
                parts.append(f"{old} old {_tasks(old)} still drain{'s' if old == 1 else ''}")
        if self.unseen:
            parts.append(f"by the counts of ECS alone, since {self.unseen}")
        return ", ".join(parts)


def _tasks(number: int) -> str:
    return "task" if number == 1 else "tasks"
