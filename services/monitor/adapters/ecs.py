"""An ECS service with its CloudWatch dimensions."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil

import structlog

from contracts.base import Target
from services._aws import ecs
from services._aws.ecs_task import EcsTask
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError, Missing
from services._aws.load_balancers import find_counted
from services._aws.measure_pace import measure_pace
from services._aws.reach import Counted, target_group_dimension
from services._chassis.aws import Aws
from services.monitor.domain.alarms import AlarmScope
from services.monitor.domain.history import Earlier
from services.monitor.domain.metrics import StoppedTask
from services.monitor.domain.rollout import START_SECONDS, Rollout
from services.monitor.domain.routes import Sharing
from services.monitor.domain.watched_service import CountedGroup, WatchedService
from services.monitor.ports import NotFound

FIRST_SECONDS = 60.0
"""A deployment that begins so soon after the service was created is its first."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Routes:
    """How users reach a service, as far as load balancers count their requests."""

    groups: tuple[CountedGroup, ...]
    shared: Mapping[str, Sharing]
    """Load balancer → why its own errors are not this service's alone."""
    read_at: float | None = None
    """When that was read; None: just now, or so long ago that it is to be read anew."""


@dataclass(frozen=True, slots=True)
class AwsEcs:
    aws: Aws

    async def watched(self, target: Target, known: WatchedService | None) -> WatchedService:
        return await self._watched(target, await self._service(target), known)

    async def stopped(self, target: Target) -> tuple[StoppedTask, ...]:
        return tuple(map(_stopped, await ecs.stopped_tasks(self.aws, target)))

    async def alarms_of_deployments(self, target: Target) -> frozenset[str]:
        return (await self._service(target)).alarm_names

    async def alarm_scope(self, target: Target) -> AlarmScope:
        service = await self._service(target)
        routes = await self._routes(target, service, None)
        return AlarmScope(target.cluster, target.service, routes.groups, service.alarm_names)

    async def _service(self, target: Target) -> EcsService:
        found = await ecs.find_service(self.aws, target)
        if isinstance(found, Missing):
            raise NotFound(found.why)
        return found

    async def _watched(self, target: Target, service: EcsService, known: WatchedService | None) -> WatchedService:
        routes = await self._routes(target, service, known)
        groups = routes.groups
        first = groups[0] if groups else None
        return WatchedService(
            cluster=target.cluster,
            service=target.service,
            load_balancer=first.load_balancer if first else None,
            target_group=first.target_group if first else None,
            others=groups[1:],
            shared=dict(routes.shared),
            routed_at=routes.read_at,
            uncounted=_uncounted(service, groups),
            wanted=service.desired,
            running=service.running,
            created_at=service.created_at or 0.0,  # a service of unknown age does not count as new
            alarms_of_ecs=service.alarm_names,
            rollout=await self._rollout(target, service, known.rollout if known else None),
        )

    async def _rollout(self, target: Target, service: EcsService, known: Rollout | None) -> Rollout | None:
        primary = service.primary
        if primary is None or primary.created_at is None:
            return None
        seen = known is not None and known.id == primary.id
        past = () if seen else await self._past(target, primary.created_at, service)
        found = Rollout(
            id=primary.id,
            began_at=primary.created_at,
            proven=_is_first(primary.created_at, service),
            earlier=(*past, *_listed(primary.created_at, service)),
            task_definition=primary.task_definition,
            running=primary.running,
            failed=primary.failed_tasks,
            replaces=tuple(deployment.id for deployment in service.deployments if deployment.id != primary.id),
            older=sum(deployment.running for deployment in service.deployments if deployment.id != primary.id),
            under_way=service.rolling_out,
            least=ceil(service.desired * service.minimum_percent / 100),
        )
        if found.least > 0:
            return found
        seconds = known.start_seconds if known and seen else await self._start_seconds(target, service)
        return found.model_copy(update={"start_seconds": seconds})

    async def _past(self, target: Target, began_at: float, service: EcsService) -> tuple[Earlier, ...]:
        """Return the deployments that ECS remembers; where it does not tell them, what looks have seen is known."""
        try:
            past = await ecs.past_deployments(self.aws, target)
        except AwsError as error:
            log.warning("earlier deployments are not known", target=str(target), why=str(error))
            return ()
        return tuple(
            _earlier(each.arn, each.created_at, began_at, service) for each in past if each.created_at is not None
        )

    async def _start_seconds(self, target: Target, service: EcsService) -> float:
        """Return how long the start of a task may take; what cannot be measured is no reason not to look."""
        name = service.task_definition
        try:
            found = await ecs.find_task_definition(self.aws, target, name) if name else None
            body = {} if found is None or isinstance(found, Missing) else found.body
            pace = await measure_pace(self.aws, target, service, body)
        except AwsError as error:
            log.warning("how long a start takes is not known", target=str(target), why=str(error))
            return START_SECONDS
        return max(START_SECONDS, pace.start + pace.per_batch)

    async def _routes(self, target: Target, service: EcsService, known: WatchedService | None) -> Routes:
        """Return the target groups through which users reach the service, if their load balancers count requests.

        Network load balancers count none, so for our rules a service behind one has no load balancer. What is known is
        kept where listeners and rules were read lately, and where AWS does not let them be read anew.
        """
        before = _known_routes(service, known)
        if before is not None and before.read_at is not None:
            return before
        try:
            found = await find_counted(self.aws, target, service.target_groups, service.alternate_groups)
        except AwsError as error:
            if before is None:
                raise
            log.warning("listeners and rules are not read anew", target=str(target), why=str(error))
            return before
        shared = {way.load_balancer: why for way in found if (why := _sharing(way, before))}
        return Routes(tuple(_counted(way, shared) for way in found), shared)


