"""Reads the records that aiokafka (0.14.0) cannot read: a header whose name is no UTF-8 would stop its partition.

Such a name is read with its bytes escaped; the consumer then decides about the message as about any other.
"""

from collections.abc import Iterator
from typing import Any, SupportsIndex, cast

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy

_FIRST_WITH_HEADERS = 2
"""The first version of the batch format (magic byte) that has headers."""


def read_any_name() -> None:
    """Let every consumer of this process read headers with any name."""
    setattr(fetcher, "MemoryRecords", _Records)  # noqa: B010  aiokafka does not export it


class _Records(_MemoryRecordsPy):  # type: ignore[misc]  # aiokafka has no seam here
    """The batches of one fetch: the C extension reads them, and Python those that it cannot."""

    def next_batch(self) -> Any:  # type: ignore[override]  # the bounds are aiokafka's own
        data = self._next_slice
        batch = super().next_batch()
        return _Batch(batch, data) if data is not None and data[self.MAGIC_OFFSET] >= _FIRST_WITH_HEADERS else batch


class _Batch:
    def __init__(self, batch: Any, data: memoryview) -> None:
        self._batch = batch
        self._data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._batch))
        except UnicodeDecodeError:
            readable: Any = _DefaultRecordBatchPy(self._data)
            readable._maybe_uncompress()  # noqa: SLF001  aiokafka has no seam here
            readable._buffer = _Escaping(readable._buffer)  # noqa: SLF001
            return iter(list(readable))


class _Escaping(bytearray):
    """Bytes of which every part can be decoded: invalid UTF-8 is escaped."""

    def __getitem__(self, place: SupportsIndex | slice) -> Any:
        part = super().__getitem__(place)
        return _Escaping(cast("bytearray", part)) if isinstance(place, slice) else part

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        del errors
        return super().decode(encoding, "backslashreplace")
