"""Whether a service could be made again in another place, were its own lost: said of a plan that nobody carries out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.base import Target
from services.recovery.domain.recreation.move import Move
from services.recovery.domain.recreation.recreate_plan import RecreationPlan

NOT_LOOKED_AT = "The account's quotas there, and whether recovery's role may make anything, were not looked at."


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What a look at another place has shown."""

    target: Target
    """The service as it would be there."""
    can: bool | None
    """None: it is not known in all, and nothing is known to stand in the way."""
    because: tuple[str, ...] = ()
    """Sentences: what stands in the way, or what is not known."""
    beware: tuple[str, ...] = ()
    """Sentences: what does not stand in the way, and may surprise."""
    snapshot_id: str = ""
    """From which it would be made; empty where there is none."""

    @property
    def where(self) -> str:
        return f"{self.target.cluster}/{self.target.service} in {self.target.region}"

    @property
    def lost(self) -> tuple[str, ...]:
        """Return a sentence for each reason why it could not be made there."""
        if self.can is not False:
            return ()
        return tuple(f"It could not be made as {self.where}: {reason}" for reason in self.because)

    @property
    def sentence(self) -> str:
        if self.can:
            return f"It could be made as {self.where}, from the snapshot {self.snapshot_id}."
        if self.can is None:
            return f"Whether it could be made as {self.where} is not known in all."
        return f"It could not be made as {self.where}."


def judge(move: Move, snapshot_id: str, plan: RecreationPlan, governed: str) -> Elsewhere:
    """Return what a plan says. ``governed``: why Surefoot may not act there, a sentence; empty where it may.

    What could not be read is not known, and never "no".
    """
    certain = tuple(reason for reason in plan.blocked if reason not in plan.unknown)
    because = (*((governed,) if governed else ()), *certain)
    beware = (*(warning for warning in plan.warnings if warning not in plan.unknown), NOT_LOOKED_AT)
    if because:
        return Elsewhere(move.target, False, because, (*plan.unknown, *beware), snapshot_id)
    return Elsewhere(move.target, None if plan.unknown else True, plan.unknown, beware, snapshot_id)


def view(target: str, found: Elsewhere, now: datetime) -> dict[str, Any]:
    """Return what the API shows."""
    return {
        "target": target,
        "there": str(found.target),
        "checked_at": now,
        "can_be_made": found.can,
        "sentence": found.sentence,
        "snapshot_id": found.snapshot_id,
        "because": list(found.because),
        "beware": list(found.beware),
    }