def _known_routes(service: EcsService, known: WatchedService | None) -> Routes | None:
    """Return what an earlier look has found, if the service has the same target groups as then."""
    if known is None or known.others is None or not known.groups:
        return None
    same = {*_dimensions(service)} == {*_names(known.groups), *known.uncounted}
    return Routes(known.groups, known.shared, known.routed_at) if same else None


def _counted(way: Counted, shared: Mapping[str, Sharing]) -> CountedGroup:
    return CountedGroup(
        load_balancer=way.load_balancer, target_group=way.target_group, shared=way.load_balancer in shared
    )


def _sharing(way: Counted, before: Routes | None) -> Sharing | None:
    """Return why others count behind a load balancer, too; where AWS does not say it for now, what it said before."""
    if way.shared is None:
        unknown = Sharing(why="who else uses it is not known: AWS did not say it")
        return unknown if before is None else before.shared.get(way.load_balancer)
    return Sharing(why=way.shared) if way.shared else None


def _dimensions(service: EcsService) -> tuple[str, ...]:
    return tuple(map(target_group_dimension, service.target_groups))


def _names(groups: Iterable[CountedGroup]) -> frozenset[str]:
    return frozenset(group.target_group for group in groups)


def _uncounted(service: EcsService, counted: Iterable[CountedGroup]) -> tuple[str, ...]:
    names = _names(counted)
    return tuple(name for name in _dimensions(service) if name not in names)


def _listed(began_at: float, service: EcsService) -> Iterator[Earlier]:
    """Yield the deployments that ECS still lists beside the newest one, which began at ``began_at``."""
    for each in service.deployments:
        if each.status != "PRIMARY" and each.created_at is not None:
            yield _earlier(each.id, each.created_at, began_at, service, each.task_definition)


def _earlier(id_: str, created_at: float, ended_at: float, service: EcsService, task_definition: str = "") -> Earlier:
    return Earlier(
        id=id_,
        task_definition=task_definition,
        began_at=created_at,
        ended_at=ended_at,
        proven=_is_first(created_at, service),
    )


def _is_first(began_at: float, service: EcsService) -> bool:
    """Return whether a deployment is the one with which the service began: there is nothing else that is usual."""
    return service.created_at is not None and began_at < service.created_at + FIRST_SECONDS


def _stopped(task: EcsTask) -> StoppedTask:
    codes = ", ".join(str(container.exit_code) for container in task.containers if container.exit_code is not None)
    return StoppedTask(
        deployment_id=task.deployment_id,
        stopped_at=task.stopped_at or 0.0,
        why=f"{task.reason[:300]}{f' (exit code {codes})' if codes else ''}",
        by_itself=task.ended_by_itself,
        taken_back=task.taken_back or task.stopped_by_somebody,
    )
