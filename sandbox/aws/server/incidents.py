"""Brings incidents about, which a scenario schedules or a person asks for."""

from collections.abc import Callable
from math import inf
from typing import Any

from sandbox.aws.ecs import api as ecs
from sandbox.aws.ecs.services import Service
from sandbox.aws.ecs.task_lifecycle import INTERRUPTED
from sandbox.aws.errors import AwsFault
from sandbox.aws.moto.patches import database_is, subnets_are
from sandbox.aws.server.deletion import delete
from sandbox.aws.stacks.stacks import STACK_TAG, Stack
from sandbox.aws.trail.callers import CALLERS
from sandbox.aws.world.conditions import Crowd
from sandbox.aws.world.world import World
from sandbox.scenarios.incident import By, Incident


class Impossible(ValueError):
    """The incident cannot happen; the text says why."""


def bring_about(world: World, incident: Incident) -> None:
    """Let it happen to the service and its surroundings, at the world's present; hold the world's lock.

    Raise ``Impossible`` where ECS, or what there is, does not let it. Nothing has changed around the service then.
    """
    wishes = incident.model_dump(include={*_TO_SERVICE, *_EFFECTS}, exclude_none=True)
    try:
        for name, change in _TO_SERVICE.items():
            if name in wishes:
                change(world, _service(world, incident.service), wishes[name], incident.by)
        for name, effect in _EFFECTS.items():
            if name in wishes:
                effect(world, wishes[name])
    except AwsFault as refused:
        raise Impossible(f"ECS refuses it: {refused.message}") from refused


def _database(world: World, state: str) -> None:
    world.conditions.database = world.ecs.neighbours.database = state == "back"
    database_is(world.workload.place, world.workload.database, "available" if world.conditions.database else "failed")


def _capacity(world: World, state: str) -> None:
    world.ecs.capacity = state == "back"


def _secrets(world: World, state: str) -> None:
    world.ecs.neighbours.secrets_gone = state == "gone"


def _metrics_late(world: World, seconds: float) -> None:
    world.conditions.metrics_late = seconds


def _events_lost(world: World, share: float) -> None:
    world.conditions.events_lost = share


def _interrupts(world: World, number: int) -> None:
    """Interrupt tasks on Spot, by ECS developer guide, "Amazon ECS clusters for Fargate", termination notices."""
    spot = [task for task in world.ecs.live.values() if task.alive and task.provider == "FARGATE_SPOT"]
    if len(spot) < number:
        raise Impossible(f"{len(spot)} tasks run on Spot, so that {number} cannot be taken back")
    for task in sorted(spot, key=lambda task: task.created)[:number]:
        world.ecs.stop_task(task, world.now, INTERRUPTED, "Your Spot Task was interrupted.")


def _trail_late(world: World, seconds: float) -> None:
    world.conditions.trail_late = seconds


def _scale_to(world: World, service: Service, tasks: int, by: By) -> None:
    _update(world, service, by, desiredCount=tasks)
    if by == "autoscaler":
        cause = "monitor alarm TargetTracking-service/AlarmHigh in state ALARM triggered policy cpu"
        resource = f"service/{service.cluster}/{service.name}"
        world.activities.add(world.now, resource, f"Setting desired count to {tasks}.", cause)


def _users(world: World, service: Service, times: float, by: By) -> None:
    del by
    world.conditions.crowds[f"{service.cluster}/{service.name}"] = Crowd(times, service.desired)


def _deploys(world: World, service: Service, tag: str, by: By) -> None:
    """Let somebody deploy a tag: what runs now, with another image for the main container."""
    if tag not in world.registry.tags:
        raise Impossible(f"there is no image {tag}; there are {', '.join(sorted(world.registry.tags))}")
    running = service.revision.definition
    main = service.revision.serving or running.main(world.registry.host)
    image = f"{world.registry.uri}:{tag}"
    containers = [{**body, "image": image} if body["name"] == main else body for body in running.containers]
    stack = world.stacks.of(service) if by in _STACKS else None
    tags = [tag for tag in running.tags if tag["key"] != STACK_TAG]
    tags += [{"key": STACK_TAG, "value": stack.name}] if stack is not None else []
    wanted = {**running.body, "containerDefinitions": containers, "tags": tags}
    made = ecs.call(world.ecs, "RegisterTaskDefinition", wanted, world.now)["taskDefinition"]["taskDefinitionArn"]
    _update(world, service, by, taskDefinition=made)
    if stack is not None:
        world.stacks.updates(stack, made, world.now)


def bring_back(world: World, service: Service, version: str) -> None:
    """Have CloudFormation bring a version of its stack back."""
    _update(world, service, "cloudformation", taskDefinition=version)


def _stack(world: World, service: Service, status: str, by: By) -> None:
    del by
    stack = _stack_of(world, service)
    stack.status, stack.goes_back_at, stack.looks_at = status, inf, inf


def _stack_goes_back(world: World, service: Service, after: float, by: By) -> None:
    del by
    world.stacks.goes_back(_stack_of(world, service), world.now, after)


def _stack_of(world: World, service: Service) -> Stack:
    stack = world.stacks.of(service)
    if stack is None:
        raise Impossible(f"the service {service.name} belongs to no stack")
    return stack


def _deletes_image(world: World, tag: str) -> None:
    if tag not in world.registry.tags:
        raise Impossible(f"there is no image {tag}; there are {', '.join(sorted(world.registry.tags))}")
    world.registry.delete(tag)


def _service(world: World, name: str | None) -> Service:
    """Return the service of this name, by default the first one."""
    if name is None:
        return world.ecs.service({"cluster": world.workload.cluster, "service": world.workload.service})
    named = [service for service in world.ecs.services.values() if service.name == name]
    if not named:
        raise Impossible(f"there is no service {name}")
    return named[0]


def _update(world: World, service: Service, by: By, **changes: object) -> None:
    asked = {"cluster": service.cluster, "service": service.name, **changes}
    world.ecs.begun.clear()
    ecs.call(world.ecs, "UpdateService", asked, world.now)
    caller = CALLERS[by](world.workload.place.account)
    world.trail.add(world.now, "ecs", "UpdateService", asked, caller, ", ".join(world.ecs.begun))


_STACKS = frozenset({"cloudformation", "cdk"})
"""Who deploys by a stack."""
# those that can be refused come first
_TO_SERVICE: dict[str, Callable[[World, Service, Any, By], None]] = {
    "deploys": _deploys,
    "scale_to": _scale_to,
    "users": _users,
    "stack": _stack,
    "stack_goes_back": _stack_goes_back,
    "deletes": lambda world, service, what, _: delete(world, service, what),
}
_EFFECTS: dict[str, Callable[[World, Any], None]] = {
    "interrupts": _interrupts,
    "deletes_image": _deletes_image,
    "database": _database,
    "capacity": _capacity,
    "subnets": lambda world, state: subnets_are(world.workload.place, full=state == "full"),
    "secrets": _secrets,
    "metrics_late": _metrics_late,
    "trail_late": _trail_late,
    "events_lost": _events_lost,
}
