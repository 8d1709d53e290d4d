"""What time alone decides in a group: the dev broker's own state machine, under a clock of numbers."""

from dataclasses import dataclass, field

from sandbox.kafka.codes import Code
from sandbox.kafka.groups import Group, State
from sandbox.kafka.members import Join, Joined, Sync, Synced

SESSION, REBALANCE = 10.0, 60.0


@dataclass
class Table:
    """A group and all that it answered."""

    group: Group = field(default_factory=lambda: Group("g"))
    joined: list[Joined] = field(default_factory=list)
    synced: list[Synced] = field(default_factory=list)

    def join(self, now: float, member_id: str = "", instance: str | None = None, *names: str) -> Joined | None:
        """The answer, None while it is awaited."""
        before = len(self.joined)
        protocols = tuple((name, b"") for name in names or ("range",))
        wish = Join(member_id, instance, SESSION, REBALANCE, "consumer", protocols)
        self.group.join(wish, now, self.joined.append)
        return self.joined[-1] if len(self.joined) > before else None

    def newcomer(self, now: float, *names: str) -> str:
        """Joins a dynamic member, both steps; returns its id."""
        promised = self.join(now, "", None, *names)
        assert promised is not None
        self.join(now, promised.member_id, None, *names)
        return promised.member_id

    def sync(self, now: float, member_id: str) -> None:
        assignments = {name: name.encode() for name in self.group.members}
        wish = Sync(member_id, None, self.group.generation, assignments)
        self.group.sync(wish, now, self.synced.append)

    def settle(self, now: float, *members: str) -> None:
        """Everybody joins again and is assigned."""
        for member in members:
            self.join(now, member)
        for member in members:
            self.sync(now, member)
        assert self.group.state is State.STABLE


def test_a_silent_member_is_out_when_its_session_ends() -> None:
    table = Table()
    first = table.newcomer(0)
    table.sync(0, first)
    second = table.newcomer(1)
    table.settle(1, first, second)
    assert table.group.heartbeat(first, 2, 10) is Code.NONE
    table.group.tick(10.9)
    assert table.group.state is State.STABLE
    table.group.tick(11)
    assert list(table.group.members) == [first]
    assert table.group.heartbeat(first, 2, 11) is Code.REBALANCE_IN_PROGRESS
    assert table.group.heartbeat(second, 2, 11) is Code.UNKNOWN_MEMBER_ID


def test_who_does_not_join_again_within_the_rebalance_timeout_is_out() -> None:
    table = Table()
    busy = table.newcomer(0)
    table.sync(0, busy)
    newcomer = table.newcomer(1)
    for now in range(2, 61, 5):  # it lives, but its handler does not come back
        assert table.group.heartbeat(busy, 1, now) is Code.REBALANCE_IN_PROGRESS
    table.group.tick(60.9)
    assert table.group.state is State.PREPARING
    table.group.tick(61)
    assert list(table.group.members) == [newcomer]
    assert table.joined[-1].leader == newcomer
    assert table.joined[-1].generation == 2


def test_a_static_member_is_not_out_before_its_session_ends() -> None:
    table = Table()
    static = table.join(0, "", "one")
    assert static is not None
    table.sync(0, static.member_id)
    newcomer = table.newcomer(1)
    for now in range(2, 61, 5):
        table.group.heartbeat(static.member_id, 1, now)
    table.group.tick(61)
    assert set(table.group.members) == {static.member_id, newcomer}
    assert table.joined[-1].leader == newcomer
    table.group.tick(68)
    assert list(table.group.members) == [newcomer]


def test_an_empty_group_waits_a_little_so_that_many_join_at_once() -> None:
    table = Table(Group("g", initial_delay=3))
    first, second = table.newcomer(0), table.newcomer(1)
    table.group.tick(2.9)
    assert table.group.state is State.PREPARING
    table.group.tick(3)
    assert [answer.generation for answer in table.joined[-2:]] == [1, 1]
    assert {answer.member_id for answer in table.joined[-2:]} == {first, second}


def test_a_member_that_was_promised_a_name_and_never_came_does_not_block_the_group() -> None:
    table = Table()
    assert table.join(0) is not None
    waiting = table.newcomer(1)
    assert table.joined[-1].code is Code.MEMBER_ID_REQUIRED, "its join is not answered yet"
    table.group.tick(10)
    assert (table.joined[-1].code, table.joined[-1].member_id) == (Code.NONE, waiting)


def test_a_leader_that_never_assigns_is_out() -> None:
    table = Table(Group("g", initial_delay=1))
    leader, follower = table.newcomer(0), table.newcomer(0)
    table.group.tick(1)
    table.sync(1, follower)
    for now in range(2, 61, 5):
        table.group.heartbeat(leader, 1, now)
    table.group.tick(61)
    assert table.synced == [Synced(Code.REBALANCE_IN_PROGRESS)]
    assert list(table.group.members) == [follower]


def test_the_last_member_leaves_an_empty_group_of_a_new_generation() -> None:
    table = Table()
    only = table.newcomer(0)
    assert table.group.leave(only, 1) is Code.NONE
    assert (table.group.state, table.group.generation) == (State.EMPTY, 2)
    assert table.group.commits("", -1, 2) is Code.NONE


def test_the_protocol_is_the_one_that_most_prefer_of_those_that_all_speak() -> None:
    table = Table(Group("g", initial_delay=1))
    table.newcomer(0, "sticky", "range", "roundrobin")
    table.newcomer(0, "roundrobin", "range")
    table.newcomer(0, "cooperative", "roundrobin", "range")
    table.group.tick(1)
    assert table.group.protocol == "roundrobin"


def test_a_join_sent_again_answers_the_one_that_was_left_behind() -> None:
    table = Table()
    first = table.newcomer(0)
    table.sync(0, first)
    second = table.newcomer(1)
    assert table.join(2, second) == Joined(Code.UNKNOWN_MEMBER_ID, second)
    assert table.join(3, first) is not None
    assert {answer.member_id for answer in table.joined[-2:]} == {first, second}
