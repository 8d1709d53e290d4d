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
from typing import Any

from lupa.lua51 import LuaRuntime  # type: ignore[import-untyped]  # it has no stubs here

from sandbox.virtual.redis_data import MemoryData, Stream, as_bytes


@types.coroutine
def give_way() -> Generator[None, None, None]:
    yield


class MemoryRedis(MemoryData):
    """A Redis in memory; ``now`` returns its time, in epoch seconds."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        super().__init__(now)
        self._lua = LuaRuntime(encoding=None, register_eval=False)
        self._table = self._lua.table_from
        self._lua.globals()[b"redis"] = self._table({b"call": self._call})

    # what a script calls

    def _call(self, name: bytes, *arguments: object) -> Any:
        return getattr(self, f"_{name.decode().lower()}")(*map(as_bytes, arguments))

    def _hmget(self, key: bytes, *fields: bytes) -> Any:
        return self._table([self._at(key).get(field, False) for field in fields])

    def _time(self) -> Any:
        return self._table([as_bytes(part) for part in divmod(int(self._now() * 1_000_000), 1_000_000)])

    # what Python calls

    def register_script(self, text: str) -> Any:
        # a first line of flags is for Redis alone
        body = text.partition("\n")[2] if text.startswith("#!") else text
        function = self._lua.execute(b"return function(KEYS, ARGV) " + body.encode() + b"\nend")

        async def script(keys: Iterable[object] = (), args: Iterable[object] = ()) -> Any:
            await give_way()
            result = function(self._table([*map(as_bytes, keys)]), self._table([*map(as_bytes, args)]))
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
        return [self._hget(key.encode(), as_bytes(field)) for field in fields]

    async def hgetall(self, key: str) -> dict[bytes, bytes]:
        await give_way()
        return dict(self._at(key.encode()))

    async def hincrby(self, key: str, field: str, by: int) -> int:
        await give_way()
        return self._hincrby(key.encode(), field.encode(), as_bytes(by))

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
