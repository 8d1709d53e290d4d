"""What a verb of the course wants to happen.

A verb is a generator: it yields effects in their order and returns the new state. Nothing happens until the whole
decision is applied.
"""

from collections.abc import Generator
from dataclasses import dataclass

from contracts.base import Event
from contracts.deployment import PhaseProgressed
from contracts.gates import Verdict
from services.orchestrator.domain.course import Course
from services.orchestrator.domain.run import Run


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish an event; the same consequence of the same run has the same id."""

    event: Event
    id: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The run is over; keep it for readers."""

    run: Run


Effect = Publish | Ended
RunTurn = Generator[Effect, None, Run]
CourseTurn = Generator[Effect, None, Course]


def progress(run: Run, step: str, message: str, now: float, verdict: Verdict | None = None) -> RunTurn:
    """Publish one sentence about what is going on; ``verdict`` is that of the step that has ended."""
    phase = run.phase if run.ending is None else None
    run = run.replace(told=run.told + 1, told_at=now, progress=message, told_in=phase)
    event = PhaseProgressed(
        target=run.target, run_id=run.run_id, phase=run.phase, step=step, message=message, verdict=verdict
    )
    yield Publish(event, run.id_of(f"{run.phase}:progress:{run.told}"))
    return run
