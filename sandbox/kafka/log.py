"""One partition: a file of record batches, with an index of their positions.

No descriptor stays open: twelve partitions times twenty topics would pass the 256 that macOS allows by
default, and opening a file costs far less than a request.
"""

import os
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sandbox.kafka import batch as batches
from sandbox.kafka.batch import Batch
from sandbox.kafka.codes import Code, Refused
from sandbox.kafka.producers import Producers

MAX_BATCH_BYTES = 1024 * 1024 + 12
"""Kafka's default `message.max.bytes`: 1 MiB and a log's overhead."""


class PartitionLog:
    """Append-only. `append` returns after write(), so what it acknowledged outlives a kill -9.

    Opening it cuts off a tail that is torn or fails its checksum.
    """

    def __init__(self, path: Path, *, max_batch_bytes: int = MAX_BATCH_BYTES) -> None:
        self._path = path
        self._max_batch_bytes = max_batch_bytes
        self._size = 0
        self._starts = array("q")  # byte position of each batch
        self._lasts = array("q")  # last offset of each batch
        self._newest = array("q")  # newest timestamp so far, hence sorted, epoch milliseconds
        self._producers = Producers()
        self._watchers: set[Callable[[], None]] = set()
        if path.exists():
            self._recover()

    @property
    def next_offset(self) -> int:
        """Returns the high watermark: the offset that the next record will have."""
        return self._lasts[-1] + 1 if self._lasts else 0

    def append(self, data: bytes) -> int:
        """Stores one batch and returns its base offset; a repeated one returns where it is stored already.

        Raises Refused with the protocol's code.
        """
        batch = batches.accept(data, self._max_batch_bytes)
        duplicate = self._producers.duplicate_of(batch)
        if duplicate is not None:
            return duplicate
        batch = replace(batch, base_offset=self.next_offset)
        self._write(batches.stamped(data, batch.base_offset))
        self._index(batch)
        for wake in tuple(self._watchers):
            wake()
        return batch.base_offset

    def read(self, offset: int, max_bytes: int, *, at_least_one: bool) -> bytes:
        """Returns whole batches from the batch that holds `offset` on: up to `max_bytes`, or one that exceeds them.

        Raises Refused OFFSET_OUT_OF_RANGE; at the end of the log the answer is empty.
        """
        if not 0 <= offset <= self.next_offset:
            raise Refused(Code.OFFSET_OUT_OF_RANGE)
        first = bisect_left(self._lasts, offset)
        if first == len(self._lasts):
            return b""
        start = self._starts[first]
        end = self._boundary(start + max_bytes)
        if end <= start:
            if not at_least_one:
                return b""
            end = self._end_of(first)
        return self._read(start, end)

    def first_since(self, timestamp: int) -> tuple[int, int] | None:
        """Returns (timestamp, offset) of the first record that is not older than `timestamp` (epoch milliseconds)."""
        index = bisect_left(self._newest, timestamp)
        if index == len(self._newest):
            return None
        return batches.first_at_or_after(self._read(self._starts[index], self._end_of(index)), timestamp)

    def watch(self, wake: Callable[[], None]) -> None:
        """Calls `wake` after every append until `unwatch`."""
        self._watchers.add(wake)

    def unwatch(self, wake: Callable[[], None]) -> None:
        self._watchers.discard(wake)

    def _end_of(self, index: int) -> int:
        return self._starts[index + 1] if index + 1 < len(self._starts) else self._size

    def _boundary(self, position: int) -> int:
        """Returns the last batch boundary that is not beyond `position`."""
        if position >= self._size:
            return self._size
        return self._starts[bisect_right(self._starts, position) - 1]

    def _index(self, batch: Batch) -> None:
        self._starts.append(self._size)
        self._lasts.append(batch.last_offset)
        self._newest.append(max(batch.max_timestamp, self._newest[-1] if self._newest else -1))
        self._size += batch.size
        self._producers.stored(batch)

    def _read(self, start: int, end: int) -> bytes:
        with self._path.open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def _write(self, data: bytes) -> None:
        try:
            with self._path.open("ab", buffering=0) as file:
                written = file.write(data)
            if written != len(data):
                raise OSError("short write")  # noqa: TRY301  one way out for every kind of failed write
        except OSError as error:
            # What was half written would sit between this record and the next.
            if self._path.exists():
                os.truncate(self._path, self._size)
            raise Refused(Code.KAFKA_STORAGE_ERROR, str(error)) from error

    def _recover(self) -> None:
        with self._path.open("rb") as file:
            while len(head := file.read(batches.HEADER_BYTES)) == batches.HEADER_BYTES:
                batch = batches.read_header(head)
                if batch.magic != 2 or batch.size <= batches.HEADER_BYTES:
                    break
                data = head + file.read(batch.size - batches.HEADER_BYTES)
                if len(data) < batch.size or batch.base_offset != self.next_offset or not batches.intact(data):
                    break
                self._index(batch)
        if self._path.stat().st_size > self._size:
            os.truncate(self._path, self._size)
