"""The state of a migration: who asked for what, which task does it, and how far it is."""

from datetime import datetime
from typing import Any, Literal

from contracts.base import Contract, Target, caused_id
from contracts.deployment import Override
from contracts.migration import MigrationResult
from contracts.operations import Operation
from contracts.prose import Image, Plain, Prose
from contracts.recovery import ManualTrigger, Trigger
from contracts.schema_status import SchemaStatus
from contracts.state import State
from contracts.topics import Party
from services.recovery.domain.migration.log_secrets import words_shown

MOST_PAST_MIGRATIONS = 20
"""How many ended migrations of a target are kept."""


class LogPlace(Contract):
    """Where the log of the container that migrates can be read."""

    group: str
    prefix: str
    """The begin of the stream's name; the container's name and the task's id follow."""
    container: str


class OneOff(Contract):
    """The one task as RunTask is asked for it. It holds names alone: no value of an environment."""

    family: str
    task_definition: str
    """Its ARN."""
    container: str
    image: Image
    launch_type: str = ""
    """FARGATE, EC2 or EXTERNAL; empty where ``providers`` say where it runs."""
    providers: tuple[dict[str, Any], ...] = ()
    platform_version: str = ""
    network: dict[str, Any] | None = None
    """``awsvpcConfiguration``, as the service has it; None where its tasks have no interface of their own."""


class MigrationPlan(Contract):
    """What is about to run: remembered before the first call."""

    task: OneOff
    log: LogPlace | None = None
    """None where nobody can read it."""
    sentence: Prose
    warnings: tuple[Prose, ...] = ()


class Migration(Contract):
    """A migration, from its begin until its task has stopped."""

    migration_id: str
    run_id: str | None = None
    trigger: Trigger
    command: tuple[str, ...]
    """The words that were asked for; what looks like a secret in them is not shown."""
    container: Plain = ""
    """The container that migrates; empty: the one that serves, or the only one."""
    images: dict[str, Image] | None = None
    """Container name → image to run, or an empty name for the container that migrates; None: what is live, or what the
    task definition says."""
    task_definition: str | None = None
    """Runs with this one's settings; None: with those that are live."""
    minutes: float
    at_limit: Literal["leave", "stop"] = "leave"
    asked_at: datetime
    overrides: tuple[Override, ...] = ()
    compatible: bool = False
    """Whether the version before works with the schema that it leaves: then one can go back over it."""
    plan: MigrationPlan | None = None
    """None until recovery has looked at the service: then no task was asked for yet."""
    schema_before: SchemaStatus | None = None
    """What the application told of its schema when it was planned."""
    called_at: datetime | None = None
    """When RunTask was about to be called first, written before: its answer may be lost."""
    maybe_started: bool = False
    """Whether a call of RunTask has had no clear answer, so that a task may run of which nothing is known."""
    restored: bool = False
    """Whether it is known by its event alone, from a Redis of before it: it is followed, and never started."""
    task_arn: str = ""
    running_since: datetime | None = None
    stopped_at_limit: bool = False
    """Whether Surefoot has asked ECS to stop it since its time was over; written before."""
    answered: bool = False
    """Whether those who wait for it were told that its time is over, while it goes on."""

    @property
    def phase(self) -> Literal["preparing", "starting", "running"]:
        if self.running_since is not None:
            return "running"
        return "starting" if self.called_at is not None else "preparing"

    @property
    def token(self) -> str:
        """Return what RunTask knows the task by, as its client token and as who started it: one for each migration."""
        return caused_id(self.migration_id, "task")


class PastMigration(Contract):
    """A migration that is over, or was refused."""

    migration_id: str
    run_id: str | None = None
    asked_at: datetime
    ended_at: datetime
    result: MigrationResult
    sentence: Prose
    image: Image = ""
    exit_code: int | None = None
    compatible: bool = False
    schema_before: SchemaStatus | None = None
    schema_after: SchemaStatus | None = None
    against: Plain = ""
    """The gate that speaks against it although it ended with exit code 0; empty where none does."""


class SchemaChanged(Contract):
    """The newest migration over which one cannot go back: nobody calls it compatible, and it has run, or may have.

    What was captured before it was asked for is of the schema before it.
    """

    migration_id: str
    asked_at: datetime

    @property
    def clause(self) -> str:
        when = f"{self.asked_at:%Y-%m-%d %H:%M} UTC"
        return f"the migration of {when} may have changed the schema since, and nobody calls it compatible"


class MigrateWork(State):
    """The payload of a migration's job."""

    target: Target
    migration_id: str


class MigrationOperation(Operation):
    """A migration as the API shows it, for 31 days."""

    kind: Literal["migration"] = "migration"
    migration_id: str
    run_id: str | None = None
    command: tuple[Prose, ...] = ()
    image: Image = ""
    phase: Literal["preparing", "starting", "running", "over"] = "preparing"
    overdue: bool = False
    """Whether its time is over and it goes on."""
    result: MigrationResult | None = None
    exit_code: int | None = None
    task_arn: str = ""
    log: tuple[Prose, ...] = ()
    """The last lines of its log, the oldest first."""
    warnings: tuple[Prose, ...] = ()
    schema_before: SchemaStatus | None = None
    schema_after: SchemaStatus | None = None

    @classmethod
    def of(cls, target: Target, migration: Migration) -> "MigrationOperation":
        trigger, plan = migration.trigger, migration.plan
        return cls(
            operation_id=migration.migration_id,
            kind="migration",
            target=target,
            started_at=migration.asked_at,
            actor=trigger.actor if isinstance(trigger, ManualTrigger) else Party.RECOVERY.value,
            reason=trigger.reason if isinstance(trigger, ManualTrigger) else trigger.summary,
            migration_id=migration.migration_id,
            run_id=migration.run_id,
            command=words_shown(migration.command),
            image=plan.task.image if plan else "",
            phase=migration.phase,
            overdue=migration.answered,
            task_arn=migration.task_arn,
            warnings=plan.warnings if plan else (),
            schema_before=migration.schema_before,
        )
