"""The table of the events that are acts: what is recorded of each, with the state that it is published with."""

from collections.abc import Callable
from typing import Any

from contracts.audit import Act
from contracts.base import caused_id
from contracts.catalogue import entry_of
from contracts.dead_letter import DeadLettered
from contracts.deployment import (
    Cause,
    Change,
    DeploymentFinished,
    DeploymentStarted,
    GateEvaluated,
    ImageChange,
    TaskDefinitionChange,
)
from contracts.drills import DrillFinished, DrillStarted
from contracts.gates import Verdict
from contracts.migration import MigrationFinished, MigrationStarted
from contracts.recovery import (
    CHANGE_APPLIED,
    ApplyChange,
    ChangeApplied,
    ManualTrigger,
    RollbackFinished,
    RollbackStarted,
    SnapshotCaptured,
    TargetArmed,
    TargetDisarmed,
    Trigger,
)
from contracts.recreation import RecreationFinished, RecreationStarted
from contracts.results import StepFinished
from contracts.run_verbs import HoldBegan, ReleaseAnswered, Verb, VerbAnswered
from contracts.scaling import ScalingFinished, ScalingStarted
from services._chassis.audit.acts import Audited

SET_UP = "set-up-monitoring"
"""The one step of a run that writes at AWS besides recovery's."""
CHANGE = entry_of(ApplyChange).name

Fields = dict[str, Any]


def _change(change: Change) -> str:
    match change:
        case ImageChange(reference=reference):
            return f"image {reference}"
        case TaskDefinitionChange(task_definition=version):
            return f"task definition {version}"
    return change.kind.replace("_", " ")


def _started(event: DeploymentStarted) -> Fields:
    return {
        "act": Act.RUN_STARTED,
        "why": event.reason,
        "asked_by": event.actor,
        "details": (_change(event.change), *((f"policy {event.policy_digest}",) if event.policy_digest else ())),
    }


def _finished(event: DeploymentFinished) -> Fields:
    return {"act": Act.RUN_FINISHED, "why": event.reason, "outcome": event.outcome}


_VERBS = {
    Verb.PAUSE: Act.RUN_PAUSED,
    Verb.RESUME: Act.RUN_RESUMED,
    Verb.APPROVE: Act.RUN_APPROVED,
    Verb.REJECT: Act.RUN_REJECTED,
    Verb.ABORT: Act.RUN_ABORTED,
}


def _acted_on(event: VerbAnswered) -> Fields:
    """Return that somebody has acted on a run, or has asked for it in vain."""
    return {
        "act": _VERBS[event.verb],
        "why": event.reason,
        "asked_by": event.actor,
        "outcome": "done" if event.accepted else "refused",
        "details": (event.sentence,),
    }


def _released(event: ReleaseAnswered) -> Fields:
    return {
        "act": Act.HOLD_RELEASED,
        "why": event.reason,
        "asked_by": event.actor,
        "outcome": "done" if event.accepted else "refused",
        "details": (event.sentence,),
    }


def _override(event: GateEvaluated) -> Fields | None:
    gate = event.gate
    if gate.overridden_by is None:
        return None
    return {"act": Act.OVERRIDE_USED, "why": gate.overridden_by, "details": (f"{gate.name}: {gate.arithmetic}",)}


def _asked_by(trigger: Trigger | None) -> Fields:
    """Return who has asked, and why; nothing where nobody has."""
    return {"asked_by": trigger.actor, "why": trigger.reason} if isinstance(trigger, ManualTrigger) else {}


def _why(trigger: Trigger) -> Fields:
    return {"why": trigger.summary} | _asked_by(trigger)


def _begun(event: RollbackStarted) -> Fields:
    details = (f"snapshot {event.snapshot_id}", *((event.detail,) if event.detail else ()))
    return {"act": Act.ROLLBACK_STARTED, "why": event.trigger, "details": details} | _asked_by(event.triggered_by)


def _ended(event: RollbackFinished) -> Fields:
    details = (f"snapshot {event.rollback.snapshot_id}", f"by {event.rollback.by}", event.detail)
    return {
        "act": Act.ROLLBACK_FINISHED,
        "why": event.rollback.reason or event.rollback.trigger,
        "asked_by": event.rollback.actor,
        "outcome": event.result,
        "details": details,
    }


def _scaling(event: ScalingStarted) -> Fields:
    details = (f"scaling {event.scaling_id}", event.sentence, f"until {event.until:%Y-%m-%d %H:%M:%S} UTC")
    return {"act": Act.SCALING_STARTED, "details": details} | _why(event.trigger)


def _scaling_over(event: ScalingFinished) -> Fields:
    return {
        "act": Act.SCALING_FINISHED,
        "why": event.reason,
        "asked_by": event.actor,
        "outcome": event.result,
        "details": (f"scaling {event.scaling_id}", event.sentence),
    }


