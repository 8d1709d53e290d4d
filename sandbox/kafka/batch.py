"""The record batch (magic 2), read no further than a broker must: its header.

Layout: https://kafka.apache.org/documentation/#recordbatch. The checksum begins after the leader epoch, so a
broker may set the base offset and the epoch without touching the records, compressed or not.
"""

import struct
from dataclasses import dataclass

from aiokafka.record.default_records import DefaultRecordBatch

from sandbox.kafka.codes import Code, Refused

_HEADER = struct.Struct(">qiibIhiqqqhii")
_STAMP = struct.Struct(">qii")
_LENGTH_STARTS_AFTER = 12  # base offset and the length itself
_LAST_SEQUENCE = 2**31 - 1

HEADER_BYTES = _HEADER.size


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch's header; `size` is that of the whole batch in bytes, timestamps are epoch milliseconds."""

    base_offset: int
    size: int
    magic: int
    records: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    first_sequence: int

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.records - 1

    @property
    def last_sequence(self) -> int:
        """Return the batch's last sequence number; sequences start again at 0 after 2³¹ - 1."""
        return (self.first_sequence + self.records - 1) & _LAST_SEQUENCE

    def follows(self, last_sequence: int) -> bool:
        return self.first_sequence == (last_sequence + 1) & _LAST_SEQUENCE


def read_header(data: bytes) -> Batch:
    """Return the header at the start of `data`, which holds at least HEADER_BYTES."""
    base, length, _, magic, _, _, last_delta, _, newest, producer, epoch, sequence, _ = _HEADER.unpack_from(data)
    return Batch(base, length + _LENGTH_STARTS_AFTER, magic, last_delta + 1, newest, producer, epoch, sequence)


def intact(data: bytes) -> bool:
    """Return whether `data` is one whole batch whose checksum holds."""
    return bool(DefaultRecordBatch(data).validate_crc())


def accept(data: bytes, max_bytes: int) -> Batch:
    """Return the header of a producer's batch. Kafka allows exactly one batch per partition and request since magic 2.

    Raises Refused: MESSAGE_TOO_LARGE, INVALID_RECORD or CORRUPT_MESSAGE.
    """
    if len(data) > max_bytes:
        raise Refused(Code.MESSAGE_TOO_LARGE)
    if len(data) < HEADER_BYTES:
        raise Refused(Code.CORRUPT_MESSAGE)
    batch = read_header(data)
    if batch.magic != 2 or batch.size != len(data) or batch.records < 1:
        raise Refused(Code.INVALID_RECORD)
    if not intact(data):
        raise Refused(Code.CORRUPT_MESSAGE)
    return batch


def stamped(data: bytes, base_offset: int) -> bytes:
    """Return the batch as it is stored: at its offset, in leader epoch 0."""
    stored = bytearray(data)
    _STAMP.pack_into(stored, 0, base_offset, len(data) - _LENGTH_STARTS_AFTER, 0)
    return bytes(stored)


def first_at_or_after(data: bytes, timestamp: int) -> tuple[int, int] | None:
    """Return (timestamp, offset) of the batch's first record that is not older than `timestamp`; None if none is."""
    for record in DefaultRecordBatch(data):
        if record.timestamp >= timestamp:
            return record.timestamp, record.offset
    return None
