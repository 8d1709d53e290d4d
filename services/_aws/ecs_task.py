"""Typed views of ECS's tasks. What AWS leaves out is None or empty here, and never a guess."""

from dataclasses import dataclass, field

from contracts.prose import prose
from services._aws.body import Body, entries, epoch


@dataclass(frozen=True, slots=True)
class EcsContainer:
    name: str
    exit_code: int | None
    reason: str
    image_digest: str | None


@dataclass(frozen=True, slots=True)
class EcsTask:
    """A task, as DescribeTasks describes it. Its overrides, which may hold secrets, stay in the body."""

    body: Body = field(repr=False)

    @property
    def arn(self) -> str:
        return str(self.body.get("taskArn", ""))

    @property
    def task_definition(self) -> str:
        return str(self.body.get("taskDefinitionArn", ""))

    @property
    def deployment_id(self) -> str:
        """Return the id of the deployment that started the task."""
        return str(self.body.get("startedBy", ""))

    @property
    def started_at(self) -> float | None:
        """Return epoch seconds; None for a task that has not started, or never did."""
        return epoch(self.body.get("startedAt"))

    @property
    def stopped_at(self) -> float | None:
        return epoch(self.body.get("stoppedAt"))

    @property
    def stop_code(self) -> str:
        return str(self.body.get("stopCode", ""))

    @property
    def reason(self) -> str:
        return prose(str(self.body.get("stoppedReason", "")))

    @property
    def ended_by_itself(self) -> bool:
        """Return whether it had run, and its own end or its failing health check stopped it.

        Source: Amazon ECS API reference, Task, ``stopCode``; developer guide, "Stopped tasks error messages".
        """
        return self.started_at is not None and self.stop_code != "TaskFailedToStart" and self.failed

    @property
    def failed(self) -> bool:
        """Return whether it ended by itself, never started, or was stopped for its health: not replaced, not scaled in.

        Source: as of ``ended_by_itself``.
        """
        ill = self.stop_code == "ServiceSchedulerInitiated" and "health check" in self.reason
        return ill or self.stop_code in {"TaskFailedToStart", "EssentialContainerExited"}

    @property
    def taken_back(self) -> bool:
        """Return whether AWS stopped it since it needed the capacity, or since its host was ill."""
        return self.stop_code in {"SpotInterruption", "TerminationNotice", "InfrastructureHealth"}

    @property
    def exited(self) -> bool:
        """Return whether a container without which it does not run has ended by itself."""
        return self.stop_code == "EssentialContainerExited"

    @property
    def stopped_by_somebody(self) -> bool:
        """Return whether somebody has called StopTask, which is no end of its own."""
        return self.stop_code == "UserInitiated"

    @property
    def zone(self) -> str:
        """Return the Availability Zone; empty where ECS does not tell it."""
        return str(self.body.get("availabilityZone", ""))

    @property
    def containers(self) -> tuple[EcsContainer, ...]:
        """Return the task's containers; empty for a task that was never placed."""
        return tuple(
            EcsContainer(
                str(container.get("name", "")),
                container.get("exitCode"),
                prose(str(container.get("reason", ""))),
                container.get("imageDigest"),
            )
            for container in entries(self.body, "containers")
        )
