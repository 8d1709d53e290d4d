"""Two processes of one name: the earlier one ends, so that no two read everything side by side."""

import pytest
from redis.exceptions import ConnectionError as RedisAway

from services._chassis import replica_name
from services._chassis.replica_name import HELD_SECONDS, NameTaken, ReplicaName
from services._chassis.store import RedisStore
from tests.kit import FakeClock, memory_store

CLOCK = FakeClock(1_800_000_000.0)


@pytest.fixture
def store() -> RedisStore:
    return memory_store("health", CLOCK)


async def test_the_earlier_process_of_a_name_ends_and_says_what_to_do(store: RedisStore) -> None:
    earlier, later = ReplicaName(store, "health-a"), ReplicaName(store, "health-a")
    for _ in range(2):
        await earlier.keep()
    await later.keep()
    with pytest.raises(NameTaken, match=r"health-a: give each replica a SUREFOOT_INSTANCE of its own"):
        await earlier.keep()
    await later.keep()


async def test_names_of_others_do_not_matter(store: RedisStore) -> None:
    ours, others = ReplicaName(store, "health-a"), ReplicaName(store, "health-b")
    elsewhere = ReplicaName(memory_store("monitor", CLOCK), "health-a")
    for name in (ours, others, elsewhere) * 2:
        await name.keep()


async def test_a_process_that_was_killed_is_followed_at_once_and_a_redis_without_the_name_has_it_again(
    store: RedisStore,
) -> None:
    await ReplicaName(store, "health-a").keep()
    successor = ReplicaName(store, "health-a")
    await successor.keep()
    CLOCK.time += HELD_SECONDS + 1
    await successor.keep()
    assert await store.redis.get(store.key("replica", "health-a")) is not None


async def test_after_an_outage_of_redis_the_name_is_not_taken_back(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop is run again then: it keeps the name, or ends."""
    earlier, later = ReplicaName(store, "health-a"), ReplicaName(store, "health-a")
    await earlier.keep()
    await later.keep()

    async def away(**_: object) -> int:
        raise RedisAway("away")

    with monkeypatch.context() as patched:
        patched.setattr(earlier, "_script", away)
        with pytest.raises(RedisAway):
            await earlier.run()
    monkeypatch.setattr(replica_name, "KEEP_SECONDS", 0.0)
    with pytest.raises(NameTaken):
        await earlier.run()
