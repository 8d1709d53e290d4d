"""What a watch waits for, what one look shows of it, and what is remembered from look to look."""

from dataclasses import dataclass
from typing import Self

from contracts.gates import Gate
from contracts.prose import Prose
from contracts.rollout_pace import RolloutPace
from contracts.state import State
from contracts.troubles import RECOVERS, Troubles
from services.health.domain.observed import Deployment, NotObserved, Rollout, Service, StoppedTask, TargetHealth

SETTLING_SECONDS = 30.0
"""Product seconds for which a deployment that was never seen may still appear: ECS is eventually consistent."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The deployment to watch for, and until when."""

    deployment_id: str | None
    """None: the one in progress, or the next one that begins."""
    task_definition: str | None
    deadline: float
    """Product time, epoch seconds."""
    pace: RolloutPace | None = None
    """It says how far progress extends the time; None where the deadline is fixed."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One look at the service."""

    service: Service | None
    """None: ECS knows no such active service."""
    targets: tuple[TargetHealth, ...] | NotObserved | None = None
    """None: there is no load balancer."""
    stopped: tuple[StoppedTask, ...] = ()
    rollout: Rollout | None = None
    """How our service deployment went; looked up once our deployment is no longer the primary one."""


class Memory(State):
    """What a watch knows from earlier looks; it survives the process in a checkpoint."""

    began_at: float
    deployment_id: str | None = None
    """The deployment that is watched, once it is known."""
    first_primary: str | None = None
    """The deployment that was primary when the watch began, for a watch that waits for somebody else's."""
    seen: bool = False
    """Whether our deployment has been the primary one."""
    rollout: str | None = None
    """The ARN of the service deployment that was current while ours was primary."""
    failed_tasks: tuple[str, ...] = ()
    """ARNs of tasks of ours that failed, the first ``REMEMBERED_TASKS``."""
    failed_most: int = 0
    """The highest ``failedTasks`` that ECS reported for ours; it resets its own count."""
    last_failure: Prose = ""
    unplaced: Prose = ""
    """ECS's last event, where it says that there is no room for a task."""
    seen_at: float | None = None
    gates: tuple[Gate, ...] = ()
    """The gates of the last look that succeeded."""
    wanted: int = 0
    """The most tasks that the service has wanted."""
    standing: int | None = None
    """The farthest that the rollout has come; None before our deployment was listed."""
    moved_at: float | None = None
    """When it came so far."""
    message: Prose = ""
    """The progress that was published last."""
    silent_until: float | None = None
    """What was published with it: until when nothing need be heard; None where the deadline is fixed."""
    told: int = 0
    """How many times progress was published."""

    troubles: Troubles = Troubles()
    """When the application's database was in trouble."""
    asked_at: float | None = None
    """When it was asked last how the database is."""
    excused: int = 0
    """The failures in a time of trouble."""

    @property
    def failures(self) -> int:
        """Return how many tasks have failed, whatever the reason."""
        return max(self.failed_most, len(self.failed_tasks))

    @property
    def blamed(self) -> int:
        """Return the failures that are held against the version."""
        return self.failures - self.excused

    def excusing(self, before: "Memory", now: float) -> Self:
        """Return the memory without blame for failures since ``before``, where the database was in trouble then."""
        more = self.failures - before.failures
        excused = more if more > 0 and self.troubles.during(now - RECOVERS, now) else 0
        return self.replace(excused=self.excused + excused)

    def with_progress(self, message: str, silent_until: float | None) -> "Memory":
        return self.replace(message=message, silent_until=silent_until, told=self.told + 1)


def lost(memory: Memory, service: Service, now: float) -> bool:
    """Whether the watched deployment is no longer the primary one, or never came."""
    ours, primary = memory.deployment_id, service.primary
    if ours is None or (primary is not None and primary.id == ours):
        return False
    return memory.seen or service.deployment(ours) is not None or now - memory.began_at > SETTLING_SECONDS


def runs(deployment: Deployment, expected: Expected) -> bool:
    """Whether it runs the task definition that was asked for: an ARN, or ``family:revision``."""
    wanted, live = expected.task_definition, deployment.task_definition
    return wanted is None or live == wanted or live.endswith(f"/{wanted}")


def completed(ours: Deployment | None, service: Service) -> bool | None:
    """Whether the rollout has ended well; None where it is not listed."""
    if ours is None:
        return None
    if ours.rollout_state is None:
        return ours.running == service.desired and len(service.deployments) == 1
    return ours.rollout_state == "COMPLETED"
