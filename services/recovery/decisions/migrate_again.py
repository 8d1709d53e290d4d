"""Takes in what this service has published of migrations: a Redis restored from an older copy may not know it."""

from datetime import datetime

from contracts.migration import MigrationFinished, MigrationStarted
from services._chassis.transition import Decision, Job, Timer
from services.recovery.decisions.migrate import MIGRATE, ended_operation, over
from services.recovery.domain.migration.migration import (
    MigrateWork,
    Migration,
    MigrationPlan,
    OneOff,
)
from services.recovery.domain.migration.migration_end import Ended
from services.recovery.domain.migration.migration_operation import MigrationOperation
from services.recovery.domain.protection import Protection


def started_again(protection: Protection, event: MigrationStarted, began_at: datetime) -> Decision:
    """Know a migration again that a Redis restored from an older copy does not know. It is followed, and not started.

    Its job begins once all is read (``follow``).
    """
    known = protection.migration
    if any(past.migration_id == event.migration_id for past in protection.past_migrations):
        return Decision()
    if known is not None:
        if known.migration_id != event.migration_id or known.called_at is not None:
            return Decision()
        report = {"called_at": began_at, "maybe_started": True, "schema_before": event.schema_before}
        called = known.model_copy(update={**report, "database": event.database})
        return Decision(protection.replace(migration=called).to_bytes())
    work = MigrateWork(target=event.target, migration_id=event.migration_id)
    migration = _known_by(event, began_at)
    return Decision(
        protection.replace(migration=migration).to_bytes(),
        timers=(Timer(_follow_id(event.migration_id), "follow", began_at.timestamp(), work.to_bytes()),),
        records=MigrationOperation.of(event.target, migration).record,
    )


def _known_by(event: MigrationStarted, began_at: datetime) -> Migration:
    family = event.task_definition.rpartition("/")[2].partition(":")[0]
    task = OneOff(family=family, task_definition=event.task_definition, container=event.container, image=event.image)
    return Migration(
        migration_id=event.migration_id,
        run_id=event.run_id,
        trigger=event.trigger,
        command=event.command,
        minutes=event.minutes,
        compatible=event.compatible,
        database=event.database,
        asked_at=began_at,
        plan=MigrationPlan(task=task, sentence=event.sentence),
        called_at=began_at,
        maybe_started=True,
        restored=True,
        schema_before=event.schema_before,
    )


def follow(protection: Protection, work: MigrateWork) -> Decision:
    """Begin the job of the migration under way, unless it has begun."""
    migration = protection.migration
    if migration is None or migration.migration_id != work.migration_id:
        return Decision()
    return Decision(jobs=(Job(work.migration_id, MIGRATE, work.to_bytes()),))


def finished_again(protection: Protection, event: MigrationFinished, ended_at: datetime) -> Decision:
    """Know again that a migration is over."""
    migration = protection.migration
    if migration is None or migration.migration_id != event.migration_id:
        return Decision()
    work = MigrateWork(target=event.target, migration_id=event.migration_id)
    ended = Ended(event.result, event.sentence, event.exit_code, event.schema_after, event.against)
    return Decision(
        over(protection, migration, ended, ended_at).to_bytes(),
        cancel_timers=(_follow_id(event.migration_id),),
        cancel_jobs=(event.migration_id,),
        records=ended_operation(work, migration, ended, ended_at, ()).record,
    )


def _follow_id(migration_id: str) -> str:
    return f"follow:{migration_id}"