def _migration(event: MigrationStarted) -> Fields:
    details = (f"migration {event.migration_id}", f"image {event.image}", event.sentence)
    return {"act": Act.MIGRATION_STARTED, "details": details} | _why(event.trigger)


def _migration_over(event: MigrationFinished) -> Fields:
    return {
        "act": Act.MIGRATION_FINISHED,
        "outcome": event.result,
        "details": (f"migration {event.migration_id}", event.sentence),
    }


def _drill(event: DrillStarted) -> Fields:
    details = (f"drill {event.drill_id}", event.sentence)
    return {"act": Act.DRILL_STARTED, "details": details} | _why(event.trigger)


def _drill_over(event: DrillFinished) -> Fields:
    details = tuple(filter(None, (f"drill {event.drill_id}", event.sentence, event.finding)))
    return {"act": Act.DRILL_FINISHED, "outcome": event.result, "details": details}


def _approved_again(event: RecreationStarted) -> Fields:
    details = (f"snapshot {event.snapshot_id}", f"plan {event.plan}", f"asked for by {event.actor}", *event.makes)
    return {
        "act": Act.RECREATION_STARTED,
        "why": event.reason,
        "asked_by": event.approved_by,
        "details": details,
    }


def _made_again(event: RecreationFinished) -> Fields:
    return {
        "act": Act.RECREATION_FINISHED,
        "why": event.reason,
        "asked_by": event.actor,
        "outcome": event.result,
        "details": (f"snapshot {event.snapshot_id}", event.sentence, *event.made),
    }


def _stored(event: SnapshotCaptured) -> Fields:
    details = (f"snapshot {event.snapshot_id}", f"sha256 {event.sha256}" if event.sha256 else "")
    return {
        "act": Act.SNAPSHOT_STORED,
        "why": event.reason,
        "asked_by": event.actor,
        "details": tuple(filter(None, details)),
    }


def _may_have_changed(event: StepFinished) -> bool:
    """Return whether a change failed, and it is not known that nothing of it reached the service."""
    if event.step != CHANGE or event.verdict is Verdict.PASS or event.cause is Cause.UNSUPPORTED:
        return False
    return not event.gates or any(gate.name == CHANGE_APPLIED for gate in event.gates)


def _answered(event: StepFinished) -> Fields | None:
    if _may_have_changed(event):
        return {"act": Act.CHANGE_APPLIED, "why": event.summary, "outcome": "unknown"}
    if event.cause is Cause.REFUSED:
        return {
            "act": Act.COMMAND_REFUSED,
            "why": event.summary,
            "outcome": "refused",
            "details": (event.step,),
        }
    if event.step == SET_UP:
        return {"act": Act.MONITORING_SET_UP, "why": event.summary, "outcome": event.verdict}
    return None


def _letter(letter: DeadLettered) -> Fields:
    return {
        "act": Act.MESSAGE_REFUSED,
        "why": letter.detail,
        "outcome": letter.reason,
        "details": (f"replay of {letter.replay_of}",) if letter.replay_of else (),
    }


_ACTS: dict[type, Callable[[Any], Fields | None]] = {
    DeploymentStarted: _started,
    DeploymentFinished: _finished,
    GateEvaluated: _override,
    VerbAnswered: _acted_on,
    HoldBegan: lambda event: {"act": Act.HOLD_BEGUN, "why": event.sentence, "details": (f"hold {event.hold_id}",)},
    ReleaseAnswered: _released,
    TargetArmed: lambda event: {"act": Act.TARGET_ARMED, "details": (f"snapshot {event.snapshot_id}",)},
    TargetDisarmed: lambda event: {"act": Act.TARGET_DISARMED, "outcome": event.reason},
    ChangeApplied: lambda event: {
        "act": Act.CHANGE_APPLIED,
        "details": (f"task definition {event.task_definition}", f"deployment {event.deployment_id}"),
    },
    RollbackStarted: _begun,
    RollbackFinished: _ended,
    ScalingStarted: _scaling,
    ScalingFinished: _scaling_over,
    MigrationStarted: _migration,
    MigrationFinished: _migration_over,
    DrillStarted: _drill,
    DrillFinished: _drill_over,
    RecreationStarted: _approved_again,
    RecreationFinished: _made_again,
    SnapshotCaptured: _stored,
    StepFinished: _answered,
    DeadLettered: _letter,
}


def act_of(event: object, id_: str) -> Audited | None:
    """Return the act that an event tells, which is published under ``id_``; None if it tells none."""
    fields_of = _ACTS.get(type(event))
    fields = fields_of(event) if fields_of else None
    if fields is None:
        return None
    target, run_id = getattr(event, "target", None), getattr(event, "run_id", None) or ""
    return Audited(id=caused_id(id_, "audit"), target=target, run_id=run_id, **fields)
