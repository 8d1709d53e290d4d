"""What a run consists of: its request, its stages with their steps, its ending. Frozen; times are epoch seconds."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator

from contracts.base import Event, Target
from contracts.catalogue import entry_of, entry_of_type
from contracts.deployment import Asked, Cause, Change, DeploymentConfig, OnConflict, Outcome, Override, Phase
from contracts.gates import Gate, Verdict
from contracts.migration_asked import MigrationAsked
from contracts.prose import Plain, Prose
from contracts.results import Output, StepFinished


class Frozen(BaseModel):
    """A part of a course: replaced, never changed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def replace(self, **changes: Any) -> Self:
        """Return a copy with these fields changed."""
        return self.model_copy(update=changes)


def _read_command(value: Any) -> Event:
    if isinstance(value, Event):
        return value
    entry = entry_of_type(value["type"])
    if entry is None or not issubclass(entry.contract, Event):
        raise ValueError(f"the command {value['type']!r} is unknown here")
    return entry.contract.model_validate(value["data"])


def _write_command(command: Event) -> dict[str, Any]:
    return {"type": entry_of(type(command)).type, "data": command.model_dump(mode="json")}


Command = Annotated[Event, PlainValidator(_read_command), PlainSerializer(_write_command)]
"""Kept as it was sent, so that it can be sent again."""


class Request(Frozen):
    """What was asked for; in a queue it waits for the run before it."""

    run_id: str
    target: Target
    change: Change
    actor: Plain
    reason: Prose = ""
    overrides: tuple[Override, ...] = ()
    config: Asked = DeploymentConfig()
    on_conflict: OnConflict | None = "queue"
    """What becomes of it while another run is active; None: as the policy has it. Of no use once that is decided."""
    asked_at: float
    expires_at: float
    supersedes: str = ""
    """The active run whose place it takes: where that is rolled back in vain, it does not begin. Empty: none."""
    migration: MigrationAsked | None = None
    """The migration before the change; None: the policy's, if it names any."""
    without_migration: bool = False
    """Whether nothing is migrated before the change, whatever the policy names."""
    by_ci: bool = True
    """Whether it came from a caller with CI's role; False: from one who may let gates pass."""
    has_started: bool = False
    """Whether it is published that the run has started, while the restored state is from before that: it does not
    expire, and is not refused for the run before it."""
    past_checks: bool = False
    """Whether it is published that the run went on from its first phase, or from arming, while the restored state is
    from before that."""


class Answer(Frozen):
    """What a service answered to a command."""

    at: float
    verdict: Verdict
    gates: tuple[Gate, ...]
    cause: Cause | None
    summary: Prose
    output: Output | None

    @classmethod
    def of(cls, event: StepFinished, now: float) -> Self:
        return cls(
            at=now,
            verdict=event.verdict,
            gates=event.gates,
            cause=event.cause,
            summary=event.summary,
            output=event.output,
        )


class Step(Frozen):
    """A command, and its answer once there is one."""

    id: str
    """The command's: derived from run, phase, name and attempt."""
    name: str
    """The command's type without its version: ``arm``."""
    attempt: int = 1
    command: Command
    answer: Answer | None = None

    @property
    def passed(self) -> bool:
        return self.answer is not None and self.answer.verdict is Verdict.PASS

    @property
    def cause(self) -> Cause | None:
        return self.answer.cause if self.answer else Cause.TIMEOUT


class Stage(Frozen):
    """One phase of one run."""

    phase: Phase
    started_at: float
    deadline: float
    steps: tuple[Step, ...] = ()
    gates: tuple[Gate, ...] = ()
    """Filled when it is finished."""
    verdict: Verdict | None = None
    """None while it goes on."""
    finished_at: float | None = None

    def step(self, name: str) -> Step | None:
        return next((step for step in self.steps if step.name == name), None)


class Disarming(Frozen):
    """The outcome is decided; recovery has yet to confirm that it will not act any more."""

    kind: Literal["disarming"] = "disarming"
    outcome: Outcome
    cause: Cause | None
    reason: Prose
    step: Step
    deadline: float


class RollingBack(Frozen):
    """Recovery brings the old version back; its result is the run's."""

    kind: Literal["rolling_back"] = "rolling_back"
    trigger: Prose
    cause: Cause | None
    reason: Prose
    step: Step | None
    """Our command; None when recovery began by itself."""
    rollback_id: str | None = None
    """Known once recovery has published that it began."""
    deadline: float
