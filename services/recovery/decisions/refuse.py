"""Answers to commands that recovery does not obey."""

from contracts.deployment import Cause
from services._chassis.commands import Command
from services._chassis.transition import Emit
from services.recovery.domain.arm import Refusal


def refused(command: Command, refusal: Refusal) -> Emit:
    return command.failed(refusal.summary, refusal.cause, refusal.gate)


def refused_by_policy(command: Command, error: LookupError) -> Emit:
    """Answer a command that carries no policy, where the policy in force does not allow work on the service."""
    return command.failed(f"{error}.", Cause.REFUSED)
