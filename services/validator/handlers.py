"""Commands in, answers out. All work is jobs: AWS and the tested service take longer than a moment."""

from contracts.deployment import Cause, DeploymentFinished
from contracts.envelope import Meta
from contracts.recovery import RollbackStarted
from contracts.validator import ValidateDeployment
from services._chassis.commands import Command
from services._chassis.jobs import FailedJob
from services._chassis.transition import Decision, Emit, Transition
from services.validator.domain.validations import Validations, validations_key
from services.validator.jobs.validate import VALIDATION


async def validate_deployment(command: ValidateDeployment, meta: Meta) -> Transition:
    """Begin the tests, unless the run is over already."""
    asked, run_id = Command.of(command, meta), command.run_id

    def decide(state: bytes | None) -> Decision:
        validations = Validations.from_bytes(state)
        if run_id in validations.ended:
            return Decision(emit=(_run_is_over(asked),))
        job = asked.job(VALIDATION, command.model_dump_json().encode())
        return Decision(validations.begun(asked.id, run_id).to_bytes(), jobs=(job,), expires=True)

    return Transition(validations_key(command.target), decide)


async def run_over(event: DeploymentFinished | RollbackStarted, _: Meta) -> Transition | None:
    """End the run's tests: it is over, or is being rolled back, and their result is not needed any more."""
    target, run_id = event.target, event.run_id
    if run_id is None:
        return None

    def decide(state: bytes | None) -> Decision:
        validations = Validations.from_bytes(state)
        waiting = validations.of_run(run_id)
        return Decision(
            validations.run_over(run_id).to_bytes(),
            emit=tuple(_run_is_over(Command.to(ValidateDeployment, target, run_id, id_)) for id_ in waiting),
            cancel_jobs=waiting,
            expires=True,
        )

    return Transition(validations_key(target), decide)


def validation_failed(job: FailedJob) -> Transition:
    """Forget the command, which the executor has answered: the end of its run must not answer it again."""
    command = ValidateDeployment.model_validate_json(job.payload)

    def decide(state: bytes | None) -> Decision:
        return Decision(Validations.from_bytes(state).answered(job.id).to_bytes(), expires=True)

    return Transition(validations_key(command.target), decide)


def _run_is_over(command: Command) -> Emit:
    return command.inconclusive("The run is over, or is being rolled back: its tests are not needed.", Cause.REFUSED)
