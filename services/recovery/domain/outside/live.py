"""What a look at a service shows that an alert outside a run may roll back."""

from dataclasses import dataclass

from services.recovery.domain.ecs_service import EcsAct
from services.recovery.domain.outside.course import Course
from services.recovery.domain.outside.signs import NONE as NO_SIGNS
from services.recovery.domain.outside.signs import Signs
from services.recovery.domain.outside.way_back import Evidence


@dataclass(frozen=True, slots=True)
class Live:
    """What is live, as ECS shows it; times are epoch seconds by AWS's clock."""

    deployment_id: str
    """The primary deployment; empty where ECS lists none."""
    task_definition: str
    """ARN."""
    began_at: float | None
    """When ECS began the deployment."""
    finished_at: float | None
    """When it was rolled out; None while it is not, and where ECS does not tell."""
    rolling_out: bool
    ecs: EcsAct
    obstacle: str = ""
    """Why nothing can be brought back by UpdateService, as a sentence; empty where it can."""
    deletion: str = ""
    """Says, as a clause, that the service is being deleted; empty where it is not."""
    course: Course | None = None
    """What it has replaced and changed; None where ECS does not tell."""

    @property
    def again(self) -> bool:
        """Return whether it is known to deploy once more what was live already."""
        return self.course is not None and self.course.again

    @property
    def version(self) -> str:
        return self.task_definition.rpartition("/")[2]

    def age(self, now: float) -> float:
        """Return for how many seconds it has been rolled out; 0 while it is not."""
        if self.rolling_out or self.began_at is None:
            return 0.0
        return max(0.0, now - (self.finished_at or self.began_at))


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look has found."""

    live: Live | None = None
    """None where there is no such service."""
    evidence: Evidence | None = None
    """What there is to go back to; None where nobody had to look."""
    signs: Signs = NO_SIGNS
    """What shows whether the version is the cause."""
    unseen: str = ""
    """Why nothing could be seen, as a sentence; empty where it could."""


NOTHING = Seen(unseen="recovery has not looked yet")
