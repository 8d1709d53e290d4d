"""Typed views of deployments, as ECS lists them with a service and as it describes their courses."""

from dataclasses import dataclass, field

from contracts.prose import prose
from services._aws.body import Body, epoch


@dataclass(frozen=True, slots=True)
class EcsDeployment:
    """An entry of ``deployments[]``: ECS's own deployment controller has them, others may not."""

    body: Body = field(repr=False)

    @property
    def id(self) -> str:
        return str(self.body.get("id", ""))

    @property
    def status(self) -> str:
        """PRIMARY, ACTIVE (being replaced) or INACTIVE."""
        return str(self.body.get("status", ""))

    @property
    def task_definition(self) -> str:
        return str(self.body.get("taskDefinition", ""))

    @property
    def desired(self) -> int:
        return int(self.body.get("desiredCount", 0))

    @property
    def running(self) -> int:
        return int(self.body.get("runningCount", 0))

    @property
    def failed_tasks(self) -> int:
        return int(self.body.get("failedTasks", 0))

    @property
    def rollout_state(self) -> str | None:
        """COMPLETED, FAILED or IN_PROGRESS; None with a deployment controller other than ECS."""
        return self.body.get("rolloutState")

    @property
    def reason(self) -> str:
        return prose(str(self.body.get("rolloutStateReason", "")))

    @property
    def created_at(self) -> float | None:
        return epoch(self.body.get("createdAt"))


@dataclass(frozen=True, slots=True)
class ServiceDeployment:
    """A deployment's course, as DescribeServiceDeployments describes it; ListServiceDeployments has less of it."""

    body: Body = field(repr=False)

    @property
    def arn(self) -> str:
        return str(self.body.get("serviceDeploymentArn", ""))

    @property
    def status(self) -> str:
        return str(self.body.get("status", ""))

    @property
    def reason(self) -> str:
        return prose(str(self.body.get("statusReason", "")))

    @property
    def created_at(self) -> float | None:
        return epoch(self.body.get("createdAt"))

    @property
    def seconds(self) -> float | None:
        """Return how long it took; None while it goes on, and where AWS leaves a time out."""
        began, ended = epoch(self.body.get("startedAt")), epoch(self.body.get("finishedAt"))
        return None if began is None or ended is None else max(0.0, ended - began)
