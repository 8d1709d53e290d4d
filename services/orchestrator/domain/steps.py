"""Commands out, answers in: what every phase does alike."""

from datetime import datetime

from contracts.base import Event
from contracts.catalogue import entry_of
from contracts.deployment import Cause, GateEvaluated, PhaseFinished
from contracts.gates import Gate, Verdict
from contracts.recovery import RollBack
from contracts.results import StepFinished, StepProgressed
from contracts.rollout_pace import LONGEST
from services.orchestrator.domain.effects import Publish, RunTurn, progress
from services.orchestrator.domain.judge import APPLY_CHANGE, gates_of
from services.orchestrator.domain.limits import GRACE, MINUTE, RECONCILE, ROLLBACK
from services.orchestrator.domain.migrating import MIGRATE
from services.orchestrator.domain.run import Run
from services.orchestrator.domain.run_parts import Answer, Disarming, RollingBack, Step

ROLL_BACK = entry_of(RollBack).name


def command_step(run: Run, command: Event, attempt: int = 1) -> Step:
    """Return the step of a command of the phase that the run is in."""
    name = entry_of(type(command)).name
    return Step(id=run.id_of(f"{run.phase}:{name}:{attempt}"), name=name, attempt=attempt, command=command)


def send(run: Run, *commands: Event) -> RunTurn:
    """Send commands as steps of the phase that goes on."""
    for command in commands:
        stage, name = run.stages[-1], entry_of(type(command)).name
        same = (step for other in run.stages if other.phase is stage.phase for step in other.steps if step.name == name)
        step = command_step(run, command, max((step.attempt for step in same), default=0) + 1)
        run = run.with_stage(stage.replace(steps=(*stage.steps, step)))
        yield Publish(command, step.id)
    return run


def _waiting(run: Run, event: StepFinished | StepProgressed) -> Step | None:
    """Return the step that waits for this. The name counts as well: it says which service may answer."""
    named = (step for step in run.open_steps if (step.id, step.name) == (event.command_id, event.step))
    return next((step for step in named if step.answer is None), None)


def receive(run: Run, event: StepFinished, now: float) -> RunTurn:
    """Note an answer. One that nobody waits for (late, a duplicate, unknown) leaves the run as it is."""
    step = _waiting(run, event)
    if step is None:
        return run
    run = run.with_step(step, step.replace(answer=Answer.of(event, now)))
    return (yield from progress(run, step.name, event.summary, now, event.verdict))


def pass_on(run: Run, event: StepProgressed, now: float) -> RunTurn:
    """Publish the progress that a step reports. As long as a rollout or rollback makes some, its end is waited for."""
    if isinstance(run.ending, RollingBack) and event.step == ROLL_BACK:
        patience = _patience(event.silent_until, now) if event.silent_until else now + ROLLBACK
        run = run.replace(ending=run.ending.replace(deadline=max(run.ending.deadline, patience)))
        return (yield from progress(run, event.step, event.message, now))
    step = _waiting(run, event)
    if step is None:
        return run
    if event.silent_until is not None and run.stage is not None:
        patience = _patience(event.silent_until, now)
        run = run.with_stage(run.stage.replace(deadline=max(run.stage.deadline, patience)))
    return (yield from progress(run, step.name, event.message, now))


def _patience(silent_until: datetime, now: float) -> float:
    """Return until when a silent step is waited for: as it says, though no longer than any pace asks for."""
    return min(silent_until.timestamp(), now + LONGEST) + GRACE


def asks_again(run: Run, step: Step, now: float) -> bool:
    """Whether an answer without a verdict may still become one: time is left, and asking changes nothing."""
    if step.answer is None or step.passed:
        return False
    if isinstance(run.ending, Disarming):
        return True
    stage = run.stage
    return stage is not None and step.name not in {APPLY_CHANGE, MIGRATE} and now < stage.deadline - GRACE


def reconcile(run: Run, now: float) -> RunTurn:
    """Send again what is unanswered, with its id, and ask anew what had no verdict; publish what is waited for."""
    run = run.replace(reconcile_at=now + RECONCILE)
    for step in run.open_steps:
        if step.answer is None:
            yield Publish(step.command, step.id)
        elif asks_again(run, step, now):
            again = command_step(run, step.command, step.attempt + 1)
            run = run.with_step(step, again)
            yield Publish(again.command, again.id)
    waited_for = [step.name for step in run.open_steps if step.answer is None]
    if waited_for and now - run.told_at >= run.policy.tell_every:
        minutes = round((now - run.told_at) / MINUTE)
        silent = f"{minutes} minute{'' if minutes == 1 else 's'}"
        message = f"Still waiting for {', '.join(waited_for)}, silent for {silent}."
        run = yield from progress(run, waited_for[0], message, now)
    return run


def answered(run: Run) -> tuple[Gate, ...]:
    """Return the gates of the answers to the phase that goes on."""
    steps = run.stage.steps if run.stage is not None else ()
    return tuple(gate for step in steps if step.answer for gate in gates_of(step))


def close(run: Run, verdict: Verdict, now: float, gates: tuple[Gate, ...] | None = None) -> RunTurn:
    """Finish the phase that goes on, if one does, and publish its gates: by default those of its answers."""
    stage = run.stage
    if stage is None:
        return run
    gates = answered(run) if gates is None else gates
    for number, gate in enumerate(gates, 1):
        evaluated = GateEvaluated(target=run.target, run_id=run.run_id, phase=stage.phase, gate=gate)
        yield Publish(evaluated, run.id_in_phase(f"gate:{number}"))
    finished = PhaseFinished(
        target=run.target,
        run_id=run.run_id,
        phase=stage.phase,
        verdict=verdict,
        seconds=now - stage.started_at,
    )
    yield Publish(finished, run.id_in_phase("finished"))
    return run.with_stage(stage.replace(gates=gates, verdict=verdict, finished_at=now))


def cause_of(steps: tuple[Step, ...]) -> Cause:
    """Return why steps did not pass: what was asked for, else the first reason that one of them gave."""
    causes = [step.cause for step in steps if not step.passed and step.cause is not None]
    return Cause.USAGE if Cause.USAGE in causes else next(iter(causes), Cause.GATE)
