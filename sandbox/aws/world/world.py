"""The simulated world: one account in one region, whose time passes only when it is stepped.

Time is discrete events: ``step(now)`` lives through every moment that is due until ``now``, each at its
own time. The same seed and the same calls give the same history, however large the steps are.
"""

import threading
from math import ceil
from random import Random
from typing import TYPE_CHECKING

from sandbox.aws.ecr.registry import Registry
from sandbox.aws.ecs.region import Ecs
from sandbox.aws.ecs.services import Service
from sandbox.aws.ecs.targets import State, Target
from sandbox.aws.ecs.tasks import Task
from sandbox.aws.servicediscovery.registry import CloudMap
from sandbox.aws.stacks.stacks import Stacks
from sandbox.aws.trail.activities import Activities
from sandbox.aws.trail.events import Trail
from sandbox.aws.workloads import COURT, Workload
from sandbox.aws.world.conditions import Conditions
from sandbox.aws.world.views import GroupView, ServiceView, TaskView
from sandbox.scenarios.behaviour import Behaviour

if TYPE_CHECKING:
    from collections.abc import Callable

NO_DATABASE = "could not connect to server: Connection refused (the database is away)"
CATCH_UP_MINUTES = 60
"""After a longer jump the minutes before these pass without metrics."""


def dimension_of(group: str) -> str:
    """Return CloudWatch's name of the target group with this ARN: ``targetgroup/name/id``."""
    return group.rpartition(":")[2]


class World:
    """ECS, its images and its target groups. Hold ``lock`` to read or change it."""

    def __init__(
        self, now: float, *, seed: int = 0, conditions: Conditions | None = None, workload: Workload = COURT
    ) -> None:
        self.lock = threading.RLock()
        self.now = now
        self.random = Random(seed)  # noqa: S311  a simulation wants to be repeatable
        self.workload = workload
        account, region = workload.place
        self.registry = Registry(f"{account}.dkr.ecr.{region}.amazonaws.com")
        self.ecs = Ecs(account, region, self.registry, CloudMap(account, region), self.random)
        self.conditions = conditions or Conditions()
        self.trail = Trail(region)
        self.activities = Activities()
        self.stacks = Stacks()
        self.each_minute: list[Callable[[float], None]] = []
        """Called once for each product minute, with its end."""
        self._next_minute = ceil(now / 60) * 60.0

    def step(self, now: float) -> None:
        """Let time pass until ``now``, in epoch seconds; a ``now`` in the past changes nothing."""
        with self.lock:
            self._next_minute = max(self._next_minute, ceil(now / 60 - CATCH_UP_MINUTES) * 60.0)
            while (moment := min(self.ecs.due(self.now), self.stacks.due, self._next_minute)) <= now:
                self.now = max(self.now, moment)
                if moment == self._next_minute:
                    self._next_minute += 60.0
                    self._pass_minute()
                elif moment == self.stacks.due:
                    self.stacks.live_through(self.now)
                else:
                    self.ecs.live_through(self.now)
            self.now = max(self.now, now)

    def loses_event(self) -> bool:
        """Return, by chance, whether the next event is lost."""
        share = self.conditions.events_lost
        return share > 0 and self.random.random() < share

    def views(self) -> list[ServiceView]:
        """Return a view of every service at this moment, from which metrics are made."""
        with self.lock:
            return [self._view(service) for service in self.ecs.services.values() if service.status == "ACTIVE"]

    def targets(self, group: str) -> list[Target]:
        """Return the targets of the target group with this ARN, draining ones included."""
        with self.lock:
            return [target for task in self.ecs.live.values() for target in task.targets if target.group == group]

    def behind(self, group: str) -> list[tuple[Behaviour, bool]]:
        """Return what a request to this target group may reach: behaviours, and whether their container listens yet.

        Only healthy targets when there are any, else every registered one: a load balancer fails open.
        """
        with self.lock:
            registered = [
                (task, target)
                for task in self.ecs.live.values()
                for target in task.targets
                if target.group == group and target.state is not State.DRAINING
            ]
            healthy = [pair for pair in registered if pair[1].state is State.HEALTHY]
            found = ((self._behaves(task), task.answers(self.now)) for task, _ in healthy or registered)
            return [(behaviour, answers) for behaviour, answers in found if behaviour is not None]

    def _pass_minute(self) -> None:
        for task in self.ecs.live.values():
            behaviour = self._behaves(task)
            if task.status == "RUNNING" and behaviour and not behaviour.database:
                line = behaviour.log if task.behaviour is behaviour else NO_DATABASE
                self.ecs.on_lines(task, [f"ERROR:    {line}"], self.now)
        for service in self.ecs.services.values():
            service.changed = True  # alarms are looked at once a minute
        for publish in self.each_minute:
            publish(self.now)

    def _view(self, service: Service) -> ServiceView:
        tasks = [task for task in self.ecs.tasks_of(service) if task.status == "RUNNING"]
        groups = (self._group_view(arn) for arn, _ in service.revision.target_groups)
        return ServiceView(
            cluster=service.cluster,
            service=service.name,
            groups=tuple(group for group in groups if group is not None),
            tasks=tuple(self._task_view(task) for task in tasks if task.behaviour),
            workload=self.workload,
            traffic=self.conditions.traffic_of.get(f"{service.cluster}/{service.name}", self.conditions.traffic),
            crowd=self.conditions.crowds.get(f"{service.cluster}/{service.name}"),
            database=self.conditions.database,
        )

    def _group_view(self, arn: str) -> GroupView | None:
        targets, balancer = self.targets(arn), self.ecs.neighbours.load_balancer_of(arn)
        if balancer is None:
            return None
        return GroupView(
            balancer,
            dimension_of(arn),
            healthy_hosts=sum(target.state is State.HEALTHY for target in targets),
            unhealthy_hosts=sum(target.state is State.UNHEALTHY for target in targets),
            reached=self.ecs.neighbours.takes_requests(arn),
        )

    def _behaves(self, task: Task) -> Behaviour | None:
        """Return the behaviour of the task's image at this moment."""
        if task.behaviour is None:
            return None
        seconds, near = task.running_seconds(self.now), self.ecs.neighbours
        return task.behaviour.at(seconds, database=self.conditions.database, schema=near.schema)

    def _task_view(self, task: Task) -> TaskView:
        behaviour = self._behaves(task)
        assert behaviour is not None  # noqa: S101  the caller asked
        healthy = (target for target in task.targets if target.state is State.HEALTHY)
        return TaskView(
            behaviour=behaviour,
            running_seconds=task.running_seconds(self.now),
            memory=task.memory(self.now),
            in_service=frozenset(dimension_of(target.group) for target in healthy),
        )
