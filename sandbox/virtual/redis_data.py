"""The data of a Redis in memory, and the commands on them that scripts call. Nothing here waits."""

import asyncio
from collections.abc import Callable, Iterable
from math import inf
from typing import Any

Stream = list[tuple[bytes, dict[bytes, bytes]]]


def as_bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    return (f"{value:.17g}" if isinstance(value, float) else str(value)).encode()


def _pairs(flat: Iterable[bytes]) -> dict[bytes, bytes]:
    each = iter(flat)
    return dict(zip(each, each, strict=True))


class MemoryData:
    """Keys with what they hold. A command ``HGET`` is the method ``_hget``, which takes and returns bytes."""

    def __init__(self, now: Callable[[], float]) -> None:
        """``now`` returns Redis's time, in epoch seconds."""
        self._now = now
        self._held: dict[bytes, Any] = {}
        self._ends: dict[bytes, float] = {}
        self._taken: dict[bytes, int] = {}
        """Stream → how many entries its one group has taken."""
        self._entries = 0
        """How many were ever added to any stream."""
        self.run_id = "memory"
        self._added = asyncio.Event()

    def clear(self) -> None:
        """Forget everything, as FLUSHALL does."""
        for held in (self._held, self._ends, self._taken):
            held.clear()

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

    def _pttl(self, key: bytes) -> int:
        if not self._exists(key):
            return -2
        return int((self._ends[key] - self._now()) * 1000) if key in self._ends else -1

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
        self._held[key] = as_bytes(int(self._at(key, bytes) or 0) + 1)
        return int(self._held[key])

    def _hget(self, key: bytes, field: bytes) -> bytes | None:
        value: bytes | None = self._at(key).get(field)
        return value

    def _hlen(self, key: bytes) -> int:
        return len(self._at(key))

    def _hset(self, key: bytes, *flat: bytes) -> None:
        self._for(key).update(_pairs(flat))

    def _hdel(self, key: bytes, *fields: bytes) -> None:
        for field in fields:
            self._for(key).pop(field, None)

    def _hincrby(self, key: bytes, field: bytes, by: bytes) -> int:
        hash_ = self._for(key)
        hash_[field] = as_bytes(int(hash_.get(field, 0)) + int(by))
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
        return None if score is None else as_bytes(score)

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
