"""Redis in memory, as far as the chassis asks. It runs the product's own Lua, so only the commands are made up.

Each round trip gives way once, as a wire does. Under asyncio others get in meanwhile; a test that drives its
coroutines by hand can leave one there, let another in, or let it die there.
"""

import asyncio
import time
import types
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from copy import deepcopy
from math import inf
from typing import Any

from lupa.lua51 import LuaRuntime  # type: ignore[import-untyped]  # it has no stubs here

Stream = list[tuple[bytes, dict[bytes, bytes]]]


@types.coroutine
def give_way() -> Generator[None, None, None]:
    yield


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    return (f"{value:.17g}" if isinstance(value, float) else str(value)).encode()


def _pairs(flat: Iterable[bytes]) -> dict[bytes, bytes]:
    each = iter(flat)
    return dict(zip(each, each, strict=True))


class MemoryRedis:
    """A Redis in memory; ``now`` returns its time, in epoch seconds."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._held: dict[bytes, Any] = {}
        self._ends: dict[bytes, float] = {}
        self._taken: dict[bytes, int] = {}
        """Stream → how many entries its one group has taken."""
        self._entries = 0
        """How many were ever added to any stream."""
        self.run_id = "memory"
        self._added = asyncio.Event()
        self._lua = LuaRuntime(encoding=None, register_eval=False)
        self._table = self._lua.table_from
        self._lua.globals()[b"redis"] = self._table({b"call": self._call})

    def clear(self) -> None:
        """Forget everything, as FLUSHALL does."""
        for held in (self._held, self._ends, self._taken):
            held.clear()

    # what a script calls

    def _call(self, name: bytes, *arguments: object) -> Any:
        return getattr(self, f"_{name.decode().lower()}")(*map(_bytes, arguments))

    def _at(self, key: bytes, empty: type[Any] = dict) -> Any:
        if self._ends.get(key, inf) <= self._now():
            self._del(key)
        return self._held.get(key, empty())

    def _for(self, key: bytes, empty: type[Any] = dict) -> Any:
        return self._held.setdefault(key, self._at(key, empty))

    def _del(self, key: bytes) -> None:
        self._held.pop(key, None)
        self._ends.pop(key, None)

    def _exists(self, key: bytes) -> int:
        self._at(key)
        return int(key in self._held)

    def _expire(self, key: bytes, seconds: bytes) -> None:
        self._ends[key] = self._now() + float(seconds)

    def _persist(self, key: bytes) -> None:
        self._ends.pop(key, None)

    def _set(self, key: bytes, value: bytes, *options: bytes) -> bytes | None:
        if b"NX" in options and self._exists(key):
            return None
        self._held[key] = value
        self._ends.pop(key, None)
        for unit, seconds in ((b"EX", 1), (b"PX", 0.001)):
            if unit in options:
                self._ends[key] = self._now() + float(options[options.index(unit) + 1]) * seconds
        return b"OK"

    def _get(self, key: bytes) -> bytes | None:
        value: bytes | None = self._at(key, bytes) or None
        return value

    def _incr(self, key: bytes) -> int:
        self._held[key] = _bytes(int(self._at(key, bytes) or 0) + 1)
        return int(self._held[key])

    def _hget(self, key: bytes, field: bytes) -> bytes | None:
        value: bytes | None = self._at(key).get(field)
        return value

    def _hmget(self, key: bytes, *fields: bytes) -> Any:
        return self._table([self._at(key).get(field, False) for field in fields])

    def _hset(self, key: bytes, *flat: bytes) -> None:
        self._for(key).update(_pairs(flat))

    def _hdel(self, key: bytes, *fields: bytes) -> None:
        for field in fields:
            self._for(key).pop(field, None)

    def _hincrby(self, key: bytes, field: bytes, by: bytes) -> int:
        hash_ = self._for(key)
        hash_[field] = _bytes(int(hash_.get(field, 0)) + int(by))
        return int(hash_[field])

    def _zadd(self, key: bytes, score: bytes, member: bytes) -> None:
        self._for(key)[member] = float(score)

    def _zrem(self, key: bytes, member: bytes) -> None:
        self._for(key).pop(member, None)

    def _zremrangebyscore(self, key: bytes, low: bytes, high: bytes) -> None:
        for member in [member for member, score in self._at(key).items() if float(low) <= score <= float(high)]:
            del self._for(key)[member]

    def _zremrangebyrank(self, key: bytes, first: bytes, last: bytes) -> None:
        ranked = sorted(self._at(key).items(), key=lambda line: (line[1], line[0]))
        end = int(last) + 1 or len(ranked)
        for member, _ in ranked[int(first) : end]:
            del self._for(key)[member]

    def _zscore(self, key: bytes, member: bytes) -> bytes | None:
        score = self._at(key).get(member)
        return None if score is None else _bytes(score)

    def _xadd(self, key: bytes, first: bytes, *flat: bytes) -> None:
        if first == b"MAXLEN":  # so many are never added here
            flat = flat[2:]
        self._entries += 1
        self._for(key, list).append((f"{self._entries}-0".encode(), _pairs(flat)))
        self._added.set()

    def _xdel(self, key: bytes, *ids: bytes) -> None:
        self._held[key] = [entry for entry in self._at(key, list) if entry[0] not in ids]

    def _xtrim(self, key: bytes, _: bytes, most: bytes) -> int:
        stream = self._at(key, list)
        self._held[key] = stream[-int(most) :]
        return len(stream) - len(self._held[key])

    def _info(self, _: bytes) -> bytes:
        return f"run_id:{self.run_id}\r\n".encode()

    def _time(self) -> Any:
        return self._table([_bytes(part) for part in divmod(int(self._now() * 1_000_000), 1_000_000)])

    # what Python calls

    def register_script(self, text: str) -> Any:
        # a first line of flags is for Redis alone
        body = text.partition("\n")[2] if text.startswith("#!") else text
        function = self._lua.execute(b"return function(KEYS, ARGV) " + body.encode() + b"\nend")

        async def script(keys: Iterable[object] = (), args: Iterable[object] = ()) -> Any:
            await give_way()
            result = function(self._table([*map(_bytes, keys)]), self._table([*map(_bytes, args)]))
            if result is None or result is False or isinstance(result, (bytes, int)):
                return result or None
            return [field or None for field in result.values()]

        return script

    async def time(self) -> tuple[int, int]:
        await give_way()
        seconds, micros = divmod(int(self._now() * 1_000_000), 1_000_000)
        return seconds, micros

    async def get(self, key: str) -> bytes | None:
        await give_way()
        return self._get(key.encode())

    async def delete(self, key: str) -> None:
        await give_way()
        self._del(key.encode())

    async def exists(self, key: str) -> int:
        await give_way()
        return self._exists(key.encode())

    async def hget(self, key: str, field: str) -> bytes | None:
        await give_way()
        return self._hget(key.encode(), field.encode())

    async def hmget(self, key: str, fields: Iterable[str | bytes]) -> list[bytes | None]:
        await give_way()
        return [self._hget(key.encode(), _bytes(field)) for field in fields]

    async def hgetall(self, key: str) -> dict[bytes, bytes]:
        await give_way()
        return dict(self._at(key.encode()))

    async def hincrby(self, key: str, field: str, by: int) -> int:
        await give_way()
        return self._hincrby(key.encode(), field.encode(), _bytes(by))

    async def zcard(self, key: str) -> int:
        await give_way()
        return len(self._at(key.encode()))

    async def zscore(self, key: str, member: str) -> float | None:
        await give_way()
        score: float | None = self._at(key.encode()).get(member.encode())
        return score

    async def zrangebyscore(
        self, key: str, low: float | str, high: float, *, start: int, num: int, withscores: bool = False
    ) -> list[Any]:
        await give_way()
        within = [(score, member) for member, score in self._at(key.encode()).items() if float(low) <= score <= high]
        found = sorted(within)[start : start + num]
        return [(member, score) if withscores else member for score, member in found]

    async def zrevrangebyscore(
        self, key: str, high: float, low: float, *, start: int, num: int, withscores: bool
    ) -> list[Any]:
        await give_way()
        within = sorted((score, member) for member, score in self._at(key.encode()).items() if low <= score <= high)
        found = within[::-1][start : start + num]
        return [(member, score) if withscores else member for score, member in found]

    async def xadd(self, key: str, fields: Mapping[bytes, bytes]) -> None:
        await give_way()
        self._xadd(key.encode(), b"*", *(part for pair in fields.items() for part in pair))

    async def xlen(self, key: str) -> int:
        await give_way()
        return len(self._at(key.encode(), list))

    async def xrange(self, key: str, count: int | None = None) -> Stream:
        await give_way()
        return list(self._at(key.encode(), list))[:count]

    async def info(self, _section: str) -> dict[str, str]:
        await give_way()
        return {"run_id": self.run_id}

    # a stream of one group with one consumer, that acknowledges what it takes

    async def xgroup_create(self, _stream: str, _group: str, **_: object) -> None:
        await give_way()

    async def xautoclaim(self, *_: object, **__: object) -> list[Any]:
        await give_way()
        return [b"0-0", [], []]

    async def xreadgroup(
        self, _group: str, _consumer: str, streams: Mapping[str, str], *, count: int, block: int | None = None
    ) -> list[Any]:
        ((name, start),) = streams.items()
        await give_way()
        if start != ">":
            return []
        if block and not self._untaken(name):
            self._added.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(block / 1000):
                    while not self._untaken(name):
                        await self._added.wait()
                        self._added.clear()
        found = self._untaken(name)[:count]
        self._taken[name.encode()] = self._taken.get(name.encode(), 0) + len(found)
        return [(name.encode(), found)] if found else []

    def _untaken(self, name: str) -> Stream:
        return self.stream(name)[self._taken.get(name.encode(), 0) :]

    async def xack(self, *_: object) -> None:
        await give_way()

    async def xdel(self, key: str, *ids: bytes) -> None:
        await give_way()
        if key.encode() not in self._taken:  # what was relayed is looked at by tests
            self._xdel(key.encode(), *ids)

    # what tests do, and look at

    def copy(self) -> Any:
        """Return a copy of all data, and of when each key expires in epoch seconds, for ``restore``."""
        return deepcopy((self._held, self._ends))

    def restore(self, copy: Any) -> None:
        """Replace all data by the copy, which may be used again."""
        self._held, self._ends = deepcopy(copy)

    def stream(self, key: str) -> Stream:
        """Return all entries that were ever added: nothing is trimmed."""
        stream: Stream = self._at(key.encode(), list)
        return stream

    def scores(self, key: str) -> list[float]:
        """Return the members of a sorted set with their scores."""
        return list(self._at(key.encode()).values())

    def hashes(self, prefix: str) -> dict[str, dict[bytes, bytes]]:
        """Return the hashes whose keys begin with ``prefix``, by the rest of their keys."""
        begins = prefix.encode()
        return {key[len(begins) :].decode(): self._at(key) for key in list(self._held) if key.startswith(begins)}
