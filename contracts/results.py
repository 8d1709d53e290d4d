"""The answer to a command: a verdict, its gates, and what the next step needs to know."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.base import Contract, Event, RunId, Time, caused_id
from contracts.deployment import Cause
from contracts.gates import Gate, Verdict
from contracts.policy_section import Digest
from contracts.prose import Prose
from contracts.rollout_pace import RolloutPace
from contracts.validator import Baseline


class SnapshotOutput(Contract):
    kind: Literal["snapshot"] = "snapshot"
    snapshot_id: str


class PreflightOutput(Contract):
    """Exactly what is to be applied: each changed container's image by digest, or a task definition's ARN."""

    kind: Literal["preflight"] = "preflight"
    images: dict[str, str] = Field(default_factory=dict)
    """Container name → ``repository@sha256:…``."""
    task_definition: str | None = None
    digests: dict[str, str] = Field(default_factory=dict)
    """Container name → digest of the image that it would run, as far as that is known; empty in the answer of the
    previous version."""
    live_deployment: str | None = None
    """ECS's id of the primary deployment, where the request names no change; None where ECS knows none."""
    under_way: bool = False
    """Whether that deployment was still rolling out."""
    baseline: Baseline | None = None
    """What the tests of ``validate-deployment`` saw before the change, where that was asked for."""
    pace: RolloutPace | None = None
    """How fast ECS replaces the service's tasks; None where not even its percentages are known."""


class ArmedOutput(Contract):
    kind: Literal["armed"] = "armed"
    expires_at: Time
    """When the arming expires: afterwards recovery does not act for this run any more."""
    snapshot_id: str


class ChangeOutput(Contract):
    """The deployment that is ours, as ECS names it."""

    kind: Literal["change"] = "change"
    deployment_id: str
    task_definition: str
    applied_at: Time
    changed: bool = True
    """False: the service ran the task definition already, so that nothing was changed and nothing can be undone."""


class RolloutOutput(Contract):
    """The deployment that was watched until it was live."""

    kind: Literal["rollout"] = "rollout"
    wanted: int
    """How many tasks the service wants to run; 0: nothing runs, so nothing can be proven."""
    task_definition: str | None = None
    """The task definition (ARN) that the deployment runs; None where it is not known, or an older health says it."""


class ProbesOutput(Contract):
    """What the validator's own requests saw; they count as samples for a service without traffic."""

    kind: Literal["probes"] = "probes"
    requests: int
    failures: int
    p95_seconds: float | None
    requests_before: int = 0
    """The same tests' requests to the version before; 0 where nobody has sent any."""
    failures_before: int = 0
    unsent: Prose = ""
    """Why none was sent, where AWS did not say whether one could be; then none stands for the requests of users."""


class DisarmOutput(Contract):
    """Recovery's answer to ``disarm``: whether it was disarmed first, or had begun a rollback."""

    kind: Literal["disarm"] = "disarm"
    answer: Literal["disarmed", "rollback-started"]


class MonitoringOutput(Contract):
    kind: Literal["monitoring"] = "monitoring"
    dashboard: str
    alarms: tuple[str, ...]


Output = Annotated[
    SnapshotOutput
    | PreflightOutput
    | ArmedOutput
    | ChangeOutput
    | RolloutOutput
    | ProbesOutput
    | DisarmOutput
    | MonitoringOutput,
    Field(discriminator="kind"),
]


class Answer(Event):
    """An answer is kept for its command, so that the same command gets the same answer again."""

    run_id: RunId
    command_id: str


class StepFinished(Answer):
    """The answer of one of the six commanded services to a command. The same command always gets the same answer."""

    step: str
    """The command's type without its version: ``capture-snapshot``."""
    verdict: Verdict
    gates: tuple[Gate, ...] = ()
    cause: Cause | None = None
    """None when it passed."""
    summary: Prose
    """One sentence for a person."""
    output: Output | None = None
    policy_digest: Digest = ""
    """Digest of the policy whose thresholds the gates show; empty without a policy file."""


def answer_id(command_id: str) -> str:
    """Return the id of the answer to a command: the same for every replica and every repetition."""
    return caused_id(command_id, "finished")


class StepProgressed(Event):
    run_id: RunId
    command_id: str
    step: str
    message: Prose
    silent_until: Time | None = None
    """Until when the step may publish nothing and still be at work, in product time; None where it does not say."""
