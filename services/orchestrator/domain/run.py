"""One run: what was asked for, what was sent and answered, how it ends. Frozen; times are epoch seconds."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator

from contracts.base import Event, Target, caused_id
from contracts.catalogue import entry_of, entry_of_type
from contracts.deployment import (
    Asked,
    Cause,
    Change,
    CheckUp,
    DeploymentConfig,
    Observe,
    Outcome,
    Override,
    Phase,
    Rollback,
)
from contracts.gates import Gate, Verdict
from contracts.policy import Gates
from contracts.prose import Plain, Prose
from contracts.results import ArmedOutput, Output, PreflightOutput, RolloutOutput, StepFinished
from services.orchestrator.domain.limits import ARM_MARGIN
from services.orchestrator.domain.policy import Policy
from services.orchestrator.domain.rollout_bound import RolloutBound

Kind = TypeVar("Kind", bound=BaseModel)


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
    on_conflict: Literal["queue", "refuse"] = "queue"
    asked_at: float
    expires_at: float
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


class Run(Frozen):
    """One deployment's course, from its start to its one end."""

    request: Request
    policy: Policy
    started_at: float
    deadline: float
    reconcile_at: float
    stages: tuple[Stage, ...] = ()
    ending: Annotated[Disarming | RollingBack, Field(discriminator="kind")] | None = None
    progress: Prose = ""
    """The last sentence that was published about the run."""
    told_in: Phase | None = None
    """The phase in which it was published; None: while the run waited or was ending."""
    told: int = 0
    """How many such sentences were published; it numbers their ids."""
    told_at: float
    """When the last of them was published; the run's start where there is none yet."""
    outcome: Outcome | None = None
    """None until the run is over."""
    cause: Cause | None = None
    reason: Prose = ""
    rollback: Rollback | None = None
    finished_at: float | None = None

    @property
    def run_id(self) -> str:
        return self.request.run_id

    @property
    def target(self) -> Target:
        return self.request.target

    @property
    def stage(self) -> Stage | None:
        """The phase that goes on, if one does."""
        return self.stages[-1] if self.stages and self.stages[-1].verdict is None else None

    @property
    def phase(self) -> Phase:
        """The phase that goes on, or was the last."""
        return self.stages[-1].phase if self.stages else Phase.PRE_DEPLOYMENT_VALIDATION

    @property
    def open_steps(self) -> tuple[Step, ...]:
        """What was sent in the phase or the ending that goes on, in order."""
        if self.ending is not None:
            return (self.ending.step,) if self.ending.step else ()
        return self.stage.steps if self.stage else ()

    @property
    def steps(self) -> Iterator[Step]:
        """All that was sent in phases, in order."""
        return (step for stage in self.stages for step in stage.steps)

    @property
    def arm_was_sent(self) -> bool:
        """Whether recovery was asked to stand ready, as far as is known."""
        return self.request.past_checks or any(step.name == "arm" for step in self.steps)

    @property
    def change_was_sent(self) -> bool:
        """Whether the change was sent; assumed of a run that is known to be past its checks (``past_checks``)."""
        sent = any(step.name == "apply-change" for step in self.steps)
        return sent or (self.request.past_checks and not isinstance(self.request.change, Observe | CheckUp))

    @property
    def checks_up(self) -> bool:
        """Whether the run only checks what is live: it names no change, and preflight saw none under way."""
        preflight = self.output(PreflightOutput)
        under_way = preflight is not None and preflight.under_way
        return isinstance(self.request.change, CheckUp) and not under_way

    @property
    def observes(self) -> bool:
        """Whether the run changes nothing itself, since somebody else deploys."""
        return isinstance(self.request.change, Observe | CheckUp) and not self.checks_up

    @property
    def may_roll_back(self) -> bool:
        return self.policy.auto_recovery and self.request.config.enable_auto_recovery

    @property
    def accepts_no_evidence(self) -> bool:
        """Whether the run may succeed though no check of its new version applies."""
        gates = self.policy.service.gates if self.policy.service else Gates()
        rollout = self.output(RolloutOutput)
        idle = rollout is not None and rollout.wanted == 0
        return gates.without_evidence == "accept" or (gates.without_evidence == "accept-idle" and idle)

    @property
    def rollout_bound(self) -> RolloutBound:
        """How long its rollout may take. A check-up has none: there the pace of the service bounds nothing."""
        preflight = self.output(PreflightOutput)
        return RolloutBound(self.request.config, preflight.pace if preflight and not self.checks_up else None)

    @property
    def armed_until(self) -> float:
        """When the arm expires that was sent, or will be."""
        armed = self.output(ArmedOutput)
        return armed.expires_at.timestamp() if armed else self.deadline + ARM_MARGIN

    def over(self, now: float) -> bool:
        """Whether no answer is waited for any more in the phase that goes on."""
        return self.stage is not None and now >= min(self.stage.deadline, self.deadline)

    def output(self, kind: type[Kind]) -> Kind | None:
        """Return the first output of this kind that a step handed on."""
        outputs = (step.answer.output for step in self.steps if step.answer)
        return next((output for output in outputs if isinstance(output, kind)), None)

    def id_of(self, what: str) -> str:
        """Return the id of this run's consequence ``what``."""
        return caused_id(self.run_id, what)

    def with_stage(self, stage: Stage) -> Self:
        """Return a copy in which the last phase is ``stage``."""
        return self.replace(stages=(*self.stages[:-1], stage))

    def with_step(self, old: Step, new: Step) -> Self:
        """Return a copy in which the open step ``old`` is ``new``."""
        if self.ending is not None:
            return self.replace(ending=self.ending.replace(step=new))
        stage = self.stages[-1]
        return self.with_stage(stage.replace(steps=tuple(new if step is old else step for step in stage.steps)))
