"""What many appliers leave in Redis: everywhere the same causes, or something was half done."""

from collections import Counter
from typing import Any

import orjson

from contracts.base import Target
from contracts.recovery import SnapshotCaptured
from services._chassis.compact import short
from services._chassis.store import RedisStore
from services._chassis.transition import Decision, Emit, Job, Timer, Transition

TARGET = Target(account="123456789012", region="us-west-2", cluster="c", service="s")
EVENT = SnapshotCaptured(target=TARGET, run_id="r", snapshot_id="1", task_definition="t:1")
DUE = 1.0
"""Epoch seconds: long ago."""


def noting(cause: str, key: str) -> Transition:
    """Let ``cause`` leave its name in every place that a transition can write."""

    def decide(data: bytes | None) -> Decision:
        return Decision(
            state=orjson.dumps([*orjson.loads(data or b"[]"), cause]),
            emit=(Emit(EVENT, cause),),
            timers=(Timer(cause, "tick", DUE),),
            jobs=(Job(cause, "work"),),
            records={cause: b"1"},
        )

    return Transition(key, decide)


async def left(store: RedisStore) -> dict[str, Counter[str]]:
    """Return how often each cause is found, by the place where it should be once."""
    redis = store.redis
    states = [orjson.loads(await redis.hget(key, "data")) for key in await _keys(store, "state")]
    revisions = [int(await redis.hget(key, "revision")) for key in await _keys(store, "state")]
    assert revisions == [len(state) for state in states]
    return {
        "states": Counter(cause for state in states for cause in state),
        "inbox": await _named(store, "inbox"),
        "outbox": Counter(await emitted(store)),
        "timers": _texts(await redis.zrange(store.key("timers"), 0, -1)),
        "timers' bodies": _texts(await redis.hkeys(store.key("timer-bodies"))),
        "jobs": _texts(await redis.zrange(store.key("jobs"), 0, -1)),
        "jobs' bodies": await _named(store, "job"),
        "records": await _named(store, "record"),
    }


async def whole(store: RedisStore) -> set[str]:
    """Return the causes, each of which is once in every place."""
    found = await left(store)
    causes = set(found["states"])
    marks = Counter(map(short, causes))
    assert found == {place: marks if place == "inbox" else Counter(causes) for place in found}
    return causes


async def emitted(store: RedisStore) -> list[str]:
    """Return the ids of the events in the outbox, in its order."""
    entries = await store.redis.xrange(store.key("outbox"))
    return [dict(orjson.loads(fields[b"headers"]))["ce_id"] for _, fields in entries]


async def _keys(store: RedisStore, kind: str) -> list[Any]:
    return [key async for key in store.redis.scan_iter(match=store.key(kind, "*"), count=1000)]


async def _named(store: RedisStore, kind: str) -> Counter[str]:
    return _texts({key.removeprefix(store.key(kind, "").encode()) for key in await _keys(store, kind)})


def _texts(found: Any) -> Counter[str]:
    return Counter(each.decode() for each in found)
