"""The state of a migration: who asked for what, which task does it, and how far it is."""

from datetime import datetime
from typing import Any, Literal

from contracts.base import Contract, Target, caused_id
from contracts.deployment import Override
from contracts.migration import MigrationResult
from contracts.monitor import CriticalAlert
from contracts.prose import Image, Plain, Prose
from contracts.recovery import Trigger
from contracts.schema_status import SchemaStatus
from contracts.state import State

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


class AlertMeanwhile(Contract):
    """A critical alert of the service that fired while its migration went on."""

    alert_id: str
    rule: Plain
    began_at: datetime
    """When the monitor first saw the rule broken."""
    window_until: datetime | None = None
    """The end of the window that broke it; None where that was not measured."""
    detail: Prose
    """The value and the limit, in the monitor's words."""
    database: Prose = ""
    """What the monitor has seen of the database that the policy names; empty where it saw nothing wrong."""
    over_at: datetime | None = None
    """None while it fires."""


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
    on_alert: Literal["follow", "stop"] = "follow"
    asked_at: datetime
    overrides: tuple[Override, ...] = ()
    compatible: bool = False
    """Whether the version before works with the schema that it leaves: then one can go back over it."""
    database: Plain = ""
    """The database that it was given, as the policy names it; empty until it is planned, and where none is named."""
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
    remark: Prose = ""
    """What is to be said of it while it goes on, in sentences."""
    alerts: tuple[AlertMeanwhile, ...] = ()
    """The service's critical alerts that were raised since it was asked for, the newest last."""
    stopped_on_alert: bool = False
    """Whether Surefoot has asked ECS to stop it since such an alert fires; written before."""
    seen_ended_at: datetime | None = None
    """When it was first seen that its task has ended well while such an alert stands; the run waits from then on."""

    @property
    def phase(self) -> Literal["preparing", "starting", "running"]:
        if self.running_since is not None:
            return "running"
        return "starting" if self.called_at is not None else "preparing"

    @property
    def overridden(self) -> frozenset[str]:
        """Return the gates that are overridden."""
        return frozenset(override.gate for override in self.overrides)

    @property
    def counts_from(self) -> datetime:
        """Return the time from which its minutes count."""
        return self.called_at or self.asked_at

    @property
    def limit(self) -> float:
        """Return when its time is over, in epoch seconds."""
        return self.counts_from.timestamp() + self.minutes * 60

    @property
    def stopped_since(self) -> str:
        """Return why Surefoot has asked ECS to stop it, as a clause; empty where it has not."""
        if self.stopped_at_limit:
            return "its time was over"
        return "critical alerts fired that began after its task" if self.stopped_on_alert else ""

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

    def explains(self, alert: CriticalAlert) -> bool:
        """Return whether minutes in which it was under way broke the alert's rule."""
        first = alert.window_from or alert.began_at
        return self.result != "did_not_start" and first <= self.ended_at and alert.began_at >= self.asked_at


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
