"""How the monitor answers its commands."""

from contracts.deployment import Cause
from contracts.gates import Gate
from contracts.results import MonitoringOutput, StepFinished, answer_id
from services._aws.errors import AwsError
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.transition import Emit, Transition, decided
from services.monitor.domain.answers import summary
from services.monitor.ports import NotFound


def from_gates(command: Command, gates: tuple[Gate, ...], output: MonitoringOutput | None = None) -> Emit:
    return command.from_gates(gates, summary(gates), inconclusive=Cause.GATE, output=output)


def run_is_over(command: Command) -> Emit:
    return command.inconclusive("The run is over, or is being rolled back: its evidence is not needed.", Cause.REFUSED)


def not_reached(command: Command, error: NotFound | AwsError) -> Emit:
    """There is no such service (fail), or AWS could not be asked (inconclusive)."""
    if isinstance(error, NotFound):
        return command.failed(str(error), Cause.USAGE)
    return command.inconclusive(str(error), Cause.ERROR)


async def answer_left_over(running: Running) -> Transition:
    """Job: publish the answer of an evaluation that version 0.1.0 had left to a job of its own before the upgrade."""
    finished = StepFinished.model_validate_json(running.payload)
    return decided(Emit(finished, answer_id(finished.command_id)))
