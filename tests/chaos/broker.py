"""The dev broker as bad as Kafka is allowed to be: it repeats what was produced, and holds partitions back.

At-least-once means that each message may come again, later and behind others, and that partitions know no common
order. Here that is the rule. ``python -m tests.chaos.broker``.
"""

import argparse
import asyncio
import struct
from bisect import bisect_left
from pathlib import Path
from random import Random
from typing import Any

from aiokafka.record.util import calc_crc32c

from sandbox.kafka import catalogue
from sandbox.kafka.broker import DevBroker
from sandbox.kafka.log import PartitionLog

_CRC = struct.Struct(">I")
_CRC_AT, _CHECKED_FROM = 17, 21
_PRODUCER = struct.Struct(">qhi")
_PRODUCER_AT = 43


def from_nobody(batch: bytes) -> bytes:
    """The same records without their producer's id and sequence, so that no broker takes them for a repetition."""
    copy = bytearray(batch)
    _PRODUCER.pack_into(copy, _PRODUCER_AT, -1, -1, -1)
    _CRC.pack_into(copy, _CRC_AT, calc_crc32c(bytes(copy[_CHECKED_FROM:])))
    return bytes(copy)


class HarmfulLog(PartitionLog):
    """A partition whose records come late and twice, in their order all the same."""

    random = Random(0)
    duplicate = 1.0
    """The share of batches that come again."""
    hold = 1.0
    """The longest, in real seconds, that a batch stays unseen, and that passes until its copy is there."""

    def __init__(self, path: Path, **limits: Any) -> None:
        super().__init__(path, **limits)
        self._seen = self.next_offset
        self._all_seen_at = 0.0

    def append(self, data: bytes) -> int:
        before = self.next_offset
        offset = super().append(data)
        if offset == before:  # not a producer's second try
            self._show_later(self.next_offset)
            if self.random.random() < self.duplicate:
                self._later(self.random.uniform(0, self.hold), self._append_copy, from_nobody(data))
        return offset

    def read(self, offset: int, max_bytes: int, *, at_least_one: bool) -> bytes:
        if self._seen <= offset <= self.next_offset:
            return b""
        unseen, first = bisect_left(self._lasts, self._seen), bisect_left(self._lasts, offset)
        end = self._starts[unseen] if unseen < len(self._starts) else self._size
        return super().read(offset, min(max_bytes, end - self._starts[first]), at_least_one=at_least_one)

    def _append_copy(self, data: bytes) -> None:
        super().append(data)
        self._show_later(self.next_offset)

    def _show_later(self, offset: int) -> None:
        # most are seen at once, as they would be; an order within the partition is kept
        delay = self.random.uniform(0, self.hold) if self.random.random() < 0.3 else 0.0
        self._all_seen_at = max(self._all_seen_at, asyncio.get_running_loop().time() + delay)
        self._later(self._all_seen_at - asyncio.get_running_loop().time(), self._show, offset)

    def _show(self, offset: int) -> None:
        self._seen = max(self._seen, offset)
        for wake in tuple(self._watchers):
            wake()

    @staticmethod
    def _later(seconds: float, do: Any, *arguments: Any) -> None:
        asyncio.get_running_loop().call_later(max(0.0, seconds), do, *arguments)


async def _serve(port: int, advertise: int, data: Path) -> None:
    await DevBroker().start("127.0.0.1", port, data, advertise=advertise)
    await asyncio.Event().wait()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.broker", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--advertise", type=int, default=0, help="the port that clients get; 0: the port itself")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--duplicate", type=float, default=1.0)
    parser.add_argument("--hold", type=float, default=1.0)
    given = parser.parse_args()
    HarmfulLog.random = Random(given.seed)
    HarmfulLog.duplicate, HarmfulLog.hold = given.duplicate, given.hold
    catalogue.PartitionLog = HarmfulLog  # type: ignore[attr-defined]  # the one place where logs are made
    asyncio.run(_serve(given.port, given.advertise, given.data))


if __name__ == "__main__":
    main()
