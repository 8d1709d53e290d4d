"""Where Redis stands, reading goes on: at the start, and whenever it is not the Redis any more that it was."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisIsAway

from sandbox.child import claim_port
from sandbox.valkey import Valkey
from services._chassis import catch_up as chassis
from services._chassis.clock import Pace, PacedClock
from services._chassis.offsets import CATCHING_UP_SECONDS
from services._chassis.store import AnotherRedis, RedisStore
from services._chassis.timers import Timers
from services._chassis.transition import Timer, decided
from tests.chassis.fake_consumer import OWN, PARTITION, FakeConsumer, catch_up

KEY, FIELD = "{recovery}:positions", "recovery.commands.v1/3"


async def handled(redis: Any, *offsets: int) -> None:
    before = catch_up(redis, FakeConsumer())
    await before.on_partitions_assigned({PARTITION})
    for offset in offsets:
        before.handled(*PARTITION, offset, before.begin())
    await before.keep()


@pytest.mark.parametrize(("committed", "sought"), [(10, 8), (8, 8), (3, 3), (None, None)])
async def test_reading_goes_on_where_redis_stands_if_that_is_earlier(
    redis: Any, committed: int | None, sought: int | None
) -> None:
    await handled(redis, 5, 6, 7)
    consumer = FakeConsumer(committed=committed)
    await catch_up(redis, consumer).on_partitions_assigned({PARTITION})
    assert consumer.sought.get(PARTITION) == sought
    assert not consumer.paused


@pytest.mark.parametrize(("committed", "known"), [(7, b"7"), (None, b"0")])
async def test_a_partition_has_a_position_from_its_first_assignment_on(
    redis: Any, committed: int | None, known: bytes
) -> None:
    await catch_up(redis, FakeConsumer(committed=committed)).on_partitions_assigned({PARTITION})
    assert await redis.hget(KEY, FIELD) == known


async def test_nothing_is_read_while_redis_is_away(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chassis, "AGAIN_SECONDS", 0.01)
    await handled(redis, 4)
    consumer = FakeConsumer(committed=9)
    ours = catch_up(redis, consumer)
    known, tries = ours.offsets._script_known, iter(range(10))

    async def away(**call: Any) -> Any:
        assert consumer.paused == {PARTITION}
        if next(tries) < 2:
            raise RedisIsAway("no route")
        return await known(**call)

    ours.offsets._script_known = away
    await ours.on_partitions_assigned({PARTITION})
    assert consumer.sought == {PARTITION: 5}


async def test_a_revoked_partition_is_not_written_any_more(redis: Any) -> None:
    ours = catch_up(redis, FakeConsumer())
    await ours.on_partitions_assigned({PARTITION})
    ours.handled(*PARTITION, 4, ours.begin())
    ours.on_partitions_revoked({PARTITION})
    await ours.keep()
    assert await redis.hget(KEY, FIELD) == b"0"


class Restorable:
    """A Redis for one test; it can be killed, and come back with the offset that an older copy has."""

    def __init__(self, directory: Path) -> None:
        self._server = Valkey(directory, claim_port(0))
        self.client: Any = Redis.from_url(self._server.start())

    async def comes_back(self, *, with_position: int | None = None) -> None:
        self._server.kill()
        self._server.start()
        await self.client.connection_pool.disconnect()
        if with_position is not None:
            await self.client.hset(KEY, FIELD, with_position)

    async def end(self) -> None:
        await self.client.aclose()
        self._server.kill()


@pytest.fixture
async def restorable(tmp_path: Path) -> AsyncIterator[Restorable]:
    server = Restorable(tmp_path)
    yield server
    await server.end()


async def test_what_an_older_copy_does_not_know_is_read_again(restorable: Restorable) -> None:
    """However young the copy is: offsets since the last writing are not written into a Redis that lacks their state."""
    consumer = FakeConsumer(committed=4, position=7)
    ours = catch_up(restorable.client, consumer)
    await ours.on_partitions_assigned({PARTITION})
    ours.handled(*PARTITION, 4, ours.begin())
    ours.handled(*PARTITION, 5, ours.begin())
    await ours.keep()
    ours.handled(*PARTITION, 6, ours.begin())
    in_flight = ours.begin()
    await restorable.comes_back(with_position=5)
    await ours.keep()
    assert consumer.sought == {PARTITION: 5}
    assert ours.is_stale(in_flight)
    ours.handled(*PARTITION, 7, in_flight)
    await ours.keep()
    assert await restorable.client.hget(KEY, FIELD) == b"5"
    ours.handled(*PARTITION, 5, ours.begin())
    await ours.keep()
    assert await restorable.client.hget(KEY, FIELD) == b"6"
    assert ours.catching_up()
    ours.handled(*PARTITION, 6, ours.begin())
    assert not ours.catching_up()


async def test_until_the_first_assignment_nobody_knows_what_is_behind(
    redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = catch_up(redis, FakeConsumer(assigned=False))
    await ours.keep()
    assert ours.catching_up()
    await ours.on_partitions_assigned({PARTITION})
    assert not ours.catching_up()
    monkeypatch.setattr(chassis, "CATCH_UP_SECONDS", 0)
    assert not catch_up(redis, FakeConsumer()).catching_up()


async def test_deadlines_wait_for_the_answers_that_came_meanwhile(redis: Any) -> None:
    """A service that was away for long reads what Kafka holds before it decides that no answer came."""
    ours = catch_up(redis, FakeConsumer(committed=3, end=5))
    await ours.on_partitions_assigned({PARTITION})
    ours.handled(*PARTITION, 3, ours.begin())
    assert ours.catching_up()
    assert ours.offsets.to_commit() == {PARTITION: 4}
    ours.handled(*PARTITION, 4, ours.begin())
    assert not ours.catching_up()


async def test_before_the_first_assignment_there_is_nothing_to_go_back_to(redis: Any) -> None:
    """Else two would go back at once, and one would wait for what the other has read already."""
    consumer = FakeConsumer(position=2, end=2)
    ours = catch_up(redis, consumer)
    await ours.keep()
    assert not consumer.sought
    assert ours.begin().redis_run_id == ""


async def test_going_back_gives_way_to_a_rebalance(restorable: Restorable) -> None:
    consumer = FakeConsumer(committed=7, position=7)
    ours = catch_up(restorable.client, consumer)
    await ours.on_partitions_assigned({PARTITION})
    await restorable.comes_back(with_position=5)
    known = ours.offsets._script_known

    async def meanwhile(**call: Any) -> Any:
        ours.on_partitions_revoked({PARTITION})
        return await known(**call)

    ours.offsets._script_known, before = meanwhile, ours.begin()
    await ours.keep()
    assert consumer.sought == {PARTITION: 7}
    assert ours.begin().redis_run_id == before.redis_run_id
    ours.offsets._script_known = known
    await ours.on_partitions_assigned({PARTITION})
    assert consumer.sought == {PARTITION: 5}
    assert ours.begin().redis_run_id != before.redis_run_id


async def test_what_was_noted_before_a_rebalance_is_not_written_into_another_redis(restorable: Restorable) -> None:
    consumer = FakeConsumer(committed=4, position=7, end=9)
    ours = catch_up(restorable.client, consumer)
    await ours.on_partitions_assigned({PARTITION})
    for offset in (4, 5, 6):
        ours.handled(*PARTITION, offset, ours.begin())
    announce = ours.offsets.announce_catching_up

    async def meanwhile(longer: float = 0) -> None:
        ours.offsets.announce_catching_up = announce  # type: ignore[method-assign]  # once only
        await restorable.comes_back(with_position=5)
        ours.on_partitions_revoked({PARTITION})
        await ours.on_partitions_assigned({PARTITION})

    ours.offsets.announce_catching_up = meanwhile  # type: ignore[method-assign]  # a test gets in between
    await ours.keep()
    await ours.keep()
    assert await restorable.client.hget(KEY, FIELD) == b"5"


async def test_in_a_rebalance_no_deadline_is_judged_however_old_the_process_is(redis: Any) -> None:
    ours = catch_up(redis, FakeConsumer())
    await ours.on_partitions_assigned({PARTITION})
    ours._catching_up_until = 0
    assert not ours.catching_up()
    ours.on_partitions_revoked({PARTITION})
    assert ours.catching_up()


@pytest.mark.parametrize(("partitions", "session"), [(24, 20), (1, 0)])
async def test_where_others_may_be_dead_an_older_copy_holds_deadlines_until_they_are_replaced(
    restorable: Restorable, partitions: int, session: float
) -> None:
    consumer = FakeConsumer(committed=4, position=4)
    store = RedisStore(restorable.client, "recovery", PacedClock(Pace()))
    ours = chassis.CatchUp(store, partitions=partitions, session=20)
    ours.consumer = lambda: consumer
    await ours.on_partitions_assigned({PARTITION})
    await restorable.comes_back()
    await ours.keep()
    await ours.keep()
    assert session < await restorable.client.ttl(store.key("behind")) <= session + CATCHING_UP_SECONDS


async def test_what_is_taken_away_is_waited_for_no_longer(redis: Any) -> None:
    await handled(redis, 3)
    ours = catch_up(redis, FakeConsumer(committed=9))
    await ours.on_partitions_assigned({PARTITION})
    assert ours.catching_up()
    ours.on_partitions_revoked({PARTITION})
    assert ours.catching_up(), "nobody knows what comes next"
    await ours.on_partitions_assigned(set())
    assert not ours.catching_up()


async def test_what_a_restart_has_not_lost_is_read_on(restorable: Restorable) -> None:
    consumer = FakeConsumer(committed=4, position=5)
    ours = catch_up(restorable.client, consumer)
    await ours.on_partitions_assigned({PARTITION})
    ours.handled(*PARTITION, 4, ours.begin())
    await ours.keep()
    await restorable.comes_back()
    await ours.keep()
    assert consumer.sought == {PARTITION: 5}
    assert not ours.catching_up()


@pytest.fixture
def two_topics(monkeypatch: pytest.MonkeyPatch) -> FakeConsumer:
    """The service has read one message of three in its own topic."""
    consumer = FakeConsumer(committed=1, position=1)
    consumer.assign(PARTITION, OWN)
    consumer.ends = {OWN: 3}
    return consumer


async def test_its_own_word_is_read_to_its_end_before_all_else(redis: Any, two_topics: FakeConsumer) -> None:
    ours = catch_up(redis, two_topics, frozenset({OWN.topic}))
    await ours.on_partitions_assigned({PARTITION, OWN})
    assert two_topics.paused == {PARTITION}
    assert ours.catching_up()
    ours.handled(*OWN, 1, ours.begin())
    assert two_topics.paused == {PARTITION}
    ours.handled(*OWN, 2, ours.begin())
    assert two_topics.paused == set()
    assert not ours.catching_up()


async def test_nothing_waits_for_ever_for_its_own_word(
    redis: Any, two_topics: FakeConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chassis, "CATCH_UP_SECONDS", 0)
    ours = catch_up(redis, two_topics, frozenset({OWN.topic}))
    await ours.on_partitions_assigned({PARTITION, OWN})
    await ours.keep()
    assert two_topics.paused == set()


async def test_a_partition_that_comes_anew_waits_by_itself(redis: Any, two_topics: FakeConsumer) -> None:
    """What the service was waiting for before a rebalance lets nothing go that is assigned in it."""
    ours = catch_up(redis, two_topics, frozenset({OWN.topic}))
    await ours.on_partitions_assigned({PARTITION, OWN})
    ours.on_partitions_revoked({PARTITION, OWN})
    two_topics.pause(PARTITION, OWN)
    await ours.keep()
    assert two_topics.paused == {PARTITION, OWN}


async def test_nothing_is_written_into_an_older_copy_before_reading_has_gone_back(restorable: Restorable) -> None:
    consumer = FakeConsumer(committed=4, position=6)
    store = RedisStore(restorable.client, "recovery", PacedClock(Pace()))
    ours = chassis.CatchUp(store)
    ours.consumer = lambda: consumer
    await ours.on_partitions_assigned({PARTITION})
    in_flight = ours.begin()
    await store.apply(decided(), cause="a", redis_run_id=in_flight.redis_run_id)
    await restorable.comes_back(with_position=5)
    with pytest.raises(AnotherRedis):
        await store.apply(decided(), cause="b")
    await ours.keep()
    with pytest.raises(AnotherRedis):
        await store.apply(decided(), cause="b", redis_run_id=in_flight.redis_run_id)
    await store.apply(decided(), cause="b", redis_run_id=ours.begin().redis_run_id)


async def test_no_replica_judges_deadlines_while_one_is_behind(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await handled(redis, 4)
    store = RedisStore(redis, "recovery", PacedClock(Pace()))
    await store.apply(decided(timers=(Timer("t", "expire", 0.0),)))
    others = Timers(store, store.clock, {})
    await redis.delete(store.key("behind"))
    assert [timer.id for timer in await others.due()] == ["t"]
    ours = catch_up(redis, FakeConsumer(committed=9))
    await ours.on_partitions_assigned({PARTITION})
    assert await others.due() == []
    await redis.delete(store.key("behind"))
    await ours.keep()
    assert await others.due() == [], "it is told again as long as it holds"
    assert 0 < await redis.ttl(store.key("behind")) <= CATCHING_UP_SECONDS


def again(ours: chassis.CatchUp, *offsets: int) -> list[int]:
    """Return which of these messages are read again, since Redis may have lost what followed from them."""
    return [offset for offset in offsets if ours.is_read_again(*PARTITION, offset)]


async def test_what_is_read_for_the_first_time_is_not_read_again(redis: Any) -> None:
    """Neither in a new installation, nor by a process that was away for long, nor after one that has crashed."""
    ours = catch_up(redis, FakeConsumer(end=5))
    assert again(ours, 0) == []
    await ours.on_partitions_assigned({PARTITION})
    assert again(ours, 0, 4) == []
    ours.handled(*PARTITION, 0, ours.begin())
    await ours.keep()
    crashed = catch_up(redis, FakeConsumer(committed=3, end=9))
    await crashed.on_partitions_assigned({PARTITION})
    assert crashed.catching_up()
    assert again(crashed, 1, 2, 3, 8) == []


async def read_to(ours: chassis.CatchUp, *offsets: int) -> None:
    for offset in offsets:
        ours.handled(*PARTITION, offset, ours.begin())
    await ours.keep()


@pytest.mark.parametrize("restarted", [False, True])
async def test_after_a_restoration_all_is_read_again_that_kafka_held_then(
    restorable: Restorable, *, restarted: bool
) -> None:
    """Also what nobody had read before, and also where the process was away when Redis was restored."""
    consumer = FakeConsumer(committed=7, position=7, end=9)
    ours = catch_up(restorable.client, consumer)
    await ours.on_partitions_assigned({PARTITION})
    await read_to(ours, 7)
    await restorable.comes_back(with_position=5)
    if restarted:
        ours = catch_up(restorable.client, consumer)
        await ours.on_partitions_assigned({PARTITION})
    else:
        await ours.keep()
    assert again(ours, 5, 8, 9) == [5, 8]
    await read_to(ours, 5, 6, 7)
    successor = catch_up(restorable.client, consumer)
    await successor.on_partitions_assigned({PARTITION})
    assert again(successor, 8, 9) == [8], "whoever goes on after a crash knows it as well"
    await read_to(ours, 8)
    assert again(ours, 8, 9) == []
    consumer.ends = {PARTITION: 12}
    following = catch_up(restorable.client, consumer)
    await following.on_partitions_assigned({PARTITION})
    assert again(following, 8, 9, 11) == []


async def test_a_redis_that_was_only_restarted_is_taken_for_a_restored_one(restorable: Restorable) -> None:
    """It cannot be told apart; there is nothing to be read again, though, but what nobody has read."""
    ours = catch_up(restorable.client, FakeConsumer(committed=4, position=5))
    await ours.on_partitions_assigned({PARTITION})
    await read_to(ours, 4)
    await restorable.comes_back()
    await ours.keep()
    await ours.keep()
    assert again(ours, 4, 5) == []


async def test_what_the_version_before_has_noted_counts_as_restored_once(redis: Any) -> None:
    await redis.hset(KEY, FIELD, 5)
    ours = catch_up(redis, FakeConsumer(committed=5, end=6))
    await ours.on_partitions_assigned({PARTITION})
    assert again(ours, 5, 6) == [5]
    await read_to(ours, 5)
    following = catch_up(redis, FakeConsumer(committed=6, end=8))
    await following.on_partitions_assigned({PARTITION})
    assert again(following, 6, 7) == []


async def test_a_rebalance_forgets_what_was_read_again(restorable: Restorable) -> None:
    consumer = FakeConsumer(committed=7, position=7, end=9)
    ours = catch_up(restorable.client, consumer)
    await ours.on_partitions_assigned({PARTITION})
    await restorable.comes_back(with_position=5)
    await ours.keep()
    ours.on_partitions_revoked({PARTITION})
    assert again(ours, 5, 8) == []
