"""Answers the run that has asked for a migration, by what has become of it."""

from contracts.base import Target
from contracts.deployment import Cause
from contracts.gates import Gate
from contracts.migration import BEGUN, DONE, Migrate
from contracts.prose import prose
from services._chassis.commands import Command
from services._chassis.transition import Emit
from services.recovery.domain.migration.migration import Migration
from services.recovery.domain.migration.migration_end import Ended


def answer_of(asked: Command, ended: Ended) -> Emit:
    """Return the answer for a migration that is over."""
    summary = prose(ended.sentence)
    if ended.against:
        return asked.failed(summary, Cause.GATE, Gate.true(ended.against, holds=False, detail=summary))
    match ended.result:
        case "succeeded":
            return asked.passed(summary, Gate.true(DONE, holds=True, detail=summary))
        case "did_not_start":
            return asked.failed(summary, Cause.REFUSED, Gate.true(BEGUN, holds=False, detail=summary))
        case _:
            return asked.failed(summary, Cause.ERROR, Gate.true(DONE, holds=False, detail=summary))


def answer_to_run(target: Target, migration: Migration, ended: Ended) -> tuple[Emit, ...]:
    """Return the answer to the run that has asked for a migration; nothing outside a run, or where it was answered."""
    if migration.run_id is None or migration.answered:
        return ()
    return (answer_of(Command.to(Migrate, target, migration.run_id, migration.migration_id), ended),)


def overdue_answer(target: Target, migration: Migration, sentence: str) -> tuple[Emit, ...]:
    """Return the answer that the time of a migration is over while it goes on."""
    if migration.run_id is None:
        return ()
    command = Command.to(Migrate, target, migration.run_id, migration.migration_id)
    summary = prose(f"{sentence} The schema may have changed.")
    return (command.failed(summary, Cause.TIMEOUT, Gate.true(DONE, holds=False, detail=summary)),)
