"""A service: its settings, its deployments and its events."""

import uuid
from collections import deque
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Any

from sandbox.aws.ecs.deployments import Deployment, Revision, ServiceDeployment
from sandbox.aws.ecs.tasks import Task


@dataclass(frozen=True, slots=True)
class Event:
    id: str
    created: float
    message: str


@dataclass(slots=True)
class Service:
    """One service."""

    arn: str
    cluster: str
    name: str
    created: float
    desired: int
    revision: Revision
    """The revision of its PRIMARY deployment, towards which ECS works."""
    configuration: dict[str, Any]
    grace: float = 0.0
    """Seconds after RUNNING in which failed health checks don't count."""
    status: str = "ACTIVE"
    settings: dict[str, Any] = field(default_factory=dict)
    """Its other settings, by the API's names (``service_settings.py``)."""
    tags: list[dict[str, str]] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    """The PRIMARY one first."""
    history: list[ServiceDeployment] = field(default_factory=list)
    """Oldest first."""
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=100))
    """Newest first."""
    steady: bool = False
    looked: float = -inf
    """When the scheduler last ran for it."""
    changed: bool = True
    """Whether something happened since the scheduler last ran."""

    @property
    def primary(self) -> Deployment:
        return self.deployments[0]

    @property
    def controlled_by_ecs(self) -> bool:
        """Return whether ECS itself deploys the service."""
        return bool(self.settings["deploymentController"]["type"] == "ECS")

    @property
    def is_daemon(self) -> bool:
        return bool(self.settings["schedulingStrategy"] == "DAEMON")

    @property
    def current(self) -> ServiceDeployment:
        return self.history[-1]

    @property
    def group(self) -> str:
        return f"service:{self.name}"

    @property
    def last_completed(self) -> Revision | None:
        """Return the revision of the last successful service deployment, to which a rollback returns."""
        for past in reversed(self.history):
            if past.status == "SUCCESSFUL":
                return past.target
            if past.status == "ROLLBACK_SUCCESSFUL" and past.rollback is not None:
                return past.rollback[2]
        return None

    @property
    def minimum(self) -> int:
        """Return how many healthy tasks a roll-out must keep."""
        return -(-self.desired * int(self.configuration["minimumHealthyPercent"]) // 100)

    @property
    def maximum(self) -> int:
        """Return how many tasks a roll-out may have at once."""
        return self.desired * int(self.configuration["maximumPercent"]) // 100

    def add_event(self, now: float, message: str, random: Random) -> None:
        event = Event(str(uuid.UUID(int=random.getrandbits(128), version=4)), now, f"(service {self.name}) {message}")
        self.events.appendleft(event)


def of_deployment(tasks: list[Task], deployment: Deployment) -> list[Task]:
    return [task for task in tasks if task.started_by == deployment.id]
