"""Which run a request has: it follows from the target and from what the sender calls itself and its request."""

from dataclasses import dataclass
from uuid import uuid5

from contracts.base import CAUSES, Target
from contracts.deployment import run_id_of


@dataclass(frozen=True, slots=True)
class RequestName:
    """What tells a request from all others."""

    target: Target
    source: str
    id: str

    @property
    def run_id(self) -> str:
        return run_id_of(self.target, self.source, self.id)

    @property
    def run_id_before(self) -> str:
        """The id that the version before gave the run. Requests about other targets may have the same one."""
        return str(uuid5(CAUSES, f"{self.source}:{self.id}"))


def alias_key(target: Target, run_id_before: str) -> str:
    """Return the key of the record of which run of the target has the id that the version before would have given it.

    It is kept as long as ids of that version may be in use, which is 31 days, like every record.
    """
    return f"alias:{target}:{run_id_before}"
