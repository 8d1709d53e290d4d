"""Begins the one change of a run, and stops it."""

from datetime import datetime

from contracts.base import Target
from contracts.deployment import Cause
from contracts.recovery import ApplyChange
from services._chassis.commands import Command
from services._chassis.transition import Decision, Emit
from services.recovery.decisions.refuse import refused
from services.recovery.domain import arm as arming
from services.recovery.domain.moves import acted
from services.recovery.domain.protection import Protection
from services.recovery.domain.work import ChangeWork

CHANGE = "apply-change"
"""The kind of its job."""


def begin_change(
    protection: Protection, command: ApplyChange, asked: Command, now: datetime, *, read_again: bool = False
) -> Decision:
    """Begin the one change of a run, or refuse. ``read_again``: after Redis was restored from an older copy."""
    refusal = arming.why_not_change(protection, command, now)
    held = protection.armed_for(command.run_id, now)
    if refusal is not None or held is None:
        return Decision(emit=(refused(asked, refusal),) if refusal else ())
    protection = arming.begin_change(protection, held, command, asked.id, now)
    work = ChangeWork(
        target=command.target,
        run_id=command.run_id,
        epoch=protection.epoch,
        images=command.images,
        task_definition=command.task_definition,
        change=command.change,
        snapshot_deployment=protection.deployment_of(held.snapshot_id),
        without_ecs_rollback=command.without_ecs_rollback,
        read_again=read_again,
    )
    job = asked.job(CHANGE, work.to_bytes())
    return Decision(protection.to_bytes(), jobs=(job,), records=acted.of_run(command.run_id, job.id))


def stop_change(protection: Protection, target: Target, why: str) -> tuple[tuple[Emit, ...], tuple[str, ...]]:
    """Return the answer to a change whose job has not ended, and the id of the job to cancel; else nothing."""
    held = protection.arm
    if held is None or held.change is None or held.change.ended:
        return (), ()
    command = Command.to(ApplyChange, target, held.run_id, held.change.job)
    return (command.failed(f"Stopped, since {why}.", Cause.REFUSED),), (held.change.job,)
