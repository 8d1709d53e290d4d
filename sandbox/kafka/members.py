"""The members of a consumer group: what each asks of it and is answered, and the protocol that they agree on."""

import uuid
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

from sandbox.kafka.codes import Code


@dataclass(frozen=True, slots=True)
class Join:
    """A request to join; timeouts in seconds, `protocols` in the member's order of preference."""

    member_id: str
    instance_id: str | None
    session_timeout: float
    rebalance_timeout: float
    protocol_type: str
    protocols: tuple[tuple[str, bytes], ...]
    client_id: str = ""
    client_host: str = ""


@dataclass(frozen=True, slots=True)
class Joined:
    """`members` is (member, instance, metadata) for the leader, and empty for the others."""

    code: Code
    member_id: str
    generation: int = -1
    protocol: str = ""
    leader: str = ""
    members: tuple[tuple[str, str | None, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Sync:
    """A request for the member's assignment; the leader's has all assignments, by member."""

    member_id: str
    instance_id: str | None
    generation: int
    assignments: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Synced:
    code: Code
    assignment: bytes = b""


OnJoined = Callable[[Joined], None]
OnSynced = Callable[[Synced], None]


@dataclass(slots=True)
class Member:
    """One member; `joining` and `syncing` are its unanswered requests."""

    id: str
    wish: Join
    expires: float
    assignment: bytes = b""
    joining: OnJoined | None = None
    syncing: OnSynced | None = None

    @property
    def waiting(self) -> bool:
        return self.joining is not None or self.syncing is not None

    def metadata(self, protocol: str) -> bytes:
        return dict(self.wish.protocols).get(protocol, b"")

    def answer_join(self, joined: Joined) -> None:
        if self.joining is not None:
            self.joining(joined)
            self.joining = None

    def answer_sync(self, synced: Synced) -> None:
        if self.syncing is not None:
            self.syncing(synced)
            self.syncing = None


def common_protocols(members: Collection[Member]) -> set[str]:
    """Return the names of the protocols that all members support; there must be a member."""
    return set.intersection(*({name for name, _ in member.wish.protocols} for member in members))


def chosen_protocol(members: Collection[Member]) -> str:
    """Return the protocol with the most votes; every member votes for the first of its protocols that all support."""
    common = common_protocols(members)
    votes = Counter(next(name for name, _ in member.wish.protocols if name in common) for member in members)
    return votes.most_common(1)[0][0]


def new_id(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4()}"
