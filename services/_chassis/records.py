"""Reads the batches of Kafka that would stop aiokafka (0.14.0), its partition or its process.

A compressed batch is inflated in a bounded way, since 15 kB of zstd may be a gigabyte. A batch that is beyond the
bounds or that cannot be read becomes one record whose value is ``Unreadable``, and its partition moves on. A header
whose name is no UTF-8 is read with its bytes escaped. The consumer decides about all of these as about any message.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self, SupportsIndex, cast

import cramjam
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.record.util import decode_varint
from aiokafka.structs import ConsumerRecord

Record = ConsumerRecord[Any, Any]
"""A message as aiokafka gives it; its value is bytes, None or ``Unreadable``."""
MOST_INFLATED = 8 * 2**20
"""Bytes of a batch once inflated. Producers write at most 1 MiB of it unless they are told otherwise."""
MOST_RECORDS = 20_000
"""Records of a batch. The smallest message of ours has 300 bytes, so that 8 MiB cannot hold more of them."""
MOST_HEADERS = 1_000
"""Headers of one record; a message of ours may have far fewer (``contracts/bounds.py``)."""

_FIRST_WITH_HEADERS = 2
"""The first version of the batch format (magic byte) that has headers."""
_HEADER = _DefaultRecordBatchPy.HEADER_STRUCT
_ATTRIBUTES = _DefaultRecordBatchPy.ATTRIBUTES_OFFSET
_CODEC = _DefaultRecordBatchPy.CODEC_MASK
_XERIAL = b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"
"""The frame in which Java's clients write snappy: blocks, each with its length in four bytes."""


class Unreadable(bytes):
    """The value of the record that stands for a batch: the batch as it came."""

    why: str
    """Why it cannot be read, without quoting it."""

    @classmethod
    def batch(cls, data: memoryview, why: str) -> Self:
        value = cls(data)
        value.why = why
        return value


class _OutOfBounds(Exception):
    """A batch beyond the bounds, or that cannot be inflated. The text completes "a batch of messages that …"."""


def read_bounded() -> None:
    """Let every consumer of this process read in this way."""
    setattr(fetcher, "MemoryRecords", _Records)  # noqa: B010  aiokafka does not export it


class _Records(_MemoryRecordsPy):  # type: ignore[misc]  # aiokafka has no seam here
    """The batches of one fetch: the C extension reads them, and Python those that it cannot."""

    def next_batch(self) -> Any:  # type: ignore[override]  # the bounds are aiokafka's own
        data = self._next_slice
        batch = super().next_batch()
        return batch if data is None else _Batch(batch, data)


class _Batch:
    def __init__(self, batch: Any, data: memoryview) -> None:
        self._batch = batch
        self._data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        """Yield the records one by one; one record stands for those that cannot be read."""
        try:
            if self._data[_MemoryRecordsPy.MAGIC_OFFSET] >= _FIRST_WITH_HEADERS:
                yield from _records(self._data)
            else:
                _check_legacy(self._data)
                yield from self._batch
        except _OutOfBounds as error:
            yield self._stand_in(f"a batch of messages that {error}")
        except Exception as error:  # noqa: BLE001  whatever is wrong with a batch, its partition moves on
            yield self._stand_in(f"a batch of messages that cannot be read ({type(error).__name__})")

    def _stand_in(self, why: str) -> "_StandIn":
        # of the batch's last offset: the reader skips those that it has read
        return _StandIn(self._batch.next_offset - 1, Unreadable.batch(self._data, why))


@dataclass(frozen=True, slots=True)
class _StandIn:
    """A record as aiokafka's fetcher reads it."""

    offset: int
    value: Unreadable
    timestamp: int = -1
    timestamp_type: int = 0
    key: None = None
    checksum: None = None
    headers: tuple[()] = ()


