"""A deployment's course: what can be asked for, and the events that a run publishes."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, PlainSerializer, StringConstraints

from contracts.base import Contract, Event, Expiry, RunId, Target, Time, id_of
from contracts.gates import Gate, Verdict
from contracts.limits import MINIMUM_HEALTH_SCORE
from contracts.migration_asked import MigrationAsked
from contracts.policy import Baking, Timeouts
from contracts.policy_section import Digest
from contracts.prose import Image, Plain, Prose


class Phase(StrEnum):
    """The five phases of the requirements (docs/requirements.md), and the baking that follows them."""

    PRE_DEPLOYMENT_VALIDATION = "pre_deployment_validation"
    DEPLOYMENT_MONITORING = "deployment_monitoring"
    POST_DEPLOYMENT_VALIDATION = "post_deployment_validation"
    MONITORING_SETUP = "monitoring_setup"
    OPTIMIZATION_ANALYSIS = "optimization_analysis"
    BAKING = "baking"


class Outcome(StrEnum):
    """How a run ends, exactly once."""

    SUCCEEDED = "succeeded"
    BLOCKED = "blocked"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    ROLLBACK_FAILED = "rollback_failed"
    ABORTED = "aborted"
    SUPERSEDED = "superseded"


class Cause(StrEnum):
    """Why a step or a run did not pass, where the difference decides what to do next."""

    USAGE = "usage"
    """The request cannot be carried out as it is written."""
    REFUSED = "refused"
    """Too late, not permitted, or the target is busy."""
    GATE = "gate"
    TIMEOUT = "timeout"
    DEPENDENCY = "dependency"
    """Something that the service depends on failed, so the deployment is not to blame."""
    SUPERSEDED = "superseded"
    """Somebody else moved the service, or a newer request took the run's place."""
    NO_EVIDENCE = "no_evidence"
    """No check of the new version applies to this service, so nothing was proven."""
    UNSUPPORTED = "unsupported"
    """The service that was asked does not know the command."""
    ERROR = "error"


class ImageChange(Contract):
    """Run another image; everything else of the task definition stays."""

    kind: Literal["image"] = "image"
    reference: Annotated[Image, StringConstraints(min_length=1, max_length=512)]
    container: Plain | None = None
    """Which container of the task; may be left out when there is one only."""

    @classmethod
    def parse(cls, text: str) -> "ImageChange":
        """Read ``[CONTAINER=]REF``."""
        head, separator, tail = text.partition("=")
        if separator and "/" not in head and ":" not in head and "@" not in head:
            return cls(container=head, reference=tail)
        return cls(reference=text)


class TaskDefinitionChange(Contract):
    """Run another task definition that is already registered."""

    kind: Literal["task_definition"] = "task_definition"
    task_definition: Annotated[Plain, StringConstraints(min_length=1, max_length=512)]
    """``family``, ``family:revision`` or the full ARN."""


class Observe(Contract):
    """Change nothing: somebody else deploys, Surefoot watches and judges."""

    kind: Literal["observe"] = "observe"


class CheckUp(Contract):
    """Name no change: observe the deployment that is under way, and without one check what is live.

    A check-up goes through all phases, arms nothing, and rolls nothing back.
    """

    kind: Literal["check_up"] = "check_up"


OnConflict = Literal["queue", "refuse", "supersede"]
"""What a request does while another run is active on the target: wait for its end, be refused, or take its place.

One that takes the place of others ends what was asked for before it; what they have changed is rolled back first.
"""

Change = Annotated[ImageChange | TaskDefinitionChange | Observe | CheckUp, Field(discriminator="kind")]


class Override(Contract):
    """Lets one gate before the change count as passed, by name and on the record."""

    gate: Plain
    reason: Annotated[Prose, StringConstraints(min_length=1)]


