"""A migration as the API shows it."""

from typing import Literal

from contracts.base import Target
from contracts.migration import MigrationResult
from contracts.operations import Operation
from contracts.prose import Image, Prose
from contracts.recovery import ManualTrigger
from contracts.schema_status import SchemaStatus
from contracts.topics import Party
from services.recovery.domain.migration.log_secrets import words_shown
from services.recovery.domain.migration.meanwhile import lines_of, suspicion
from services.recovery.domain.migration.migration import Migration


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
    alerts: tuple[Prose, ...] = ()
    """A line for each critical alert of the service that was raised meanwhile, the oldest first."""
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
            sentence=" ".join(filter(None, (migration.remark, suspicion(migration)))),
            alerts=lines_of(migration),
            warnings=plan.warnings if plan else (),
            schema_before=migration.schema_before,
        )
