"""A consumer group's life, as Kafka's classic protocol has it.

Empty → PreparingRebalance (waiting for everybody to join) → CompletingRebalance (waiting for the leader's
assignment) → Stable. No clock, no socket: every call says what time it is (seconds, monotonic), and an answer
that has to wait is given through the callback that came with its request. The rules follow Kafka's
`ClassicGroup` and `GroupMetadataManager`; the dynamic member's two-step join is KIP-394, the static member's
quiet restart KIP-345.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from sandbox.kafka.codes import Code
from sandbox.kafka.members import (
    Join,
    Joined,
    Member,
    OnJoined,
    OnSynced,
    Sync,
    Synced,
    chosen_protocol,
    common_protocols,
    new_id,
)


class State(StrEnum):
    """Kafka's own words; clients print them."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"


@dataclass(slots=True)
class Group:
    """`initial_delay` (seconds) is how long an empty group waits for more members to join at once."""

    name: str
    initial_delay: float = 0.0
    state: State = State.EMPTY
    generation: int = 0
    protocol_type: str = ""
    protocol: str = ""
    leader: str = ""
    members: dict[str, Member] = field(default_factory=dict)
    _promised: dict[str, float] = field(default_factory=dict)  # ids given out, not yet used → until when
    _not_before: float = 0.0
    _deadline: float = 0.0

    def join(self, wish: Join, now: float, answer: OnJoined) -> None:
        code = self._refusal(wish)
        if code is not Code.NONE:
            answer(Joined(code, wish.member_id))
        elif wish.member_id in self.members:
            self._rejoin(self.members[wish.member_id], wish, now, answer)
        elif wish.member_id:
            del self._promised[wish.member_id]
            self._admit(wish, now, answer)
        elif wish.instance_id is None:
            member_id = new_id(wish.client_id)
            self._promised[member_id] = now + wish.session_timeout
            answer(Joined(Code.MEMBER_ID_REQUIRED, member_id))
        elif (previous := self._instance(wish.instance_id)) is not None:
            self._succeed(previous, wish, now, answer)
        else:
            self._admit(replace(wish, member_id=new_id(wish.instance_id)), now, answer)

    def sync(self, wish: Sync, now: float, answer: OnSynced) -> None:
        code = self._check(wish.member_id, wish.instance_id, wish.generation)
        if code is Code.NONE and self.state is State.PREPARING:
            code = Code.REBALANCE_IN_PROGRESS
        if code is not Code.NONE:
            answer(Synced(code))
            return
        member = self.members[wish.member_id]
        self._renew_session(member, now)
        if self.state is State.STABLE:
            answer(Synced(Code.NONE, member.assignment))
            return
        member.answer_sync(Synced(Code.REBALANCE_IN_PROGRESS))  # an earlier try, its client has gone
        member.syncing = answer
        if member.id == self.leader:
            self._assign(wish.assignments, now)

    def heartbeat(self, member_id: str, generation: int, now: float) -> Code:
        code = self._check(member_id, None, generation)
        if code is not Code.NONE:
            return code
        self._renew_session(self.members[member_id], now)
        return Code.REBALANCE_IN_PROGRESS if self.state is State.PREPARING else Code.NONE

    def leave(self, member_id: str, now: float) -> Code:
        if member_id in self._promised:
            del self._promised[member_id]
            self._complete_when_ready(now)
        elif member_id in self.members:
            self._remove([member_id], now)
        else:
            return Code.UNKNOWN_MEMBER_ID
        return Code.NONE

    def commits(self, member_id: str, generation: int, now: float) -> Code:
        """Return whether this member may commit offsets. While the others join again it may; between joining and
        being assigned it may not. Without a generation only an empty group's offsets can be set.
        """
        if generation < 0 and not self.members:
            return Code.NONE
        code = self._check(member_id, None, generation)
        if code is not Code.NONE:
            return code
        self._renew_session(self.members[member_id], now)
        return Code.REBALANCE_IN_PROGRESS if self.state is State.COMPLETING else Code.NONE

    def tick(self, now: float) -> None:
        """Carries out what time alone decides: expired sessions, and rebalances that waited long enough."""
        for member_id in [id_ for id_, until in self._promised.items() if until <= now]:
            del self._promised[member_id]
        silent = [m.id for m in self.members.values() if not m.waiting and m.expires <= now]
        if silent:
            self._remove(silent, now)
        if self.state is State.PREPARING and now >= self._deadline:
            self._stop_waiting_for_joins(now)
        elif self.state is State.COMPLETING and now >= self._deadline:
            self._remove([m.id for m in self.members.values() if m.syncing is None], now)
        self._complete_when_ready(now)

    def _refusal(self, wish: Join) -> Code:
        names = {name for name, _ in wish.protocols}
        others = [member for member in self.members.values() if member.id != wish.member_id]
        if not names or (others and (wish.protocol_type != self.protocol_type or not names & common_protocols(others))):
            return Code.INCONSISTENT_GROUP_PROTOCOL
        if not wish.member_id or wish.member_id in self._promised:
            return Code.NONE
        holder = self._instance(wish.instance_id)
        if holder is not None and holder.id != wish.member_id:
            return Code.FENCED_INSTANCE_ID
        return Code.NONE if wish.member_id in self.members else Code.UNKNOWN_MEMBER_ID

    def _check(self, member_id: str, instance_id: str | None, generation: int) -> Code:
        holder = self._instance(instance_id)
        if holder is not None and holder.id != member_id:
            return Code.FENCED_INSTANCE_ID
        if member_id not in self.members:
            return Code.UNKNOWN_MEMBER_ID
        return Code.NONE if generation == self.generation else Code.ILLEGAL_GENERATION

    def _instance(self, instance_id: str | None) -> Member | None:
        if instance_id is None:
            return None
        return next((m for m in self.members.values() if m.wish.instance_id == instance_id), None)

    def _renew_session(self, member: Member, now: float) -> None:
        member.expires = now + member.wish.session_timeout

    def _admit(self, wish: Join, now: float, answer: OnJoined) -> None:
        self.protocol_type = wish.protocol_type
        self.members[wish.member_id] = Member(wish.member_id, wish, now + wish.session_timeout, joining=answer)
        self._rebalance(now)

    def _rejoin(self, member: Member, wish: Join, now: float, answer: OnJoined) -> None:
        changed = member.wish.protocols != wish.protocols
        self._renew_session(member, now)
        settled = self.state is State.COMPLETING or (self.state is State.STABLE and member.id != self.leader)
        if settled and not changed:
            answer(self._welcome(member))
            return
        member.wish = wish
        member.answer_join(Joined(Code.UNKNOWN_MEMBER_ID, member.id))  # an earlier try, its client has gone
        member.joining = answer
        self._rebalance(now)

    def _succeed(self, previous: Member, wish: Join, now: float, answer: OnJoined) -> None:
        """A static member came back: it takes over, and a stable group goes on as if nothing had been."""
        previous.answer_join(Joined(Code.FENCED_INSTANCE_ID, previous.id))
        previous.answer_sync(Synced(Code.FENCED_INSTANCE_ID))
        leader_before = self.leader
        member_id = new_id(wish.instance_id or "")
        self.members = {(member_id if id_ == previous.id else id_): member for id_, member in self.members.items()}
        member = self.members[member_id] = Member(
            member_id, replace(wish, member_id=member_id), now + wish.session_timeout, previous.assignment
        )
        if self.leader == previous.id:
            self.leader = member_id
        if self.state is State.STABLE and chosen_protocol(self.members.values()) == self.protocol:
            # Naming the former leader keeps the newcomer from assigning anew: no member would get the new assignment.
            answer(Joined(Code.NONE, member_id, self.generation, self.protocol, leader_before))
            return
        member.joining = answer
        self._rebalance(now)

    def _rebalance(self, now: float) -> None:
        if self.state is not State.PREPARING:
            self._not_before = now + (self.initial_delay if self.state is State.EMPTY else 0.0)
            self._deadline = now + self._patience()
            self.state = State.PREPARING
            for member in self.members.values():
                member.answer_sync(Synced(Code.REBALANCE_IN_PROGRESS))
        self._complete_when_ready(now)

    def _assign(self, assignments: dict[str, bytes], now: float) -> None:
        self.state = State.STABLE
        for member in self.members.values():
            member.assignment = assignments.get(member.id, b"")
            if member.syncing is not None:
                self._renew_session(member, now)
                member.answer_sync(Synced(Code.NONE, member.assignment))

    def _patience(self) -> float:
        return max((member.wish.rebalance_timeout for member in self.members.values()), default=0.0)

    def _complete_when_ready(self, now: float) -> None:
        if self.state is not State.PREPARING or now < self._not_before or self._promised:
            return
        if all(member.joining is not None for member in self.members.values()):
            self._next_generation(now)

    def _stop_waiting_for_joins(self, now: float) -> None:
        """Removes members that did not join in time, except static members, which stay until their session expires."""
        self.members = {
            id_: member
            for id_, member in self.members.items()
            if member.joining is not None or member.wish.instance_id is not None
        }
        self._promised.clear()
        if self.members and all(member.joining is None for member in self.members.values()):
            self._deadline = now + self._patience()
        else:
            self._next_generation(now)

    def _next_generation(self, now: float) -> None:
        self.generation += 1
        if not self.members:
            self.state, self.protocol, self.leader = State.EMPTY, "", ""
            return
        self.state = State.COMPLETING
        self.protocol = chosen_protocol(self.members.values())
        self._deadline = now + self._patience()
        joined = [member for member in self.members.values() if member.joining is not None]
        if self.leader not in {member.id for member in joined}:
            self.leader = joined[0].id
        for member in joined:
            self._renew_session(member, now)
            member.answer_join(self._welcome(member))

    def _welcome(self, member: Member) -> Joined:
        members = tuple(
            (each.id, each.wish.instance_id, each.metadata(self.protocol)) for each in self.members.values()
        )
        return Joined(
            Code.NONE,
            member.id,
            self.generation,
            self.protocol,
            self.leader,
            members if member.id == self.leader else (),
        )

    def _remove(self, member_ids: list[str], now: float) -> None:
        for member_id in member_ids:
            member = self.members.pop(member_id)
            member.answer_join(Joined(Code.UNKNOWN_MEMBER_ID, member_id))
            member.answer_sync(Synced(Code.UNKNOWN_MEMBER_ID))
        self._rebalance(now)
