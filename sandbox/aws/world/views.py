"""Views of one service at one moment, from which metrics are made."""

from dataclasses import dataclass

from sandbox.aws.workloads import COURT, Workload
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
    in_service: bool
    """Its target is healthy, so the load balancer sends it requests."""


@dataclass(frozen=True, slots=True)
class ServiceView:
    """One service and its load balancer, which are None where it has none."""

    cluster: str
    service: str
    load_balancer: str | None
    """The dimension of AWS/ApplicationELB: ``app/name/id``."""
    target_group: str | None
    """The dimension of AWS/ApplicationELB: ``targetgroup/name/id``."""
    tasks: tuple[TaskView, ...]
    healthy_hosts: int
    unhealthy_hosts: int
    workload: Workload = COURT
    traffic: Traffic = USUAL
    database: bool = True
    """Whether the database itself is there."""
