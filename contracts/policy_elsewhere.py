"""The section of a policy about another place: where the service could be made again, were its own place lost."""

from typing import Annotated

from pydantic import Field, StringConstraints

from contracts.base import Name, Region, Target
from contracts.policy_section import Section, default

MOST_NAMES = 100
"""The most names of a snapshot for which others may stand."""
STAND_IN = r"^[!-<>-~]{5,512}=[!-<>-~]{5,512}$"
StandIn = Annotated[str, StringConstraints(pattern=STAND_IN)]
"""``OLD=NEW``: an id, an ARN or a name in the snapshot, and what stands for it there; no shorter than any id of AWS."""


class Elsewhere(Section):
    """Another place for the service. It is looked at whether it could be made there, and nothing is made."""

    region: Region | None = default(None, "the service's own")
    """The region of the other place; off: the service's own."""
    cluster: Name | None = default(None, "one of the same name")
    """The cluster of the other place; off: one of the same name. Without both nothing is looked at."""
    names: Annotated[tuple[StandIn, ...], Field(max_length=MOST_NAMES)] = default((), "nothing stands for anything")
    """OLD=NEW, as `surefoot recreate --map` takes them: what of the snapshot has another name there."""

    def place(self, target: Target) -> Target | None:
        """Return the service as it would be there; None where no other place is named."""
        named = {"region": self.region, "cluster": self.cluster}
        there = target.model_copy(update={name: value for name, value in named.items() if value is not None})
        return there if there != target else None

    @property
    def stand_ins(self) -> dict[str, str]:
        """Return what stands for what: what is in the snapshot → what is there."""
        return {old: new for old, _, new in (name.partition("=") for name in self.names)}
