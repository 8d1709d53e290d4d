"""Begins a migration, keeps what is planned and started, and ends it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from contracts.base import Target, caused_id
from contracts.migration import MigrationFinished, MigrationStarted
from contracts.prose import prose
from services._chassis.transition import Decision, Emit, Job, Timer, Transition
from services.recovery.decisions.drill import goes_first
from services.recovery.domain.log_secrets import words_shown
from services.recovery.domain.migration import (
    MOST_PAST_MIGRATIONS,
    MigrateWork,
    Migration,
    MigrationOperation,
    MigrationPlan,
    OneOff,
    PastMigration,
)
from services.recovery.domain.migration_end import Ended, did_not_start, not_known
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


def begin_migration(protection: Protection, target: Target, migration: Migration) -> Decision:
    """Begin a migration: state, job and operation; a drill ends. The caller has made sure that it may."""
    work = MigrateWork(target=target, migration_id=migration.migration_id)

    def begin(free: Protection) -> Decision:
        return Decision(
            free.replace(migration=migration).to_bytes(),
            jobs=(Job(migration.migration_id, MIGRATE, work.to_bytes()),),
            records=MigrationOperation.of(target, migration).record,
        )

    return goes_first(protection, target, f"{migration.migration_id} goes first", migration.asked_at, begin)


def note_plan(work: MigrateWork, plan: MigrationPlan) -> Transition:
    """Remember what is to run, and publish that, before a task is asked for."""

    def decide(protection: Protection, migration: Migration) -> Decision:
        if migration.plan is not None:
            return Decision()
        noted = migration.model_copy(update={"plan": plan})
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
            trigger=migration.trigger,
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
        called = known.model_copy(update={"called_at": began_at, "maybe_started": True})
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
        asked_at=began_at,
        plan=MigrationPlan(task=task, sentence=event.sentence),
        called_at=began_at,
        maybe_started=True,
        restored=True,
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
    ended = Ended(event.result, event.sentence, event.exit_code)
    return Decision(
        _over(protection, migration, ended, ended_at).to_bytes(),
        cancel_timers=(_follow_id(event.migration_id),),
        cancel_jobs=(event.migration_id,),
        records=_ended_operation(work, migration, ended, ended_at, ()).record,
    )


def _follow_id(migration_id: str) -> str:
    return f"follow:{migration_id}"


def over_time(work: MigrateWork, sentence: str) -> Transition:
    """Tell those who wait for a migration that its time is over while it goes on."""

    def decide(protection: Protection, migration: Migration) -> Decision:
        if migration.answered:
            return Decision()
        overdue = migration.model_copy(update={"answered": True})
        operation = MigrationOperation.of(work.target, overdue).model_copy(update={"sentence": prose(sentence)})
        return Decision(protection.replace(migration=overdue).to_bytes(), records=operation.record)

    return of_migration(work, decide)


def end_migration(work: MigrateWork, ended: Ended, now: datetime, lines: tuple[str, ...] = ()) -> Transition:
    """End a migration, whatever has become of it; its log is kept with its operation."""

    def decide(protection: Protection, migration: Migration) -> Decision:
        image = migration.plan.task.image if migration.plan else ""
        event = MigrationFinished(
            target=work.target,
            migration_id=work.migration_id,
            run_id=migration.run_id,
            result=ended.result,
            sentence=prose(ended.sentence),
            exit_code=ended.exit_code,
            image="" if ended.result == "did_not_start" else image,
        )
        return Decision(
            _over(protection, migration, ended, now).to_bytes(),
            emit=(Emit(event, caused_id(work.migration_id, "migration-finished")),),
            records=_ended_operation(work, migration, ended, now, lines).record,
        )

    return of_migration(work, decide)


def lost(work: MigrateWork, why: str, now: datetime) -> Transition:
    """End a migration whose job has failed for good. ``why`` ends a sentence that begins with the work."""

    def decide(protection: Protection, migration: Migration) -> Decision:
        asked = migration.called_at is not None
        ended = not_known(f"its job {why}") if asked else did_not_start(f"its job {why}")
        return end_migration(work, ended, now).decide(protection.to_bytes())

    return of_migration(work, decide)


def _over(protection: Protection, migration: Migration, ended: Ended, now: datetime) -> Protection:
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
    )
    known = (*protection.past_migrations, past)[-MOST_PAST_MIGRATIONS:]
    return protection.replace(migration=None, past_migrations=known)


def _ended_operation(
    work: MigrateWork, migration: Migration, ended: Ended, now: datetime, lines: tuple[str, ...]
) -> MigrationOperation:
    operation = MigrationOperation.of(work.target, migration)
    own = {"result": ended.result, "exit_code": ended.exit_code, "log": lines, "phase": "over", "overdue": False}
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
