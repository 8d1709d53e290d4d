"""Operations: work that a caller of the API asked for, and can ask about for 31 days."""

from datetime import datetime, timedelta
from typing import Any, Literal, Self

from pydantic import ConfigDict, model_validator

from contracts.base import Contract, Target

GRACE = timedelta(minutes=5)
"""After an operation's deadline. If it has not ended by then, it never will."""


class Operation(Contract):
    """One operation. A service adds fields of its own; whoever does not know them keeps them and shows them."""

    model_config = ConfigDict(extra="allow")

    operation_id: str
    kind: str
    """What is done: ``snapshot``, ``rollback``, ``set-up``, ``validation``."""
    target: Target
    state: Literal["running", "finished", "failed"] = "running"
    """``finished``: there is a result, which the service's own fields tell. ``failed``: it did not do what was asked.
    """
    sentence: str = ""
    """What came of it, for a person; empty while it runs."""
    started_at: datetime | None = None
    """None in a record of version 0.1.0 that did not keep it."""
    finished_at: datetime | None = None
    deadline: datetime | None = None
    """Until when its job must have ended; None where the job itself knows."""
    actor: str = "api"
    reason: str = ""

    @model_validator(mode="before")
    @classmethod
    def _of_version_0_1_0(cls, data: Any) -> Any:
        """Read its three shapes, of recovery, monitor and validator. They are gone 31 days after the upgrade."""
        if not isinstance(data, dict) or "sentence" in data or {"operation_id", "kind"} <= data.keys():
            return data
        result = data.get("result")
        summary = result.get("summary") if isinstance(result, dict) else None
        return {
            "operation_id": data.get("id"),
            "kind": "set-up" if "parts" in data else "validation",
            "started_at": data.get("requested_at"),
            "sentence": data.get("detail") or data.get("summary") or summary or "",
            **data,
        }

    @property
    def key(self) -> str:
        """The name of its record."""
        return operation_key(self.operation_id)

    @property
    def record(self) -> dict[str, bytes]:
        """What a decision records of it."""
        return {self.key: self.model_dump_json().encode()}

    def finished(self, sentence: str, now: datetime, **own: Any) -> Self:
        """Return it with a result; ``own``: fields of the service."""
        return self._ended(own | {"state": "finished", "sentence": sentence, "finished_at": now})

    def failed(self, sentence: str, now: datetime, **own: Any) -> Self:
        """Return it as one that did not do what was asked, and why."""
        return self._ended(own | {"state": "failed", "sentence": sentence, "finished_at": now})

    def _ended(self, changes: dict[str, Any]) -> Self:
        return self.model_copy(update=changes)

    def seen(self, now: datetime) -> Self:
        """Return it as it is at ``now``: what still runs long after its deadline was lost with its job."""
        if self.state == "running" and self.deadline is not None and now > self.deadline + GRACE:
            return self.failed("It never ended: its job was lost. Ask for it again.", self.deadline + GRACE)
        return self


def operation_key(operation_id: str) -> str:
    return f"operation:{operation_id}"
