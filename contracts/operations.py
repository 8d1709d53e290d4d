"""Operations: work that a caller of the API asked for, and can ask about for 31 days."""

from datetime import datetime, timedelta
from typing import Any, Literal, Self

from pydantic import ConfigDict, model_validator

from contracts.base import Contract, Target, Time
from contracts.bounds import as_json
from contracts.prose import Plain, Prose, prose

GRACE = timedelta(minutes=5)
"""Time after its deadline in which an operation may still end; afterwards it is reported as lost."""


class Operation(Contract):
    """One operation. A service adds fields of its own; a reader that does not know them keeps and shows them."""

    model_config = ConfigDict(extra="allow")

    operation_id: str
    kind: str
    """What is done: ``snapshot``, ``rollback``, ``set-up``, ``validation``."""
    target: Target
    state: Literal["running", "finished", "failed"] = "running"
    """``finished``: there is a result, in the service's own fields. ``failed``: it did not do what was asked.
    """
    sentence: Prose = ""
    """The result in a sentence for a person; empty while the operation runs."""
    started_at: Time | None = None
    """None in a record of version 0.1.0 that did not keep it."""
    finished_at: Time | None = None
    deadline: Time | None = None
    """When its job must have ended; None where only the job's payload says that."""
    actor: Plain = "api"
    reason: Prose = ""

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
        """Return the key of the record that keeps the operation."""
        return operation_key(self.operation_id)

    @property
    def record(self) -> dict[str, bytes]:
        """Return the operation as ``Decision.records`` takes it: key → JSON."""
        return {self.key: as_json(self)}

    def finished(self, sentence: str, now: datetime, **own: Any) -> Self:
        """Return the operation as finished, with its result; ``own`` are fields of the service."""
        return self._ended(own | {"state": "finished", "sentence": prose(sentence), "finished_at": now})

    def failed(self, sentence: str, now: datetime, **own: Any) -> Self:
        """Return the operation as failed; ``sentence`` says why it did not do what was asked."""
        return self._ended(own | {"state": "failed", "sentence": prose(sentence), "finished_at": now})

    def _ended(self, changes: dict[str, Any]) -> Self:
        return self.model_copy(update=changes)

    def seen(self, now: datetime) -> Self:
        """Return the operation as it is at ``now``: long after its deadline, one that still runs counts as lost."""
        if self.state == "running" and self.deadline is not None and now > self.deadline + GRACE:
            return self.failed("It never ended: its job was lost. Ask for it again.", self.deadline + GRACE)
        return self


def operation_key(operation_id: str) -> str:
    return f"operation:{operation_id}"
