"""What AWS itself shows of one deployment while its time passes: who serves, and since when."""

from dataclasses import dataclass

from sandbox.aws.ecs.services import Service
from sandbox.aws.ecs.tasks import Task
from sandbox.aws.server.in_process import InProcessAws
from sandbox.scenarios.service import USUAL_CLUSTER, USUAL_SERVICE


@dataclass(slots=True)
class Sight:
    """Watches a service. Times are product seconds since the epoch."""

    new: str
    """The digest of the image that is deployed."""
    changed: float | None = None
    """When AWS began to deploy it; None as long as it has not."""
    disturbed: float | None = None
    """When it was last seen that the version before did not serve alone, with every task."""

    def __call__(self, aws: InProcessAws) -> None:
        """Look once."""
        service, now = service_of(aws), aws.world.now
        if self.changed is None and self._is_new(service):
            self.changed = now
        if self.changed is not None and not self._restored(aws, service):
            self.disturbed = now

    def live(self, aws: InProcessAws) -> bool:
        """Return whether the new version is what the service is to run."""
        return self._is_new(service_of(aws))

    def restored_after(self, aws: InProcessAws) -> float | None:
        """Return the seconds from the change until the version before served alone again; None where it does not."""
        if self.changed is None or self.disturbed is None or not self._restored(aws, service_of(aws)):
            return None
        return self.disturbed - self.changed

    def _is_new(self, service: Service) -> bool:
        return any(manifest is not None and manifest.digest == self.new for *_, manifest in service.revision.images)

    def _restored(self, aws: InProcessAws, service: Service) -> bool:
        tasks = [task for task in aws.world.ecs.tasks_of(service) if task.alive]
        serving = sum(task.healthy and not self._runs_new(task) for task in tasks)
        return not self._is_new(service) and serving >= service.desired and not any(map(self._runs_new, tasks))

    def _runs_new(self, task: Task) -> bool:
        return task.manifest is not None and task.manifest.digest == self.new


def service_of(aws: InProcessAws) -> Service:
    return aws.world.ecs.services[USUAL_CLUSTER, USUAL_SERVICE]
