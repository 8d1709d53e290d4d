"""What a service is made again with."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from contracts.base import Target
from services.recovery.domain.change import Body
from services.recovery.domain.readiness import Need
from services.recovery.domain.recreation.recreate_discovery import Names, Registry
from services.recovery.domain.recreation.recreate_parts import Part
from services.recovery.domain.recreation.recreate_plan import Found
from services.recovery.domain.snapshots.snapshot import Snapshot


class Infrastructure(Protocol):
    """Everything of a service that is made again from a snapshot. ``make`` changes something: its callers look first.

    Ids and ARNs in a part are those that AWS has now.
    """

    async def find(self, target: Target, snapshot: Snapshot, part: Part) -> Found | None:
        """Return what is there under the part's name; None if nothing is."""
        ...

    async def make(self, target: Target, part: Part, token: str) -> str:
        """Make a part and return its id or ARN, or an empty text; the same call again makes no second one.

        ``token`` is the same for each try.
        """
        ...

    async def may_make(self, target: Target) -> bool | None:
        """Return whether AWS lets the role make a part, by a call that makes none; None: it does not say."""
        ...

    async def wanted_tasks(self, target: Target) -> int:
        """Return how many tasks a service wants; 0 where it is not there. Raise ``AwsError``."""
        ...

    async def names(self, target: Target, namespace: str) -> Names:
        """Return what is in a namespace of Cloud Map, by its ARN, without the target's own. No error is raised."""
        ...

    async def needs(
        self, target: Target, snapshot: Snapshot, parts: Sequence[Part], made: Sequence[Part]
    ) -> tuple[Need, ...]:
        """Return what is not made and must be there: cluster, roles, certificates, … No error is raised.

        ``made``: those of the parts that are made; what the others name is not looked at.
        """
        ...


class Discovery(Protocol):
    async def registries(self, target: Target, service: Body, names: Mapping[str, str]) -> tuple[Registry, ...]:
        """Return where its tasks are registered in Cloud Map, and how many that run are. No error is raised.

        ``names``: ARN of a service of Cloud Map → what people know it by.
        """
        ...
