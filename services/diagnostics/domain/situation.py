"""The state of the service now: only what concerns the present is critical."""

from dataclasses import dataclass

from contracts.diagnostics import Severity
from services.diagnostics.domain.evidence import Evidence, NotObserved, Service, StoppedTask

PRESENT_SECONDS = 30 * 60
"""Older evidence is history. ECS waits up to 27 minutes between two tries to start a task."""
LOOP = 2
"""The number of failed tasks of one deployment from which on they are no accident."""
FAILING = 3
"""The least number of failed tasks at which ECS's own circuit breaker gives a deployment up."""


@dataclass(frozen=True, slots=True)
class Situation:
    """A service at the moment ``now`` (product time, epoch seconds)."""

    service: Service
    now: float
    healthy_targets: int | None
    """The number in the target group that has the fewest; None without a load balancer, or where it is unknown."""
    failures: int
    """Recent failed tasks of the primary deployment."""

    @classmethod
    def of(cls, evidence: Evidence, service: Service, now: float) -> "Situation":
        stopped = () if isinstance(evidence.stopped, NotObserved) else evidence.stopped
        primary = service.primary
        return cls(
            service=service,
            now=now,
            healthy_targets=_healthy(evidence, service),
            failures=sum(
                task.failed
                and primary is not None
                and task.deployment_id == primary.id
                and now - task.stopped_at <= PRESENT_SECONDS
                for task in stopped
            ),
        )

    @property
    def below(self) -> bool:
        return self.service.running < self.service.desired

    @property
    def recovering(self) -> bool:
        """Whether tasks are missing but starting, and nothing shows that they will fail."""
        service = self.service
        return service.running > 0 and service.running + service.pending >= service.desired and self.failures < LOOP

    @property
    def unavailable(self) -> bool:
        """Whether no user is served."""
        return self.service.desired > 0 and (self.service.running == 0 or self.healthy_targets == 0)

    @property
    def failing(self) -> bool:
        """Whether the deployment that is live, or about to be, does not come up."""
        primary = self.service.primary
        return primary is not None and (
            primary.rollout_state == "FAILED"
            or (primary.rollout_state == "IN_PROGRESS" and max(primary.failed_tasks, self.failures) >= FAILING)
        )

    @property
    def troubled(self) -> bool:
        return self.unavailable or self.failing or (self.below and not self.recovering)

    def weigh(self, tasks: tuple[StoppedTask, ...]) -> Severity:
        """Return how much stopped tasks of one kind matter.

        Critical: the primary deployment's, recent, more than one, and the service suffers now. Warning: recent, of
        a deployment that still is. Otherwise they are history.
        """
        recent = [task for task in tasks if self.now - task.stopped_at <= PRESENT_SECONDS]
        primary = self.service.primary
        ours = [task for task in recent if primary is not None and task.deployment_id == primary.id]
        if len(ours) >= LOOP and self.troubled:
            return "critical"
        live = {deployment.id for deployment in self.service.deployments}
        return "warning" if any(task.deployment_id in live for task in recent) else "info"


def _healthy(evidence: Evidence, service: Service) -> int | None:
    targets = evidence.targets
    if targets is None or isinstance(targets, NotObserved):
        return None
    healthy = [target.group for target in targets if target.state == "healthy"]
    return min(map(healthy.count, service.target_groups))
