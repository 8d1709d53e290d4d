"""An index: lines under scores, read from the highest on, page by page. On a real Valkey and in memory."""

from math import inf

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.virtual.redis import MemoryRedis
from services._chassis.clock import Pace, PacedClock
from services._chassis.store import Indexed, RedisStore
from services._chassis.transition import Decision, Index, Transition
from tests.properties.world import finished


@pytest.fixture(params=["valkey", "memory"])
def store(request: pytest.FixtureRequest) -> RedisStore:
    redis = request.getfixturevalue("redis") if request.param == "valkey" else MemoryRedis()
    return RedisStore(redis, "orchestrator", PacedClock(Pace()))


async def put(store: RedisStore, *lines: tuple[str, float], keep: int = 100) -> None:
    indexes = tuple(Index("runs", member, score, keep) for member, score in lines)
    await store.apply(Transition(None, lambda _: Decision(indexes=indexes)))


async def members(store: RedisStore, lowest: float = -inf, highest: float = inf) -> list[str]:
    return [line.member for line in await store.range("runs", lowest=lowest, highest=highest)]


async def test_the_highest_come_first_and_a_new_score_replaces_the_old(store: RedisStore) -> None:
    await put(store, ("a", 1), ("b", 3), ("c", 2.5))
    await put(store, ("a", 4))
    assert await store.range("runs") == [Indexed("a", 4), Indexed("b", 3), Indexed("c", 2.5)]
    assert await members(store, lowest=3) == ["a", "b"]
    assert await members(store, highest=3) == ["b", "c"]
    assert await store.range("another") == []


async def test_an_index_holds_so_many_and_no_more(store: RedisStore) -> None:
    await put(store, *((f"run-{number}", number) for number in range(10)), keep=3)
    assert await members(store) == ["run-9", "run-8", "run-7"]
    await put(store, ("late", 0), keep=3)
    assert await members(store) == ["run-9", "run-8", "run-7"]


async def test_pages_are_whole_though_lines_come_in_meanwhile(store: RedisStore) -> None:
    """Many lines of one moment, as when a queue is filled at once: none is left out, and none comes twice."""
    same = [f"run-{number:02}" for number in range(9)]
    await put(store, ("first", 9.25), *((member, 7.125) for member in same), ("last", 1))
    read, after = [], None
    for _ in range(20):
        page = await store.range("runs", after=after, limit=2)
        if not page:
            break
        read += [line.member for line in page]
        after = page[-1].cursor
        await put(store, (f"new-{after}", 100 + len(read)))
    assert read == ["first", *reversed(same), "last"]


async def test_an_index_is_written_with_the_decision_or_not_at_all(store: RedisStore) -> None:
    line = Decision(indexes=(Index("runs", "a", 1, 9),))
    await store.apply(Transition(None, lambda _: line), cause="once")
    await put(store, ("a", 5))
    await store.apply(Transition(None, lambda _: line), cause="once")
    assert await store.range("runs") == [Indexed("a", 5)]


@pytest.mark.parametrize("cursor", ["", "7", "x:a", "nan:a"])
async def test_what_is_no_cursor_is_refused(store: RedisStore, cursor: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        await store.range("runs", after=cursor)


LINES = st.dictionaries(st.text(max_size=4), st.floats(0, 5).map(round), max_size=12)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=LINES, limit=st.integers(1, 4), keep=st.integers(1, 12))
def test_pages_together_are_the_index(lines: dict[str, float], limit: int, keep: int) -> None:
    store = RedisStore(MemoryRedis(), "orchestrator", PacedClock(Pace()))

    async def read() -> list[tuple[float, str]]:
        await put(store, *lines.items(), keep=keep)
        found: list[Indexed] = []
        while page := await store.range("runs", after=found[-1].cursor if found else None, limit=limit):
            found += page
        return [(line.score, line.member) for line in found]

    every = sorted(((score, member) for member, score in lines.items()), reverse=True)
    assert finished(read()) == every[:keep]
