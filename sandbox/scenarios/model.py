"""The format of scenarios. Times are product seconds, counted from the request unless said otherwise."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from contracts.deployment import Cause, DeploymentConfig, Outcome
from contracts.migration_asked import MigrationAsked
from contracts.monitor import SERVICE_ALARMS, CriticalRule
from contracts.suggest import did_you_mean
from sandbox.scenarios.behaviour import Behaviour
from sandbox.scenarios.frozen import Frozen
from sandbox.scenarios.harm import ScheduledRule
from sandbox.scenarios.people import Act, PlannedDrill, PlannedRecreation
from sandbox.scenarios.world import World

ServiceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+/[A-Za-z0-9_-]+$")]
"""``cluster/service``."""
ANSWER = r"^(pause|resume|approve|reject|abort|release|rollback): (done|refused)$"
ALERTS = (*CriticalRule, SERVICE_ALARMS)


def _alert(name: str) -> str:
    if name not in ALERTS:
        raise ValueError(f"there is no critical alert {name[:100]}{did_you_mean(name, ALERTS)}")
    return name


class Config(DeploymentConfig):
    """The ``deployment_config`` of the request, in which unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


class Change(Frozen):
    """What the request changes, where it is not simply the scenario's image."""

    image: str | None = None
    """A tag of the sandbox's repository, or a whole reference."""
    by_digest: bool = False
    """Whether the request names the image by its digest, and not by its tag."""
    container: str | None = None
    """The container that gets the image; may be left out where the task definition has one only."""
    task_definition: str | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.task_definition is None) == (self.image is None and self.container is None):
            raise ValueError("a change is an image, for a container, or a task_definition")
        return self


class Expected(Frozen):
    """The expected end; fields that are not set may have any value."""

    outcome: Outcome
    cause: Cause | None = None
    says: tuple[str, ...] = ()
    """Texts that the reason must contain."""
    without: tuple[str, ...] = ()
    """Texts that the reason must not contain."""
    rolled_back_by: Literal["surefoot", "ecs", "other"] | None = None
    changes: Annotated[int, Field(ge=0)] | None = None
    """Deployments that Surefoot itself begins at AWS, its rollbacks included."""
    watch: Annotated[float, Field(ge=0, le=14_400)] = 0
    """Seconds after the end for which events are still counted."""
    alerts: frozenset[Annotated[str, AfterValidator(_alert)]] | None = None
    """Rules of the critical alerts that are raised, from the request until the watch is over."""
    decisions: frozenset[Annotated[str, Field(pattern=r"^(acted|declined|people-called)/[a-z-]+$")]] | None = None
    """``DECISION/REASON`` of what recovery decides on alerts outside a run until the watch is over."""
    scalings: frozenset[Annotated[str, Field(pattern=r"^(acted|declined|people-called)/[a-z-]+$")]] | None = None
    """``DECISION/REASON`` of what recovery decides on emergency scalings until the watch is over."""
    scaled_to: Annotated[int, Field(ge=0)] | None = None
    """The tasks that emergency scalings have wanted at most; 0: there was none."""
    wants: Annotated[int, Field(ge=0)] | None = None
    """The desired count of the service when the watch is over."""
    live: str | None = None
    """Tag or reference of the image that the service's newest deployment runs when the watch is over."""
    drifted: bool | None = None
    """Whether the service differs from its last good snapshot when the watch is over."""
    ready: bool | None = None
    """Whether one can then go back to the last good snapshot and to the one before it."""
    moves: tuple[Annotated[str, Field(pattern=r"^(version|count|limits): [a-z-]+$")], ...] | None = None
    """What recovery tells of those who have changed the service, as ``WHAT: BY``, in the order of time, with each mover
    as far as it is known when the watch is over. What an autoscaler does is not told."""
    issues: frozenset[str] | None = None
    """Kinds of issues that others than a look of diagnostics have told and that stand when the watch is over."""
    warnings: frozenset[str] | None = None
    """Rules of warnings that must be among those that are raised, until the watch is over."""
    fires: frozenset[str] | None = None
    """Rules of Surefoot's own alarms that are in ALARM at some time, from the request until the watch is over."""
    answers: tuple[Annotated[str, Field(pattern=ANSWER)], ...] | None = None
    """What became of each verb that ``people`` ask for, in order."""
    newer: tuple[Outcome, ...] | None = None
    """How the newer runs end that ``people`` ask for, in order."""
    drills: tuple[Annotated[str, Field(pattern=r"^[a-z]+: (measured|stopped|failed|refused)$")], ...] | None = None
    """How each drill ends before the watch is over, as ``PLAN: RESULT``, in order; those that are refused last."""
    recreated: Literal["recreated", "failed", "refused"] | None = None
    """How making the service again ends before the watch is over."""
    recreated_within: Annotated[float, Field(gt=0, le=14_400)] | None = None
    """Product seconds from its approval until it serves again."""
    armed: frozenset[ServiceName] | None = None
    """The services over which alarms of Surefoot's own stand when the watch is over."""

    @property
    def of_moves(self) -> bool:
        """Return whether anything is expected of who changes the service."""
        return (self.moves, self.issues, self.warnings) != (None, None, None)


class Scenario(Frozen):
    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
    """Name of the file, and tag of the image."""
    teaches: Annotated[str, Field(min_length=1)]
    """One sentence."""
    change: Literal["image", "observe", "check_up"] | Change = "image"
    """What is asked for: the scenario's image, another change, or none: to observe the deployment under way
    (``observe``), or that if there is one and else to check what is live (``check_up``)."""
    also: tuple[ServiceName, ...] = ()
    """Services that Surefoot deploys afterwards, with the same change; each must end with the same outcome."""
    migration: MigrationAsked | None = None
    """The migration that the request names, before its change."""
    overrides: Mapping[str, str] = {}
    """Gate → the reason for which it is overridden."""
    image: Behaviour = Behaviour()
    running: Behaviour | None = None
    """The behaviour of the version that runs, tag ``1.0``. None: a healthy one."""
    world: World = World()
    harm: tuple[ScheduledRule, ...] = ()
    """Calls of AWS that fail, are slow, or are answered in part."""
    people: tuple[Act, ...] = ()
    """What persons do with the run meanwhile."""
    drills: tuple[PlannedDrill, ...] = ()
    """Recovery plans that are tried on the service once the run is over; the watch must last as long."""
    recreation: PlannedRecreation | None = None
    """Asks for the service to be made again once the run is over; the watch must last as long."""
    config: Config = Config()
    policy: Mapping[str, Any] | None = None
    """A policy as in a policy file. One that is given with the command wins."""
    expect: Expected

    @model_validator(mode="after")
    def _knows_its_services(self) -> Self:
        names = {service.name for service in self.world.services}
        if unknown := [name for name in self.also if name not in names]:
            raise ValueError(f"also: there is no service {unknown[0]}; there are {', '.join(sorted(names))}")
        return self
