"""``apply`` and the death of its Valkey: what was acknowledged is there, and nothing is there by halves."""

import asyncio
import random
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from contracts.gates import Verdict
from contracts.results import StepFinished
from sandbox.child import claim_port
from sandbox.valkey import Valkey
from services._chassis.apply_call import Lease
from services._chassis.clock import Pace, PacedClock
from services._chassis.jobs import Executor
from services._chassis.redis_keys import ANSWER
from services._chassis.store import Applied, RedisStore, Written
from services._chassis.timers import Timers
from services._chassis.transition import Busy, Emit, Timer, decided
from tests.chassis.evidence import DUE, EVENT, TARGET, emitted, left, noting, whole
from tests.chassis.harness import until

APPLIERS = 24
STATES = 6
ROUNDS = 3
TORN = 8

Act = Callable[[RedisStore], Awaitable[Written]]


@pytest.fixture
def valkey(tmp_path: Path) -> Valkey:
    return Valkey(tmp_path / "valkey", claim_port(0))


@asynccontextmanager
async def started(server: Valkey) -> AsyncIterator[RedisStore]:
    """A store whose client does not try again by itself: an answer that is lost is for the test to see."""
    client: Any = Redis.from_url(server.start(), retry=Retry(NoBackoff(), 0), socket_timeout=20)
    try:
        yield RedisStore(client, "recovery", PacedClock(Pace()))
    finally:
        await client.aclose()
        server.kill()


async def killed_under_way(server: Valkey, store: RedisStore, acts: dict[str, Act], few: int, many: int) -> set[str]:
    """Do all of ``acts``, ``APPLIERS`` at a time, and kill the server somewhere between ``few`` and ``many`` of them.

    Return the names of those that were acknowledged.
    """
    acknowledged: set[str] = set()
    waiting = iter(acts.items())

    async def apply() -> None:
        for name, act in waiting:
            try:
                assert (await act(store)).applied is Applied.APPLIED
                acknowledged.add(name)
            except Busy:
                continue  # it has written nothing, and comes again as those do whose answer is lost
            except (RedisError, OSError):
                return

    appliers = asyncio.gather(*(apply() for _ in range(APPLIERS)))
    moment = random.randint(few, many)
    await until(lambda: len(acknowledged) >= moment, 60)
    await asyncio.to_thread(server.kill)  # from aside, so that it falls between any two of their steps
    await asyncio.wait_for(appliers, 60)
    assert len(acknowledged) < len(acts)
    return acknowledged


async def test_the_server_syncs_before_it_acknowledges(valkey: Valkey) -> None:
    async with started(valkey) as store:
        assert await store.redis.config_get("appendfsync") == {"appendfsync": "always"}
        assert (await store.redis.info("persistence"))["aof_enabled"] == 1


async def test_what_was_acknowledged_outlives_a_kill_and_nothing_is_there_by_halves(valkey: Valkey) -> None:
    done: set[str] = set()
    for round_ in range(ROUNDS):
        causes = {f"{round_}-{number}": f"state-{number % STATES}" for number in range(3_000)}
        acts = {cause: _noted(cause, key) for cause, key in causes.items()}
        async with started(valkey) as store:
            acknowledged = await killed_under_way(valkey, store, acts, 50, 500)
        async with started(valkey) as store:
            there = await whole(store)
            assert done | acknowledged <= there <= done | set(causes)

            # those whose answer was lost come again, with the same cause, and so do others that were acknowledged
            again = (there - done) | set(list(causes)[:500])
            results = {cause: await acts[cause](store) for cause in again}
            assert {cause for cause, written in results.items() if written.applied is Applied.SEEN} == there - done
            done |= again
            assert await whole(store) == done


