"""Batches of Kafka are bounded before they are inflated, and what cannot be read stops nothing."""

import resource
import subprocess
import sys
from typing import Any

import cramjam
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest

from contracts.envelope import Meta
from contracts.recovery import CaptureSnapshot
from services._chassis.records import MOST_INFLATED, MOST_RECORDS, Unreadable, _Records
from services._chassis.service import Service
from services._chassis.transition import Transition, decided
from tests.chassis.harness import TARGET, command, event_of, reading, send, serving, until
from tests.security.bombs import CODECS, batch, compressed, good, many_headers

TOPIC, KEY, HEADERS, VALUE = command("c1", CaptureSnapshot(target=TARGET, run_id="run", purpose="before-change"))
MEGABYTES = 64
"""The most, in memory, that a batch may cost: eight times what it may inflate to."""


def read(*batches: bytes) -> list[Any]:
    records, found = _Records(b"".join(batches)), []
    while records.has_next():
        inner = records.next_batch()
        assert inner.validate_crc()
        found += list(inner)
    return found


def stand_in(data: bytes) -> Any:
    """Return the one record that stands for a batch; the next batch is read as usual."""
    one, other = read(data, good(KEY, VALUE, HEADERS))
    assert isinstance(one.value, Unreadable)
    assert (one.key, one.headers, bytes(one.value)) == (None, (), data)
    assert (other.key, other.value, list(other.headers)) == (KEY, VALUE, HEADERS)
    return one


@pytest.mark.parametrize("codec", CODECS)
def test_a_bomb_becomes_one_record_with_its_bytes(codec: str) -> None:
    one = stand_in(batch(compressed(codec, 9), CODECS[codec], count=7))
    assert one.offset == 6
    assert "inflates to more than 8,388,608 bytes" in one.value.why


@pytest.mark.parametrize("codec", CODECS)
def test_what_is_within_the_bounds_is_read_whole(codec: str) -> None:
    read_back = read(good(KEY, VALUE, HEADERS, count=500, codec=CODECS[codec]))
    assert [(record.offset, record.key, record.value, list(record.headers)) for record in read_back] == [
        (offset, KEY, VALUE, HEADERS) for offset in range(500)
    ]


def test_snappy_as_one_block_and_in_the_frame_of_java() -> None:
    inner = good(KEY, VALUE, HEADERS)[61:]
    block = bytes(cramjam.snappy.compress_raw(inner))
    frame = b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01" + len(block).to_bytes(4, "big") + block
    for records in (block, frame):
        (record,) = read(batch(records, CODECS["snappy"]))
        assert (record.key, record.value) == (KEY, VALUE)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (batch(b"\x00", count=MOST_RECORDS + 1), "more than 20,000 messages"),
        (batch(many_headers(1_001)), "a message with more than 1,000 headers"),
        (batch(bytes(cramjam.zstd.compress(many_headers(1_000_000))), 4), "a message with more than 1,000 headers"),
        (batch(b"no zstd at all", 4), "is damaged"),
        (batch(b"", 4), "is damaged"),
        (batch(b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01\xff\xff\xff\xff\x00", 2), "cannot be read"),
        (batch(b"x", 6), "compressed in an unknown way"),
        (batch(b""), "cannot be read"),
        (batch(b"\x7f\x7f\x7f\x7f\x7f"), "cannot be read"),
        (batch(b"\x01" * 50), "cannot be read"),
        (batch(good(KEY, VALUE, HEADERS)[61:-9]), "cannot be read"),
    ],
    ids=range(11),
)
def test_what_cannot_be_read_says_why(data: bytes, why: str) -> None:
    assert why in stand_in(data).value.why


def test_what_comes_before_a_damaged_message_is_read() -> None:
    inner = good(KEY, VALUE, HEADERS, count=3)[61:]
    found = read(batch(inner[:-5], count=3))
    assert [record.offset for record in found] == [0, 1, 2]
    assert [isinstance(record.value, Unreadable) for record in found] == [False, False, True]


@pytest.mark.slow
def test_bombs_cost_little_memory() -> None:
    """In a process of its own, whose peak nothing else has raised."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.security.test_batches"], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < MEGABYTES


def measure() -> float:
    """Return by how many megabytes the peak of memory rises with the bombs; the one of zstd has 64 of them."""
    bombs = [batch(compressed(codec, 64 if codec == "zstd" else 12), number) for codec, number in CODECS.items()]
    bombs.append(batch(bytes(cramjam.zstd.compress(many_headers(4_000_000))), 4))
    assert min(map(len, bombs)) < 100_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for bomb in bombs:
        read(bomb)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


async def test_on_the_bus_a_bomb_is_a_dead_letter_and_the_partition_moves_on(kafka: str, redis: Any) -> None:
    handled: list[str] = []

    async def handle(_: Any, meta: Meta) -> Transition:
        handled.append(meta.id)
        return decided()

    bomb = batch(compressed("zstd", 200), CODECS["zstd"])
    assert len(bomb) < 20_000
    async with serving(kafka, redis, Service("recovery", handlers={CaptureSnapshot: handle})):
        client = AIOKafkaClient(bootstrap_servers=kafka)
        await client.bootstrap()
        (node,) = [broker.nodeId for broker in client.cluster.brokers()]
        await client.send(node, ProduceRequest(None, -1, 10_000, [(TOPIC, [(0, bomb)])]))
        await client.close()
        async with reading(kafka, "dead-letter.v1") as take:
            await send(kafka, (TOPIC, KEY, HEADERS, VALUE), partition=0)
            await until(lambda: handled == ["c1"], 20)
            (letter,) = [event_of(record) for record in await take(1)]
    assert (letter.offset, letter.reason, letter.value) == (0, "invalid", bomb)
    assert str(MOST_INFLATED)[:1] in letter.detail


if __name__ == "__main__":
    sys.stdout.write(str(measure()))
