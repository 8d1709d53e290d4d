"""Views of one service at one moment, from which metrics are made."""

from dataclasses import dataclass

from sandbox.aws.workloads import COURT, Workload
from sandbox.aws.world.conditions import Crowd
from sandbox.scenarios.behaviour import Behaviour
from sandbox.scenarios.traffic import USUAL, Traffic


@dataclass(frozen=True, slots=True)
class TaskView:
    """One running task."""

    behaviour: Behaviour
    """The behaviour at this moment."""
    running_seconds: float
    memory: float
    """Per cent of what the task was given, growth included."""
    in_service: frozenset[str]
    """The target groups in which its target is healthy, so that the load balancer sends it requests."""


@dataclass(frozen=True, slots=True)
class GroupView:
    """A target group of a service and the load balancer in front of it."""

    load_balancer: str
    """The dimension of its metrics: ``app/name/id`` or ``net/name/id``."""
    target_group: str
    """The dimension of its metrics: ``targetgroup/name/id``."""
    healthy_hosts: int
    unhealthy_hosts: int
    reached: bool = True
    """Whether users come by it: a listener or a rule sends requests there."""

    @property
    def counts_requests(self) -> bool:
        """Return whether it counts requests: a network load balancer counts flows."""
        return self.load_balancer.startswith("app/")


@dataclass(frozen=True, slots=True)
class ServiceView:
    """One service."""

    cluster: str
    service: str
    groups: tuple[GroupView, ...]
    """Its target groups; empty for a worker."""
    tasks: tuple[TaskView, ...]
    workload: Workload = COURT
    traffic: Traffic = USUAL
    crowd: Crowd | None = None
    """None: as many users as usually."""
    database: bool = True
    """Whether the database itself is there."""