async def test_what_a_client_sends_again_by_itself_is_done_once(valkey: Valkey) -> None:
    """The services' own client does, when the connection breaks before the answer."""
    url = valkey.start()
    client: Any = Redis.from_url(url, socket_connect_timeout=3, socket_timeout=10)
    store = RedisStore(client, "recovery", PacedClock(Pace()))
    acknowledged: set[str] = set()
    causes = [f"n{number}" for number in range(1_500)]
    waiting = iter(causes)

    async def apply() -> None:
        for cause in waiting:
            try:
                assert (await store.apply(noting(cause, cause), cause=cause)).applied in {Applied.APPLIED, Applied.SEEN}
            except (RedisError, OSError):
                continue
            acknowledged.add(cause)

    appliers = asyncio.gather(*(apply() for _ in range(APPLIERS)))
    moment = random.randint(50, 1_000)
    await until(lambda: len(acknowledged) >= moment, 60)
    await asyncio.to_thread(valkey.kill)
    assert valkey.start() == url
    await asyncio.wait_for(appliers, 60)
    there = await whole(store)
    assert acknowledged <= there
    assert len(acknowledged) > moment
    await client.aclose()
    valkey.kill()


async def test_timers_that_fire_and_jobs_that_end_do_so_once_over_a_kill(valkey: Valkey) -> None:
    names = [f"n{number}" for number in range(600)]
    async with started(valkey) as store:
        executor = Executor(store, {}, lease=3600, slots=1)
        for name in names:
            await store.apply(noting(name, name), cause=name)
        leases = [Lease(job.id, job.fence) for _ in names if (job := await executor.claim())]
        assert len(leases) == len(names)
        acts = {f"{name} fired": _fired(name) for name in names} | {
            f"{lease.job} ended": _ended(lease) for lease in leases
        }
        mixed = dict(random.sample(list(acts.items()), len(acts)))
        before = await emitted(store)
        acknowledged = await killed_under_way(valkey, store, mixed, 50, 900)
    async with started(valkey) as store:
        happened = set(await emitted(store)) - set(before)
        assert acknowledged <= happened
        found = await left(store)
        assert found["timers"] == found["timers' bodies"] == Counter(_still(names, "fired", happened))
        assert found["jobs"] == Counter(_still(names, "ended", happened))
        answers = {lease.job for lease in leases if await store.redis.exists(store.key(ANSWER, lease.job))}
        over = {
            lease.job for lease in leases if await store.redis.hget(store.key("job", lease.job), "state") == b"done"
        }
        assert answers == over == {name for name in names if f"{name} ended" in happened}

        results = {name: await act(store) for name, act in acts.items()}
        assert {name for name, written in results.items() if written.applied is Applied.APPLIED} == set(acts) - happened
        assert Counter(await emitted(store)) == Counter([*before, *acts])
        assert not await Timers(store, store.clock, {}).due()


async def test_a_file_that_is_torn_at_any_byte_holds_whole_transitions(valkey: Valkey, tmp_path: Path) -> None:
    """What a power cut may leave of the last writes, which were not acknowledged."""
    async with started(valkey) as store:
        for number in range(40):
            await store.apply(noting(f"n{number}", f"state-{number % STATES}"), cause=f"n{number}")
    for attempt in range(TORN):
        copy = tmp_path / f"torn-{attempt}"
        shutil.copytree(tmp_path / "valkey", copy)
        (file,) = (copy / "appendonlydir").glob("*.incr.aof")
        with file.open("r+b") as written:
            written.truncate(random.randint(file.stat().st_size // 4, file.stat().st_size - 1))
        async with started(Valkey(copy)) as store:
            there = await whole(store)
            assert there == {f"n{number}" for number in range(len(there))}
            assert 0 < len(there) < 40


def _noted(cause: str, key: str) -> Act:
    return lambda store: store.apply(noting(cause, key), cause=cause)


def _fired(name: str) -> Act:
    timer = Timer(name, "tick", DUE)
    return lambda store: store.apply(decided(Emit(EVENT, f"{name} fired")), timer=timer)


def _ended(lease: Lease) -> Act:
    answer = StepFinished(
        target=TARGET, run_id="r", command_id=lease.job, step="s", verdict=Verdict.PASS, summary="done"
    )
    return lambda store: store.apply(decided(Emit(answer, f"{lease.job} ended")), lease=lease)


def _still(names: list[str], what: str, happened: set[str]) -> list[str]:
    return [name for name in names if f"{name} {what}" not in happened]
