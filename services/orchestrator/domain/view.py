"""A run as those who ask for its status see it."""

from datetime import datetime
from typing import Literal

from contracts.base import Contract, Target
from contracts.deployment import Cause, Change, ImageChange, Outcome, Phase, Rollback
from contracts.gates import Gate, Verdict
from contracts.policy_section import Digest
from contracts.prose import Plain, Prose
from services.orchestrator.domain.course import Course
from services.orchestrator.domain.holding import Wanted, wanted_of, why_held
from services.orchestrator.domain.limits import moment
from services.orchestrator.domain.migrated import Migrated
from services.orchestrator.domain.run import Run
from services.orchestrator.domain.run_parts import Request, RollingBack, Stage

REQUIRED_PHASES = tuple(phase for phase in Phase if phase is not Phase.BAKING)


class PhaseView(Contract):
    """A phase; without a verdict it goes on, without seconds it has not begun."""

    phase: Phase
    verdict: Verdict | None = None
    seconds: float | None = None
    gates: tuple[Gate, ...] = ()


class RunView(Contract):
    """One run. ``seconds`` grow until it is finished."""

    run_id: str
    target: Target
    status: Literal["queued", "running", "finished"]
    phase: Phase | None = None
    """The one that goes on, or was the last."""
    outcome: Outcome | None = None
    cause: Cause | None = None
    reason: Prose = ""
    actor: Plain
    request_reason: Prose = ""
    """Why it was asked for; ``reason`` is why it ended as it did."""
    change: Change
    image: str | None = None
    """``[CONTAINER=]REF`` as it was asked for; None for other changes."""
    phases: tuple[PhaseView, ...]
    """The five of the requirements (docs/requirements.md), in order."""
    baking: PhaseView | None = None
    rolling_back: bool = False
    """Whether the old version is being brought back right now."""
    rollback: Rollback | None = None
    seconds: float | None = None
    """None while it waits in the queue."""
    progress: Prose = ""
    """The last sentence that was published about the run."""
    progress_phase: Phase | None = None
    """The phase in which it was published; None: while the run waited or was ending."""
    rollout_bound: Prose = ""
    """How long the rollout may take and why, as a sentence; empty until preflight has passed, and for a check-up."""
    asked_at: datetime | None = None
    started_at: datetime | None = None
    """None while it waits in the queue."""
    finished_at: datetime | None = None
    policy_digest: Digest = ""
    """Digest of the policy that the run keeps to its end; empty without a policy file."""
    held: Prose = ""
    """Why its next phase does not begin, or will not, and until when; empty where nothing holds it."""
    migration: Migrated | None = None
    """How its migration has ended, also after its own end; None while that is not known, and without one."""
    approval: Wanted | None = None
    """The approvals that it waits for; None where it waits for none."""


def view_of_run(run: Run, now: float) -> RunView:
    """Show a run that is active or finished."""
    stages = {stage.phase: _phase(stage, now) for stage in run.stages}
    return _asked(run.request).model_copy(
        update={
            "status": "running" if run.outcome is None else "finished",
            "phase": run.phase if run.stages else None,
            "outcome": run.outcome,
            "cause": run.cause,
            "reason": run.reason,
            "phases": tuple(stages.get(phase, PhaseView(phase=phase)) for phase in REQUIRED_PHASES),
            "baking": stages.get(Phase.BAKING),
            "rolling_back": isinstance(run.ending, RollingBack),
            "rollback": run.rollback,
            "seconds": (run.finished_at if run.finished_at is not None else now) - run.started_at,
            "progress": run.progress,
            "progress_phase": run.told_in,
            "rollout_bound": run.rollout_bound.sentence if run.arm_was_sent else "",
            "started_at": moment(run.started_at),
            "finished_at": None if run.finished_at is None else moment(run.finished_at),
            "policy_digest": run.policy.digest,
            "held": why_held(run),
            "approval": wanted_of(run),
            "migration": run.migrated,
        }
    )


def views(course: Course, now: float) -> dict[str, RunView]:
    """Show the runs that are not over yet, the active one first, by their ids."""
    shown = {course.active.run_id: view_of_run(course.active, now)} if course.active else {}
    left = " The migration of the run before it goes on." if course.waits_for_migration(now) else ""
    before = _waited_for(course.active) if course.active else left
    waiting = {request.run_id: _queued(request, n, before) for n, request in enumerate(course.queue, 1)}
    return shown | waiting


def _waited_for(run: Run) -> str:
    """Return what the active run waits for itself, as a sentence after a space; ``""`` for nothing."""
    if isinstance(run.ending, RollingBack):
        return " The run before it is being rolled back."
    held = why_held(run)
    return f" The run before it: {held[:1].lower()}{held[1:]}." if held else ""


def _queued(request: Request, position: int, before: str) -> RunView:
    """Show a run that waits; ``before`` is what the run before it waits for."""
    return _asked(request).model_copy(update={"progress": f"Waiting, number {position} in the queue.{before}"})


def _asked(request: Request) -> RunView:
    change = request.change
    image = None
    if isinstance(change, ImageChange):
        image = f"{change.container}={change.reference}" if change.container else change.reference
    return RunView(
        run_id=request.run_id,
        target=request.target,
        status="queued",
        actor=request.actor,
        request_reason=request.reason,
        change=change,
        image=image,
        asked_at=moment(request.asked_at),
        phases=tuple(PhaseView(phase=phase) for phase in REQUIRED_PHASES),
    )


def _phase(stage: Stage, now: float) -> PhaseView:
    seconds = (stage.finished_at if stage.finished_at is not None else now) - stage.started_at
    return PhaseView(phase=stage.phase, verdict=stage.verdict, seconds=seconds, gates=stage.gates)


def run_key(run_id: str) -> str:
    """Return the key of the record in which a run is kept for its readers."""
    return f"run:{run_id}"
