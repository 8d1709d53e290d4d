"""Begins a migration, keeps what is planned and started, and ends it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from contracts.base import Target, caused_id
from contracts.migration import QUIET, MigrationFinished, MigrationStarted
from contracts.prose import prose
from contracts.schema_status import SchemaStatus
from services._chassis.transition import Decision, Emit, Job, Transition
from services.recovery.decisions.drill import goes_first
from services.recovery.decisions.migrate_answer import answer_to_run, overdue_answer
from services.recovery.domain.migration.log_secrets import words_shown
from services.recovery.domain.migration.meanwhile import with_alerts
from services.recovery.domain.migration.migration import (
    MOST_PAST_MIGRATIONS,
    MigrateWork,
    Migration,
    MigrationPlan,
    PastMigration,
    SchemaChanged,
)
from services.recovery.domain.migration.migration_end import Ended, did_not_start, not_known
from services.recovery.domain.migration.migration_operation import MigrationOperation
from services.recovery.domain.protection import Protection, key_of

MIGRATE = "migrate"
"""The kind of the job that starts a migration's task and follows it."""


def why_not_migrate(protection: Protection, now: datetime) -> str:
    """Return why no migration may begin outside a run, as a clause; empty where one may."""
    if protection.migration is not None:
        return f"{protection.migration.migration_id} is under way on this service"
    if protection.rollback is not None:
        return f"{protection.rollback.rollback_id} is under way on this service"
    held = protection.arm
    if held is not None and held.active(now):
        until = f"{held.expires_at:%H:%M:%S} UTC"
        return f"run {held.run_id} is armed on this service until {until}; wait for its end, or abort it"
    return ""


def begin_migration(protection: Protection, target: Target, migration: Migration, job: Job | None = None) -> Decision:
    """Begin a migration: state, job and operation; a drill ends. The caller has made sure that it may.

    ``job``: one that answers the run's command as well; None outside a run.
    """
    work = MigrateWork(target=target, migration_id=migration.migration_id)

    def begin(free: Protection) -> Decision:
        return Decision(
            free.replace(migration=migration).to_bytes(),
            jobs=(job or Job(migration.migration_id, MIGRATE, work.to_bytes()),),
            records=MigrationOperation.of(target, migration).record,
        )

    return goes_first(protection, target, f"{migration.migration_id} goes first", migration.asked_at, begin)


def note_plan(
    work: MigrateWork, plan: MigrationPlan, schema: SchemaStatus | None = None, database: str = ""
) -> Transition:
    """Remember what is to run, and publish that, before a task is asked for.

    ``schema``: what the application tells of its schema; None where it was not asked. ``database``: the one that it
    was given.
    """

    def decide(protection: Protection, migration: Migration) -> Decision:
        if migration.plan is not None:
            return Decision()
        known = {"plan": plan, "schema_before": schema, "database": database, "remark": ""}
        noted = migration.model_copy(update=known)
        event = MigrationStarted(
            target=work.target,
            migration_id=work.migration_id,
            run_id=migration.run_id,
            command=words_shown(migration.command),
            image=plan.task.image,
            container=plan.task.container,
            task_definition=plan.task.task_definition,
            sentence=prose(" ".join((plan.sentence, *plan.warnings))),
            minutes=migration.minutes,
            compatible=migration.compatible,
            trigger=migration.trigger,
            schema_before=noted.schema_before,
            database=database,
        )
        return Decision(
            protection.replace(migration=noted).to_bytes(),
            emit=(Emit(event, caused_id(work.migration_id, "migration-started")),),
            records=MigrationOperation.of(work.target, noted).record,
        )

    return of_migration(work, decide)


def note(work: MigrateWork, **changes: Any) -> Transition:
    """Keep how far a migration is, so that any executor can go on."""

    def decide(protection: Protection, migration: Migration) -> Decision:
        noted = migration.model_copy(update=changes)
        if noted == migration:
            return Decision()
        return Decision(
            protection.replace(migration=noted).to_bytes(), records=MigrationOperation.of(work.target, noted).record
        )

    return of_migration(work, decide)


