"""One run: what was asked for, what was sent and answered, how it ends. Frozen; times are epoch seconds."""

from collections.abc import Iterator
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, Field

from contracts.base import Target, caused_id
from contracts.deployment import Cause, CheckUp, Observe, Outcome, Phase, Rollback
from contracts.migration_asked import MigrationAsked
from contracts.policy import Gates, Recovery
from contracts.prose import Prose
from contracts.results import ArmedOutput, PreflightOutput, RolloutOutput
from services.orchestrator.domain.hold import Approved, Hold, Pause
from services.orchestrator.domain.limits import ARM_MARGIN
from services.orchestrator.domain.migrated import Migrated
from services.orchestrator.domain.policy import Policy
from services.orchestrator.domain.rollout_bound import RolloutBound
from services.orchestrator.domain.run_parts import Disarming, Frozen, Request, RollingBack, Stage, Step
from services.orchestrator.domain.version_hold import VersionHold

Kind = TypeVar("Kind", bound=BaseModel)


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
    pause: Pause | None = None
    """Set while a person has paused it, also before the phase has ended that goes on."""
    approvals: tuple[Approved, ...] = ()
    hold: Hold | None = None
    """Set while the next phase does not begin: a run that ends has none."""
    version_holds: tuple[VersionHold, ...] = ()
    """Those that stand on its service (``Course.version_holds``)."""
    migrated: Migrated | None = None
    """How its migration has ended; None while that is not known, and without one."""
    held: float = 0
    """Seconds for which it was held until now; they count towards none of its deadlines."""

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
        """What was sent in the phase, the hold or the ending that goes on, in order."""
        if self.ending is not None:
            return (self.ending.step,) if self.ending.step else ()
        stage = self.stages[-1] if self.hold is not None else self.stage
        return stage.steps if stage else ()

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
        return self.policy.auto_recovery and self.request.config.enable_auto_recovery and not self.leaves_no_way_back

    @property
    def recovery(self) -> Recovery:
        """The policy's section; without a service's own policy the defaults hold."""
        return self.policy.service.recovery if self.policy.service else Recovery()

    @property
    def migration(self) -> MigrationAsked | None:
        """The migration before the change, the request's or the policy's; None where there is none."""
        request, recovery = self.request, self.recovery
        if request.without_migration or isinstance(request.change, Observe | CheckUp):
            return None
        asked = request.migration
        if asked is None:
            if recovery.migration_command is None:
                return None
            asked = MigrationAsked(command=recovery.migration_command)
        return asked.model_copy(
            update={
                "container": asked.container or recovery.migration_container,
                "compatible": asked.compatible or recovery.migrations_compatible,
            }
        )

    @property
    def leaves_no_way_back(self) -> bool:
        """Whether nothing goes back over its migration, since nobody calls that compatible."""
        return self.migration is not None and not self.migration.compatible

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
        """Return the last output of this kind that a step handed on."""
        outputs = [step.answer.output for step in self.steps if step.answer]
        return next((output for output in reversed(outputs) if isinstance(output, kind)), None)

    def id_of(self, what: str) -> str:
        """Return the id of this run's consequence ``what``."""
        return caused_id(self.run_id, what)

    def id_in_phase(self, what: str) -> str:
        """Return the id of the consequence ``what`` of the phase that goes on: another one where it is repeated."""
        times = sum(stage.phase is self.phase for stage in self.stages)
        return self.id_of(f"{self.phase}:{what}" if times < 2 else f"{self.phase}:{times}:{what}")

    def ending_with(self, ending: Disarming | RollingBack) -> Self:
        """Return a copy that ends so: what ends is held no more."""
        return self.replace(ending=ending, hold=None, pause=None)

    def with_stage(self, stage: Stage) -> Self:
        """Return a copy in which the last phase is ``stage``."""
        return self.replace(stages=(*self.stages[:-1], stage))

    def with_step(self, old: Step, new: Step) -> Self:
        """Return a copy in which the open step ``old`` is ``new``."""
        if self.ending is not None:
            return self.replace(ending=self.ending.replace(step=new))
        stage = self.stages[-1]
        return self.with_stage(stage.replace(steps=tuple(new if step is old else step for step in stage.steps)))