class DeploymentConfig(Contract):
    """The ``deployment_config`` of the requirements (docs/requirements.md)."""

    validation_timeout_minutes: Annotated[float, Field(gt=0, le=120)] = Timeouts().validation_minutes
    """The longest that post-deployment validation may take."""
    deployment_timeout_minutes: Annotated[float, Field(gt=0, le=240)] = Timeouts().deployment_minutes
    """The longest that the service may take to become healthy. Where nobody sets it, a rollout that goes on moving has
    as long as the service's own pace asks for (``contracts/rollout_pace.py``)."""
    baking_minutes: Annotated[float, Field(gt=0, le=1440)] = Baking().maximum_minutes
    """The longest that baking may wait for its evidence; it ends as soon as the evidence is there."""
    enable_auto_recovery: bool = True
    """Whether Surefoot may roll back. Without it a failing run ends ``failed`` and people are called."""
    minimum_health_score: Annotated[float, Field(ge=0, le=100)] = MINIMUM_HEALTH_SCORE

    @property
    def sets_deployment_timeout(self) -> bool:
        """Whether somebody has set the time for the rollout, for this run or in the policy."""
        return "deployment_timeout_minutes" in self.model_fields_set


Asked = Annotated[DeploymentConfig, PlainSerializer(lambda config: config.model_dump(exclude_unset=True))]
"""Serialised without the fields that were left out: they get the values of the target's policy when the run begins.
That nobody has set ``deployment_timeout_minutes`` is kept as long as the run is."""


def run_id_of(target: Target, source: str, id_: str) -> str:
    """Return the id of the run that a request begins: the same request is the same run, and no other request is.

    ``source`` and ``id_`` are those of the request's message. The formula is public (docs/integrate.md): a pipeline
    knows its run before anybody has answered.
    """
    return id_of(str(target), source, id_)


class DeployRequested(Event):
    """CI, the API or a person asks for a deployment. The run's id derives from the target, ``source`` and ``id``."""

    change: Change
    actor: Plain
    expires_at: Expiry | None = None
    """A later delivery is refused. Default: 15 minutes after the event's time."""
    on_conflict: OnConflict = "queue"
    """What to do while another run is active on the target. Where it is left out, the target's policy decides
    (``requests.on_conflict``)."""
    reason: Prose = ""
    """Why the deployment is asked for, in the requester's words; for the record."""
    overrides: tuple[Override, ...] = ()
    config: Asked = DeploymentConfig()
    migration: MigrationAsked | None = None
    """The migration that runs before the change, with the image that is to be deployed; None: the one that the policy
    names (``recovery.migration_command``), if it names any."""
    without_migration: bool = False
    """True: nothing is migrated before the change, whatever the policy names."""


class AbortRequested(Event):
    """Stop a run: before the change nothing is changed, after it the service is rolled back."""

    run_id: RunId
    actor: Plain
    reason: Prose = ""


class DeploymentQueued(Event):
    """Another run is active on the target; this one starts after it."""

    run_id: RunId
    position: int


class DeploymentStarted(Event):
    run_id: RunId
    actor: Plain
    change: Change
    reason: Prose = ""
    """The reason that the request gave."""
    policy_digest: Digest = ""
    """Digest of the policy that the run keeps to its end; empty without a policy file."""


class PhaseStarted(Event):
    run_id: RunId
    phase: Phase
    deadline: Time


class PhaseProgressed(Event):
    """One sentence about what is going on, for whoever follows the run."""

    run_id: RunId
    phase: Phase
    step: str
    message: Prose
    verdict: Verdict | None = None
    """The step's verdict, where this is its answer; None while it goes on, and in what the previous version wrote."""


class GateEvaluated(Event):
    run_id: RunId
    phase: Phase
    gate: Gate


class PhaseFinished(Event):
    run_id: RunId
    phase: Phase
    verdict: Verdict
    seconds: float


class Rollback(Contract):
    """What a finished run records about its rollback."""

    trigger: Prose
    by: Literal["surefoot", "ecs", "other"]
    snapshot_id: str
    seconds: float
    actor: Plain = ""
    """The person who asked for the rollback; empty where no person did."""
    reason: Prose = ""
    """Why, in the words of that person."""


class DeploymentFinished(Event):
    """The end of a run; there is exactly one."""

    run_id: RunId
    outcome: Outcome
    cause: Cause | None = None
    """None when it succeeded, or when a person ended it."""
    reason: Prose
    """One sentence for a person."""
    rollback: Rollback | None = None
    seconds: float
