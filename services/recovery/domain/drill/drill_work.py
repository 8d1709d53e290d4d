"""The payload of a drill's job and timers, and the operation that the API shows of it."""

from typing import Literal, Self

from contracts.base import Target
from contracts.drills import DrillPlan
from contracts.operations import Operation
from contracts.prose import Prose
from contracts.recovery import ManualTrigger
from contracts.state import State
from services.recovery.domain.drill.drill import Drill


class DrillWork(State):
    target: Target
    drill_id: str


class DrillOperation(Operation):
    """A drill. ``refused``: nothing was begun. The others as in ``DrillFinished``."""

    kind: Literal["drill"]
    plan: DrillPlan
    result: Literal["measured", "stopped", "failed", "refused"] | None = None
    rto_seconds: float | None = None
    rpo_seconds: float | None = None
    finding: Prose = ""

    @classmethod
    def of(cls, target: Target, drill: Drill) -> Self:
        asked = drill.trigger if isinstance(drill.trigger, ManualTrigger) else ManualTrigger()
        return cls(
            operation_id=drill.drill_id,
            kind="drill",
            target=target,
            plan=drill.plan,
            started_at=drill.asked_at,
            deadline=drill.until,
            actor=asked.actor,
            reason=asked.reason,
            rpo_seconds=drill.rpo_seconds,
        )
