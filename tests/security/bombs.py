"""Batches of Kafka that are small on the wire and large, or wrong, in memory."""

import struct
from typing import Any

import cramjam
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy, _DefaultRecordBatchPy
from aiokafka.record.util import calc_crc32c

CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
HEADER = _DefaultRecordBatchPy.HEADER_STRUCT
COUNT = HEADER.size - 4
"""Where the number of records stands."""


def batch(records: bytes, codec: int = 0, count: int = 1) -> bytes:
    """Return a batch whose checksum is right, with ``records`` as they are."""
    attributes, last = codec, count - 1
    body = struct.pack(">hiqqqhii", attributes, last, 0, 0, -1, -1, -1, count) + records
    after_length = struct.pack(">ibI", 0, 2, calc_crc32c(body)) + body
    return struct.pack(">qi", 0, len(after_length)) + after_length


def good(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]], count: int = 1, codec: int = 0
) -> bytes:
    """Return a batch of as many messages, as a client writes it."""
    builder: Any = _DefaultRecordBatchBuilderPy(2, codec, 0, -1, -1, -1, 2**20)
    for offset in range(count):
        builder.append(offset, 1_000, key, value, headers)
    return bytes(builder.build())


def compressed(codec: str, megabytes: int) -> bytes:
    """Return zeros as the codec writes them."""
    zeros = bytes(2**20)
    if codec == "snappy":
        block = bytes(cramjam.snappy.compress_raw(zeros))
        frame = b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"
        return frame + (struct.pack(">I", len(block)) + block) * megabytes
    compressor = {"gzip": cramjam.gzip, "lz4": cramjam.lz4, "zstd": cramjam.zstd}[codec].Compressor()
    for _ in range(megabytes):
        compressor.compress(zeros)
    return bytes(compressor.finish())


def many_headers(count: int) -> bytes:
    """Return a record with as many empty headers."""
    record = b"\x00\x00\x00\x01\x01" + varint(count) + b"\x00\x01" * count
    return varint(len(record)) + record


def varint(number: int) -> bytes:
    """Return a number as Kafka's records have it: zigzag, seven bits a byte."""
    number <<= 1
    found = bytearray()
    while number > 0x7F:
        found.append(0x80 | (number & 0x7F))
        number >>= 7
    return bytes([*found, number])