def over_time(work: MigrateWork, sentence: str) -> Transition:
    """Tell those who wait for a migration that its time is over while it goes on."""

    def decide(protection: Protection, migration: Migration) -> Decision:
        if migration.answered:
            return Decision()
        overdue = migration.model_copy(update={"answered": True, "remark": prose(sentence)})
        return Decision(
            protection.replace(migration=overdue).to_bytes(),
            emit=overdue_answer(work.target, migration, sentence),
            records=MigrationOperation.of(work.target, overdue).record,
        )

    return of_migration(work, decide)


def end_migration(
    work: MigrateWork, seen: Ended, now: datetime, lines: tuple[str, ...] = (), *, answers: bool = True
) -> Transition:
    """End a migration, whatever has become of it; its log is kept with its operation.

    The alerts that the state knows by then count (``with_alerts``). ``answers``: whether the run that has asked for it
    is answered; not where the chassis does.
    """

    def decide(protection: Protection, migration: Migration) -> Decision:
        ended = with_alerts(seen, migration)
        image = migration.plan.task.image if migration.plan else ""
        event = MigrationFinished(
            target=work.target,
            migration_id=work.migration_id,
            run_id=migration.run_id,
            result=ended.result,
            sentence=prose(ended.sentence),
            exit_code=ended.exit_code,
            image="" if ended.result == "did_not_start" else image,
            schema_before=migration.schema_before,
            schema_after=ended.schema,
            against=ended.against,
        )
        answer = answer_to_run(work.target, migration, ended) if answers else ()
        return Decision(
            over(protection, migration, ended, now).to_bytes(),
            emit=(Emit(event, caused_id(work.migration_id, "migration-finished")), *answer),
            records=ended_operation(work, migration, ended, now, lines).record,
        )

    return of_migration(work, decide)


def lost(work: MigrateWork, why: str, now: datetime) -> Transition:
    """End a migration whose job has failed for good. ``why`` ends a sentence that begins with the work."""

    def decide(protection: Protection, migration: Migration) -> Decision:
        asked = migration.called_at is not None
        ended = not_known(f"its job {why}") if asked else did_not_start(f"its job {why}")
        return end_migration(work, ended, now, answers=False).decide(protection.to_bytes())

    return of_migration(work, decide)


def over(protection: Protection, migration: Migration, ended: Ended, now: datetime) -> Protection:
    """Return the protection without its migration, which is over."""
    past = PastMigration(
        migration_id=migration.migration_id,
        run_id=migration.run_id,
        asked_at=migration.asked_at,
        ended_at=now,
        result=ended.result,
        sentence=prose(ended.sentence),
        image=migration.plan.task.image if migration.plan else "",
        exit_code=ended.exit_code,
        compatible=migration.compatible,
        schema_before=migration.schema_before,
        schema_after=ended.schema,
        against=ended.against,
    )
    known = (*protection.past_migrations, past)[-MOST_PAST_MIGRATIONS:]
    changed = protection.schema_changed
    if ended.result != "did_not_start" and (ended.against not in {"", QUIET} or not migration.compatible):
        changed = SchemaChanged(migration_id=migration.migration_id, asked_at=migration.asked_at)
    return protection.replace(migration=None, past_migrations=known, schema_changed=changed)


def ended_operation(
    work: MigrateWork, migration: Migration, ended: Ended, now: datetime, lines: tuple[str, ...]
) -> MigrationOperation:
    operation = MigrationOperation.of(work.target, migration)
    own = {
        "result": ended.result, "exit_code": ended.exit_code, "log": lines, "phase": "over", "overdue": False,
        "schema_after": ended.schema,
    }  # fmt: skip
    end = operation.finished if ended.result == "succeeded" else operation.failed
    return end(ended.sentence, now, **own)


def of_migration(work: MigrateWork, decide: Callable[[Protection, Migration], Decision]) -> Transition:
    """Return a transition of the target's migration; it does nothing where that is over."""

    def on(state: bytes | None) -> Decision:
        protection = Protection.from_bytes(state)
        migration = protection.migration
        if migration is None or migration.migration_id != work.migration_id:
            return Decision()
        return decide(protection, migration)

    return Transition(key_of(work.target), on)
