"""A service's audit in a Redis in memory: acts are applied, sealed and read back as lines."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from contracts.audit import Act, AuditRecord
from contracts.audit_chain import Line, Report, read_record, verify
from contracts.base import Target
from contracts.topics import AUDIT, Party
from sandbox.virtual.redis import MemoryRedis
from services._chassis.audit.acts import Audited
from services._chassis.audit.sealer import Sealer
from services._chassis.audit.verify import check_with
from services._chassis.readiness import Readiness
from services._chassis.signatures import UNSIGNED, Identity, Trust
from services._chassis.store import RedisStore
from services._chassis.transition import decided
from tests.kit import FakeClock

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
TARGET = Target(account="123456789012", region="us-west-2", cluster="c", service="s")


@dataclass
class Audit:
    """The audit of one service."""

    service: Party = Party.RECOVERY
    identity: Identity = UNSIGNED
    redis: MemoryRedis = field(default_factory=MemoryRedis)
    archived: bool = False
    readiness: Readiness = field(default_factory=Readiness)
    numbers: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        self.clock = FakeClock(NOW.timestamp())
        self.store = RedisStore(self.redis, self.service, self.clock)

    def sealer(self) -> Sealer:
        """Return the sealer of a replica."""
        return Sealer(self.store, self.identity, self.readiness, archived=self.archived)

    async def act(self, act: Act = Act.CHANGE_APPLIED, why: str = "") -> None:
        number = next(self.numbers)
        await self.store.apply(
            decided(audit=(Audited(act, f"act-{number}", TARGET, why=why),)), cause=f"cause-{number}"
        )

    async def sealed(self, *acts: Act) -> list[bytes]:
        """Do ``acts``, seal them, and return all lines that were ever published."""
        for act in acts:
            await self.act(act)
        while await self.sealer().seal():
            pass
        return self.lines

    @property
    def lines(self) -> list[bytes]:
        outbox = self.redis.stream(f"{{{self.service}}}:audit-outbox")
        return [fields[b"value"] for _, fields in outbox if fields[b"topic"] == AUDIT.name.encode()]

    @property
    def records(self) -> list[AuditRecord]:
        return [read_record(line) for line in self.lines]


def checked(lines: Iterable[bytes], trust: Trust = UNSIGNED.trust, *, whole: bool = True) -> Report:
    found = (Line(line, f"file:{number}", "file") for number, line in enumerate(lines, 1))
    return verify(found, check_with(trust), whole=whole)
