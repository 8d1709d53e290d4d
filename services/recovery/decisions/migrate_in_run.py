"""Begins the migration of a run, once, and answers the run."""

from datetime import datetime

from contracts.deployment import Cause
from contracts.gates import Gate
from contracts.migration import BEGUN, Migrate
from contracts.policy import Recovery
from contracts.recovery import CommandTrigger
from services._chassis.commands import Command
from services._chassis.transition import Decision, Emit
from services.recovery.decisions.migrate import MIGRATE, begin_migration
from services.recovery.decisions.migrate_answer import answer_of
from services.recovery.domain.migration.migration import MigrateWork, Migration, PastMigration
from services.recovery.domain.migration.migration_end import UNTOUCHED, Ended
from services.recovery.domain.protection import Protection


def migrate_for_run(
    protection: Protection, command: Migrate, asked: Command, recovery: Recovery, now: datetime
) -> Decision:
    """Begin the one migration of a run, or answer what has become of it; refused unless recovery stands ready."""
    past = next((past for past in protection.past_migrations if past.run_id == command.run_id), None)
    if past is not None:
        return Decision(emit=(_again(asked, past),))
    migration = protection.migration
    if migration is not None and migration.run_id == command.run_id:
        return Decision()  # its job answers
    if (why := _why_not(protection, command, now)) is not None:
        return Decision(emit=(_refused(asked, why),))
    begun = _migration(command, asked, recovery, now)
    work = MigrateWork(target=command.target, migration_id=asked.id)
    return begin_migration(protection, command.target, begun, asked.job(MIGRATE, work.to_bytes()))


def _migration(command: Migrate, asked: Command, recovery: Recovery, now: datetime) -> Migration:
    wanted = command.migration
    return Migration(
        migration_id=asked.id,
        run_id=command.run_id,
        trigger=CommandTrigger(reason=f"the migration of run {command.run_id}"),
        command=wanted.command,
        container=wanted.container,
        images=command.images or None,
        task_definition=command.task_definition,
        minutes=wanted.timeout_minutes or recovery.migration_minutes,
        at_limit=recovery.migration_at_limit,
        on_alert=recovery.migration_on_alert,
        asked_at=now,
        overrides=command.overrides,
        compatible=wanted.compatible,
    )


def _why_not(protection: Protection, command: Migrate, now: datetime) -> str | None:
    held = protection.armed_for(command.run_id, now)
    if protection.rollback is not None or held is None:
        return "Recovery is not armed for this run, so nothing may be migrated."
    if held.change is not None:
        return "This run has made its change already, and its migration comes before that."
    if protection.migration is not None:
        return f"{protection.migration.migration_id} is under way on this service."
    return None


def _refused(asked: Command, why: str) -> Emit:
    summary = f"{why} {UNTOUCHED}"
    return asked.failed(summary, Cause.REFUSED, Gate.true(BEGUN, holds=False, detail=summary))


def _again(asked: Command, past: PastMigration) -> Emit:
    return answer_of(asked, Ended(past.result, past.sentence, past.exit_code, past.schema_after, past.against))
