"""ECS in one region of one account: its clusters, services and tasks, and the loop that lets time pass."""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import TYPE_CHECKING, Any

from sandbox.aws.ecr.registry import Registry
from sandbox.aws.ecs import discovery, scheduler, task_lifecycle
from sandbox.aws.ecs.definitions import Definition, Definitions
from sandbox.aws.ecs.deployments import Deployment, Revision, provider
from sandbox.aws.ecs.neighbours import Neighbours
from sandbox.aws.ecs.service_settings import propagated
from sandbox.aws.ecs.services import Service
from sandbox.aws.ecs.tasks import Registration, Task
from sandbox.aws.errors import AwsFault
from sandbox.aws.servicediscovery.registry import CloudMap

if TYPE_CHECKING:
    from collections.abc import Callable

STOPPED_TASKS_SECONDS = 3600.0
"""How long ECS still answers for a stopped task."""


@dataclass(slots=True)
class ClusterRecord:
    arn: str
    name: str
    instances: int = 0
    """How many container instances it has."""
    settings: list[dict[str, str]] = field(default_factory=list)
    tags: list[dict[str, str]] = field(default_factory=list)
    namespace: str = ""
    """The default namespace of Service Connect; empty where it has none."""


class Ecs:
    """The state of ECS. It is changed under the world's lock, in the world's time."""

    def __init__(self, account: str, region: str, registry: Registry, cloud_map: CloudMap, random: Random) -> None:
        self.prefix = f"arn:aws:ecs:{region}:{account}"
        self.registry = registry
        self.cloud_map = cloud_map
        self.random = random
        self.definitions = Definitions(f"{self.prefix}:task-definition/")
        self.clusters: dict[str, ClusterRecord] = {}
        self.services: dict[tuple[str, str], Service] = {}
        self.live: dict[str, Task] = {}
        """Tasks that aren't STOPPED, by ARN."""
        self._of_group: defaultdict[tuple[str, str], dict[str, Task]] = defaultdict(dict)
        """(cluster, group) → those of its tasks that are not STOPPED, by ARN."""
        self.ended: dict[str, Task] = {}
        """STOPPED tasks by ARN, oldest first."""
        self.on_lines: Callable[[Task, list[str], float], None] = lambda _task, _lines, _now: None
        """Called with the lines that a task's container wrote."""
        self.on_moment: Callable[[list[Task], float], None] = lambda _tasks, _now: None
        """Called after each step in time: with the live tasks and those that have just ended."""
        self.on_end: Callable[[Task, float], None] = lambda _task, _now: None
        """Called once for each task, when it has STOPPED."""
        self.neighbours = Neighbours()
        self.begun: list[str] = []
        """Deployments that the API began, for its log of calls, which empties it."""
        self.capacity = True
        """Whether Fargate has room for another task."""
        self.client_tokens: dict[str, list[str]] = {}
        """The tasks of each ``RunTask`` that carried a client token."""
        self._addresses = 0

    # What the scheduler asks for

    def tasks_of(self, service: Service) -> list[Task]:
        return list(self._of_group[service.cluster, service.group].values())

    def start_task(self, service: Service, deployment: Deployment, now: float) -> Task:
        revision = deployment.revision
        placed = [task.provider for task in self.tasks_of(service) if task.alive and task.started_by == deployment.id]
        return self.add_task(
            service.cluster, revision.definition, now,
            group=service.group, started_by=deployment.id, network=revision.network,
            target_groups=revision.target_groups, images=revision.images,
            tags=propagated(service.settings["propagateTags"], service.tags, revision.definition),
            capacity=provider(revision.capacity, placed) if revision.capacity else "",
            serving=revision.serving, instance=self._instance(service) if revision.on_instances else "",
            registrations=discovery.registrations(self.cloud_map, revision.settings, revision.definition),
        )  # fmt: skip

    def new_id(self) -> str:
        return str(self.random.randrange(10**18, 10**19))

    # What the API asks for

    def add_task(
        self,
        cluster: str,
        definition: Definition,
        now: float,
        *,
        group: str,
        started_by: str,
        network: dict[str, Any],
        target_groups: Sequence[tuple[str, int]] = (),
        images: tuple[tuple[str, str, Any], ...] = (),
        overrides: dict[str, Any] | None = None,
        tags: list[dict[str, str]] | None = None,
        capacity: str = "",
        serving: str = "",
        instance: str = "",
        registrations: tuple[Registration, ...] = (),
    ) -> Task:
        """Start a task. ``serving`` is the container that takes requests; empty where nobody says."""
        there = (
            (name, image, None if manifest is not None and self.registry.is_gone(manifest) else manifest)
            for name, image, manifest in images or self.resolve(definition)
        )
        for container in definition.containers:
            self.registry.pulled(container["image"])
        identity = uuid.UUID(int=self.random.getrandbits(128), version=4).hex
        self._addresses += 1
        task = Task(
            id=identity,
            arn=f"{self.prefix}:task/{cluster}/{identity}",
            definition=definition,
            images=tuple(there),
            main=serving or definition.main(self.registry.host),
            group=group,
            started_by=started_by,
            created=now,
            address=f"10.0.{1 + self._addresses // 240 % 250}.{10 + self._addresses % 240}",
            network=network,
            overrides=overrides or {},
            tags=list(tags or ()),
            target_groups=tuple(target_groups),
            provider=capacity,
            instance=instance,
            registrations=registrations,
            due=inf,
        )
        task_lifecycle.advance(task, now, self.random, self.neighbours)
        self.live[task.arn] = self._of_group[task.cluster, task.group][task.arn] = task
        return task

    def stop_task(self, task: Task, now: float, code: str, reason: str) -> None:
        task_lifecycle.stop(task, now, code, reason, self.neighbours)
        owner = self._owner(task)
        if owner is not None:
            owner.changed = True

    def instances(self, cluster: str) -> list[str]:
        """Return the ARNs of the container instances of a cluster."""
        prefix = f"{self.prefix}:container-instance/{cluster}"
        return [f"{prefix}/{number:032x}" for number in range(1, self.clusters[cluster].instances + 1)]

    def _instance(self, service: Service) -> str:
        """Return the container instance that has the fewest tasks of the service."""
        taken = [task.instance for task in self.tasks_of(service) if task.alive]
        return min(self.instances(service.cluster), key=taken.count)

    def has_room(self, service: Service) -> bool:
        return bool(self.instances(service.cluster)) if service.revision.on_instances else self.capacity

    def resolve(self, definition: Definition) -> tuple[tuple[str, str, Any], ...]:
        """Return each container's name, its image reference, and the manifest that the reference names now."""
        return tuple(
            (container["name"], container["image"], self.registry.resolve(container["image"]))
            for container in definition.containers
        )

    def new_revision(
        self,
        service_arn: str,
        definition: Definition,
        settings: dict[str, Any],
        now: float,
    ) -> Revision:
        arn = service_arn.replace(":service/", ":service-revision/") + "/" + self.new_id()
        return Revision(arn, definition, self.resolve(definition), settings, now)

    def cluster(self, request: dict[str, Any]) -> ClusterRecord:
        """Return the cluster that a request names by name or ARN (``default`` when it names none)."""
        record = self.clusters.get(str(request.get("cluster") or "default").rsplit("/", 1)[-1])
        if record is None:
            raise AwsFault("ClusterNotFoundException", "Cluster not found.")
        return record

    def service(self, request: dict[str, Any]) -> Service:
        """Return the service that a request names by name or ARN. Raise ``AwsFault`` unless it is ACTIVE."""
        cluster = self.cluster(request)
        found = self.services.get((cluster.name, str(request["service"]).rsplit("/", 1)[-1]))
        if found is None:
            raise AwsFault("ServiceNotFoundException", "Service not found.")
        if found.status != "ACTIVE":
            raise AwsFault("ServiceNotActiveException", "Service was not ACTIVE.")
        return found

    # Time

    def due(self, now: float) -> float:
        """Return the time of the next change; ``now`` itself when something is to be done at once."""
        moments = [task.due for task in self.live.values()]
        for service in self.services.values():
            if service.changed:
                return now
            moments += self._moments(service)
        return min((moment for moment in moments if moment > now), default=inf)

    def live_through(self, now: float) -> None:
        """Let everything happen that is due at ``now``."""
        ended: list[Task] = []
        for task in [task for task in self.live.values() if task.due <= now]:
            was_alive = task.alive
            task_lifecycle.advance(task, now, self.random, self.neighbours)
            service = self._owner(task)
            if service is not None:
                service.changed = True
                if was_alive and not task.alive:
                    scheduler.task_ended(service, task, now, self.random)
            self._take_lines(task, now)
            if task.status == "STOPPED":
                self.ended[task.arn] = self.live.pop(task.arn)
                del self._of_group[task.cluster, task.group][task.arn]
                ended.append(task)
                self.on_end(task, now)
        for service in self.services.values():
            if service.changed or any(service.looked < moment <= now for moment in self._moments(service)):
                service.looked = now
                scheduler.reconcile(service, now, self)
                if service.status == "INACTIVE":
                    self.cloud_map.release(service.arn)
        for task in (*self.live.values(), *ended):
            if task.registrations:
                discovery.follow(self.cloud_map, task)
        self.on_moment([*self.live.values(), *ended], now)
        self._forget(now)

    def _moments(self, service: Service) -> list[float]:
        """Return the times at which the scheduler has something to do although nothing happens to the service."""
        return [service.primary.next_start, *(task.replaceable(service.grace) for task in self.tasks_of(service))]

    def _owner(self, task: Task) -> Service | None:
        if not task.group.startswith("service:"):
            return None
        return self.services.get((task.cluster, task.group.removeprefix("service:")))

    def _take_lines(self, task: Task, now: float) -> None:
        if task.news:
            lines, task.news = task.news, []
            self.on_lines(task, lines, now)

    def _forget(self, now: float) -> None:
        while self.ended:
            oldest = next(iter(self.ended.values()))
            if oldest.stopped is not None and oldest.stopped > now - STOPPED_TASKS_SECONDS:
                return
            del self.ended[oldest.arn]
