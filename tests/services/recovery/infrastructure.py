"""An account in which parts of a service are made again: each under a new id, as AWS gives it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from contracts.base import Target
from services._aws.errors import AwsError
from services.recovery.domain.readiness import Need
from services.recovery.domain.recreation.recreate_discovery import Names
from services.recovery.domain.recreation.recreate_parts import OF_OTHERS, Kind, Part
from services.recovery.domain.recreation.recreate_plan import Found
from services.recovery.domain.snapshots.snapshot import Snapshot

HAS_ID = frozenset({Kind.SECURITY_GROUP, Kind.TARGET_GROUP, Kind.LISTENER, Kind.LISTENER_RULE, Kind.SCALING_POLICY})


@dataclass
class FakeInfrastructure:
    """``present``: key of a part → what is there, besides what others own, which is there unless it is ``gone``."""

    present: dict[str, Found] = field(default_factory=dict)
    made: list[Part] = field(default_factory=list)
    """Each call that makes something, in order."""
    missing: tuple[Need, ...] = ()
    refusing: dict[str, AwsError] = field(default_factory=dict)
    """Key of a part → what its call raises, each time."""
    unread: dict[str, AwsError] = field(default_factory=dict)
    """Key of a part → what a look at it raises once."""
    after: dict[str, BaseException] = field(default_factory=dict)
    """Key of a part → what its call raises once after it has taken effect."""

    gone: set[str] = field(default_factory=set)
    """The keys of parts of other owners that are not there."""
    taken: Names = field(default_factory=lambda: Names({}, ()))
    """What is in each namespace."""

    elsewhere: int | AwsError = 0
    """The tasks that the service wants of which the snapshot is, where another is made from it."""

    allowed: bool | None = True
    """Whether the role may make parts; None: AWS does not say."""

    async def find(self, target: Target, snapshot: Snapshot, part: Part) -> Found | None:
        if part.key in self.unread:
            raise self.unread.pop(part.key)
        if part.kind in OF_OTHERS and part.key not in self.gone:
            return Found(part.ref, part.body)
        return self.present.get(part.key)

    async def make(self, target: Target, part: Part, token: str) -> str:
        if part.key in self.refusing:
            raise self.refusing[part.key]
        self.made.append(part)
        name = part.ref[:-1] + "9" if part.kind in HAS_ID else part.ref
        self.present[part.key] = Found(name, part.body, balanced=True)
        if part.key in self.after:
            raise self.after.pop(part.key)
        return name

    async def may_make(self, target: Target) -> bool | None:
        return self.allowed

    async def wanted_tasks(self, target: Target) -> int:
        if isinstance(self.elsewhere, AwsError):
            raise self.elsewhere
        return self.elsewhere

    async def names(self, target: Target, namespace: str) -> Names:
        return self.taken

    async def needs(
        self, target: Target, snapshot: Snapshot, parts: Sequence[Part], made: Sequence[Part]
    ) -> tuple[Need, ...]:
        return self.missing
