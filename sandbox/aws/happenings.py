"""What may happen to a world while it lives: as a scenario has it, or by hand."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandbox.aws.ecs import api as ecs
from sandbox.aws.ecs.life import INTERRUPTED
from sandbox.aws.faults import AwsFault
from sandbox.aws.images import Share
from sandbox.aws.moto_patches import database_is, subnets_are
from sandbox.aws.seed import CLUSTER, FAMILY, SERVICE, task_definition
from sandbox.aws.traffic import DATABASE
from sandbox.aws.world import World

MOST_TASKS = 20


class Impossible(ValueError):  # noqa: N818  it names what is the case
    """What is to happen cannot; the text says why."""


class Happening(BaseModel):
    """What is named happens at once; what is not named stays as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database: Literal["away", "back"] | None = None
    """The database itself."""
    capacity: Literal["gone", "back"] | None = None
    """Fargate has no room for another task."""
    subnets: Literal["full", "back"] | None = None
    """They have no address for another task."""
    secrets: Literal["gone", "back"] | None = None
    """ECS finds none of the secrets and parameters that task definitions name."""
    metrics_late: Annotated[float, Field(ge=0, le=3600)] | None = None
    """CloudWatch has a minute's metrics so many seconds late from now on."""
    events_lost: Share | None = None
    """Share of what EventBridge and alarms tell that nobody hears from now on."""
    interrupts: Annotated[int, Field(ge=1, le=MOST_TASKS)] | None = None
    """Fargate takes back so many of the tasks that run on Spot, the oldest first."""
    scale_to: Annotated[int, Field(ge=0, le=MOST_TASKS)] | None = None
    """An autoscaler, or a person, wants so many tasks."""
    deploys: str | None = None
    """A person deploys this tag past Surefoot."""

    @model_validator(mode="after")
    def _something_happens(self) -> Self:
        if not self.model_dump(exclude_none=True, exclude={"at"}):
            known = ", ".join(sorted(set(type(self).model_fields) - {"at"}))
            raise ValueError(f"nothing happens: name one of {known}")
        return self


def happen(world: World, what: Happening) -> None:
    """Let it happen to the first service and its surroundings, at the world's present; hold the world's lock.

    Raise ``Impossible`` where ECS, or what there is, does not let it. Nothing has changed around the service then.
    """
    wishes = what.model_dump(include=set(_EFFECTS), exclude_none=True)
    try:
        for name, effect in _EFFECTS.items():
            if name in wishes:
                effect(world, wishes[name])
    except AwsFault as refused:
        raise Impossible(f"ECS refuses it: {refused.message}") from refused


def _database(world: World, state: str) -> None:
    world.conditions.database = state == "back"
    database_is(DATABASE, "available" if world.conditions.database else "failed")


def _capacity(world: World, state: str) -> None:
    world.ecs.capacity = state == "back"


def _secrets(world: World, state: str) -> None:
    world.ecs.neighbours.secrets_gone = state == "gone"


def _metrics_late(world: World, seconds: float) -> None:
    world.conditions.metrics_late = seconds


def _events_lost(world: World, share: float) -> None:
    world.conditions.events_lost = share


def _interrupts(world: World, number: int) -> None:
    """ECS developer guide, "Amazon ECS clusters for Fargate", termination notices of Fargate Spot."""
    spot = [task for task in world.ecs.live.values() if task.alive and task.provider == "FARGATE_SPOT"]
    if len(spot) < number:
        raise Impossible(f"{len(spot)} tasks run on Spot, so that {number} cannot be taken back")
    for task in sorted(spot, key=lambda task: task.created)[:number]:
        world.ecs.stop_task(task, world.now, INTERRUPTED, "Your Spot Task was interrupted.")


def _scale_to(world: World, tasks: int) -> None:
    _update(world, desiredCount=tasks)


def _deploys(world: World, tag: str) -> None:
    if tag not in world.registry.tags:
        raise Impossible(f"there is no image {tag}; there are {', '.join(sorted(world.registry.tags))}")
    wanted = {**task_definition(f"{world.registry.uri}:{tag}"), "family": FAMILY}
    made = ecs.call(world.ecs, "RegisterTaskDefinition", wanted, world.now)
    _update(world, taskDefinition=made["taskDefinition"]["taskDefinitionArn"])


def _update(world: World, **changes: object) -> None:
    ecs.call(world.ecs, "UpdateService", {"cluster": CLUSTER, "service": SERVICE, **changes}, world.now)


# those that can be refused come first
_EFFECTS: dict[str, Callable[[World, Any], None]] = {
    "deploys": _deploys,
    "scale_to": _scale_to,
    "interrupts": _interrupts,
    "database": _database,
    "capacity": _capacity,
    "subnets": lambda _, state: subnets_are(full=state == "full"),
    "secrets": _secrets,
    "metrics_late": _metrics_late,
    "events_lost": _events_lost,
}