def _records(data: memoryview) -> Iterator[Any]:
    """Yield the records of a batch of today's format. Raise ``_OutOfBounds``, and aiokafka's errors."""
    plain = _inflated(data)
    _check(plain)
    read = 0
    try:
        for record in DefaultRecordBatch(plain):
            yield record
            read += 1
    except UnicodeDecodeError:
        readable: Any = _DefaultRecordBatchPy(plain)
        readable._buffer = _Escaping(readable._buffer)  # noqa: SLF001  aiokafka has no seam here
        yield from islice(readable, read, None)


def _inflated(data: memoryview) -> memoryview:
    """Return the batch without its compression."""
    (attributes,) = struct.unpack_from(">h", data, _ATTRIBUTES)
    codec = attributes & _CODEC
    if not codec:
        return data
    if codec not in _CODECS:
        raise _OutOfBounds("is compressed in an unknown way")
    buffer = bytearray(_HEADER.size + MOST_INFLATED)
    try:
        size = _CODECS[codec](bytes(data[_HEADER.size :]), memoryview(buffer)[_HEADER.size :])
    except (cramjam.DecompressionError, struct.error):
        raise _OutOfBounds(f"is damaged, or inflates to more than {MOST_INFLATED:,} bytes") from None
    buffer[: _HEADER.size] = data[: _HEADER.size]
    struct.pack_into(">h", buffer, _ATTRIBUTES, attributes & ~_CODEC)
    return memoryview(buffer)[: _HEADER.size + size]


def _inflate_snappy(data: bytes, output: memoryview) -> int:
    """Inflate snappy, as one block or in the frame of Java's clients."""
    if not data.startswith(_XERIAL):
        return int(cramjam.snappy.decompress_raw_into(data, output))
    place, size = len(_XERIAL), 0
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        size += cramjam.snappy.decompress_raw_into(data[place + 4 : place + 4 + length], output[size:])
        place += 4 + length
    return size


_CODECS: Mapping[int, Callable[[bytes, memoryview], int]] = {
    _DefaultRecordBatchPy.CODEC_GZIP: cramjam.gzip.decompress_into,
    _DefaultRecordBatchPy.CODEC_SNAPPY: _inflate_snappy,
    _DefaultRecordBatchPy.CODEC_LZ4: cramjam.lz4.decompress_into,
    _DefaultRecordBatchPy.CODEC_ZSTD: cramjam.zstd.decompress_into,
}
"""The number of a codec → the function that inflates into a buffer, and raises an error where that is too small."""


def _check(batch: Any) -> None:
    """Raise ``_OutOfBounds`` for too many records, or headers: each is an object of Python, however small it is."""
    count = _HEADER.unpack_from(batch)[-1]
    if count > MOST_RECORDS:
        raise _OutOfBounds(f"has more than {MOST_RECORDS:,} messages")
    place = _HEADER.size
    for _ in range(count):
        length, place = decode_varint(batch, place)
        if length < 0:
            return  # aiokafka says what is wrong
        if _headers_of_record(batch, place) > MOST_HEADERS:
            raise _OutOfBounds(f"has a message with more than {MOST_HEADERS:,} headers")
        place += length


def _headers_of_record(batch: Any, place: int) -> int:
    """Return how many headers the record has that begins at ``place``, behind its length."""
    for _ in range(3):  # attributes, timestamp, offset
        _, place = decode_varint(batch, place)
    for _ in range(2):  # key, value
        length, place = decode_varint(batch, place)
        place += max(length, 0)
    count: int = decode_varint(batch, place)[0]
    return count


def _check_legacy(batch: memoryview) -> None:
    """Raise ``_OutOfBounds`` for a compressed batch of an older format: today's clients and brokers write none."""
    if batch[_MemoryRecordsPy.MAGIC_OFFSET + 1] & _CODEC:
        raise _OutOfBounds("is compressed, and in the format from before Kafka 0.11")


class _Escaping(bytearray):
    """Bytes of which every part can be decoded: invalid UTF-8 is escaped."""

    def __getitem__(self, place: SupportsIndex | slice) -> Any:
        part = super().__getitem__(place)
        return _Escaping(cast("bytearray", part)) if isinstance(place, slice) else part

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        del errors
        return super().decode(encoding, "backslashreplace")
