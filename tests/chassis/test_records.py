"""A header's name that is no UTF-8 stops nothing."""

from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from contracts.envelope import Meta
from contracts.recovery import CaptureSnapshot
from services._chassis.records import _Records
from services._chassis.service import Service
from services._chassis.transition import Transition, decided
from tests.chassis.harness import TARGET, command, event_of, reading, send, serving, until

CAPTURE = CaptureSnapshot(target=TARGET, run_id="run", purpose="before-change")
TOPIC, KEY, HEADERS, VALUE = command("c1", CAPTURE)
GOOD = command("c2", CAPTURE)[2]
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


class Broken(str):
    """A name whose encoding is not what it should be."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xc3(" + super().encode(encoding, errors)


def batch(compression: int = 0, *names: str) -> bytes:
    builder: Any = _DefaultRecordBatchBuilderPy(2, compression, 0, -1, -1, -1, 2**20)
    for offset, name in enumerate(names):
        builder.append(offset, 1_000, KEY, VALUE, [*HEADERS, (name, b"\xff")])
    return bytes(builder.build())


def test_a_topic_that_is_compressed_with_zstd_can_be_asked_for() -> None:
    """Brokers refuse it below version 10 of Fetch (KIP-110), for ever."""
    assert max(question.API_VERSION for question in FetchRequest._CLASSES) >= 10


@pytest.mark.parametrize("codec", CODECS)
def test_its_batch_is_read_whole(codec: str) -> None:
    records = _Records(batch(CODECS[codec], "first", Broken("second"), "third") + batch(0, "fourth"))
    read = []
    while records.has_next():
        found = records.next_batch()
        assert found.validate_crc()
        read += [(record.offset, record.key, record.value, list(record.headers)) for record in found]
    names = ["first", "\\xc3(second", "third", "fourth"]
    assert read == [(n % 3, KEY, VALUE, [*HEADERS, (name, b"\xff")]) for n, name in enumerate(names)]


async def test_on_the_bus_the_partition_moves_on(kafka: str, redis: Any) -> None:
    handled: list[str] = []

    async def handle(_: Any, meta: Meta) -> Transition:
        handled.append(meta.id)
        return decided()

    async with serving(kafka, redis, Service("recovery", handlers={CaptureSnapshot: handle})):
        client = AIOKafkaClient(bootstrap_servers=kafka)
        await client.bootstrap()
        (node,) = [broker.nodeId for broker in client.cluster.brokers()]
        await client.send(node, ProduceRequest(None, -1, 10_000, [(TOPIC, [(0, batch(0, Broken("name")))])]))
        await client.close()
        async with reading(kafka, "dead-letter.v1") as take:
            await send(kafka, (TOPIC, KEY, GOOD, VALUE), partition=0)
            await until(lambda: handled == ["c2"], 20)
            (letter,) = [event_of(record) for record in await take(1)]
    assert (letter.offset, letter.value) == (0, VALUE)
    assert letter.headers[-1] == ("\\xc3(name", b"\xff")
