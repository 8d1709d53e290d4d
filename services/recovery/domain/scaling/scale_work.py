"""The payload of an emergency scaling's jobs and timers, and the operations that the API shows of it."""

from datetime import datetime
from typing import Any, Literal, Self

from contracts.base import Target
from contracts.operations import Operation
from contracts.scaling import Counts
from contracts.state import State
from services.recovery.domain.scaling.exhaustion import ResourceAlert
from services.recovery.domain.scaling.scaling import EmergencyScaling, of_person


class ScaleWork(State):
    target: Target
    scaling_id: str

    @property
    def end_id(self) -> str:
        """Return the id of the operation that restores what was set."""
        return f"{self.scaling_id}:end"


class LookWork(State):
    """What the look at a service whose resources may be exhausted is about, and its timer."""

    target: Target
    alert: ResourceAlert


class ScalingOperation(Operation):
    """An emergency scaling until its tasks run (``scaling``), or the restoration of what it has set (``scaling-end``).

    ``scaled`` and ``refused`` are results of the first; ``restored``, ``left`` and ``failed`` as in
    ``ScalingFinished`` are those of the second.
    """

    kind: Literal["scaling", "scaling-end"]
    scaling_id: str
    until: datetime
    target_count: int | None = None
    """The tasks that are wanted; None until that is decided."""
    result: Literal["scaled", "refused", "restored", "left", "failed"] | None = None

    @classmethod
    def up(cls, work: ScaleWork, scaling: EmergencyScaling) -> Self:
        actor, reason = of_person(scaling.trigger)
        wanted = scaling.plan.raised if scaling.plan else None
        return cls(
            operation_id=work.scaling_id,
            kind="scaling",
            started_at=scaling.asked_at,
            actor=actor,
            reason=reason,
            **_of(work, scaling, wanted),
        )

    @classmethod
    def back(cls, work: ScaleWork, scaling: EmergencyScaling) -> Self:
        wanted = scaling.plan.before if scaling.plan else None
        return cls(
            operation_id=work.end_id,
            kind="scaling-end",
            started_at=scaling.restoring_since,
            actor=scaling.ended_by or of_person(scaling.trigger)[0],
            reason=scaling.ended_why or ("" if scaling.ended_by else "its time is over"),
            **_of(work, scaling, wanted),
        )


def _of(work: ScaleWork, scaling: EmergencyScaling, wanted: Counts | None) -> dict[str, Any]:
    """Return the fields that both operations of a scaling have."""
    return {
        "target": work.target,
        "scaling_id": work.scaling_id,
        "until": scaling.until,
        "target_count": wanted.desired if wanted else None,
    }
