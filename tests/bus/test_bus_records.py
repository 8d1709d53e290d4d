"""Records: what goes in comes out, in order and once. The same on the dev broker and on Apache Kafka."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from tests.bus.harness import Bus

NONE, MESSAGE_TOO_LARGE, UNKNOWN_TOPIC, OUT_OF_ORDER = 0, 10, 3, 45


async def test_records_of_a_key_keep_their_order_over_twelve_partitions(bus: Bus) -> None:
    topic = await bus.topic()
    producer = await bus.producer()
    sent = [(b"target-%d" % (n % 60), b"%d" % n) for n in range(300)]
    for waiting in [await producer.send(topic, value, key=key) for key, value in sent]:
        await waiting
    read = await bus.read(await bus.consumer(topic), 300)
    assert len({record.partition for record in read}) == 12
    for key in {key for key, _ in sent}:
        ours = [record for record in read if record.key == key]
        assert [record.value for record in ours] == [value for k, value in sent if k == key]
        assert len({record.partition for record in ours}) == 1
    assert len(read) == 300


async def test_headers_come_back_as_they_were_also_null_and_not_text(bus: Bus) -> None:
    topic = await bus.topic(1)
    headers = [("ce_type", b"deploy-requested"), ("nothing", None), ("bytes", b"\xff\x00"), ("ce_type", b"")]
    producer = await bus.producer()
    await producer.send_and_wait(topic, None, key=b"k", headers=headers)
    (record,) = await bus.read(await bus.consumer(topic), 1)
    assert list(record.headers) == headers
    assert record.value is None


async def test_compressed_records_come_back(bus: Bus) -> None:
    topic = await bus.topic(1)
    producer = await bus.producer(compression_type="gzip", linger_ms=20)
    waiting = [await producer.send(topic, b"x" * 1000, timestamp_ms=1_000 + n) for n in range(10)]
    for each in waiting:
        await each
    consumer = await bus.consumer(topic)
    assert [record.value for record in await bus.read(consumer, 10)] == [b"x" * 1000] * 10
    place = TopicPartition(topic, 0)
    assert (await consumer.offsets_for_times({place: 1_005}))[place].offset == 5


async def test_a_record_of_900_kilobytes_passes(bus: Bus) -> None:
    topic = await bus.topic(1)
    producer = await bus.producer(max_request_size=2**21)
    value = bytes(range(256)) * 3600
    await producer.send_and_wait(topic, value)
    (record,) = await bus.read(await bus.consumer(topic), 1)
    assert record.value == value


async def test_a_record_beyond_a_mebibyte_is_refused_and_leaves_no_trace(bus: Bus) -> None:
    topic = await bus.topic(1)
    producer = await bus.producer(max_request_size=2**22)
    with pytest.raises(MessageSizeTooLargeError):
        await producer.send_and_wait(topic, b"x" * (2**20 + 100))
    consumer = await bus.consumer(topic)
    assert await consumer.end_offsets(bus.partitions(topic, 1)) == {TopicPartition(topic, 0): 0}


async def test_the_largest_batch_is_a_mebibyte_and_twelve_bytes(bus: Bus) -> None:
    """Kafka's default `message.max.bytes`, to the byte."""
    topic = await bus.topic(1)
    connection = await bus.connection()
    limit = 2**20 + 12
    overhead = len(_batch([b"x" * 2**19])) - 2**19
    for size, code in ((limit, NONE), (limit + 1, MESSAGE_TOO_LARGE)):
        batch = _batch([b"x" * (size - overhead)])
        assert len(batch) == size
        assert (await _produce(connection, topic, batch))[0] == code


async def test_a_batch_sent_twice_by_an_idempotent_producer_is_stored_once(bus: Bus) -> None:
    topic = await bus.topic(1)
    connection = await bus.connection()
    identity = await connection.send(_new_identity())
    assert identity.error_code == NONE
    who = {"producer_id": identity.producer_id, "producer_epoch": identity.producer_epoch}
    first = _batch([b"a", b"b"], **who, base_sequence=0)
    second = _batch([b"c"], **who, base_sequence=2)
    gap = _batch([b"e"], **who, base_sequence=4)
    assert [await _produce(connection, topic, batch) for batch in (first, second, second, first, gap)] == [
        (NONE, 0),
        (NONE, 2),
        (NONE, 2),
        (NONE, 0),
        (OUT_OF_ORDER, -1),
    ]
    read = await bus.read(await bus.consumer(topic), 3)
    assert [record.value for record in read] == [b"a", b"b", b"c"]


async def test_producers_get_different_identities(bus: Bus) -> None:
    connection = await bus.connection()
    given = [(await connection.send(_new_identity())).producer_id for _ in range(3)]
    assert len(set(given)) == 3


async def test_offsets_are_found_by_time(bus: Bus) -> None:
    topic = await bus.topic(1)
    producer = await bus.producer(linger_ms=20)
    times = [1_000, 2_000, 2_000, 5_000, 4_000, 6_000]  # a clock may step back
    for waiting in [await producer.send(topic, b"%d" % t, timestamp_ms=t) for t in times]:
        await waiting
    consumer = await bus.consumer(topic)
    place = TopicPartition(topic, 0)

    async def at(timestamp: int) -> tuple[int, int] | None:
        found = (await consumer.offsets_for_times({place: timestamp}))[place]
        return (found.offset, found.timestamp) if found else None

    assert [await at(t) for t in (0, 1_000, 1_001, 2_000, 4_500, 5_001, 6_001)] == [
        (0, 1_000),
        (0, 1_000),
        (1, 2_000),
        (1, 2_000),
        (3, 5_000),
        (5, 6_000),
        None,
    ]


async def test_a_consumer_reads_from_where_it_seeks(bus: Bus) -> None:
    topic = await bus.topic(1)
    producer = await bus.producer()
    for number in range(10):
        await producer.send_and_wait(topic, b"%d" % number)
    place = TopicPartition(topic, 0)
    consumer = await bus.consumer()
    consumer.assign([place])
    consumer.seek(place, 7)
    assert [record.offset for record in await bus.read(consumer, 3)] == [7, 8, 9]
    await consumer.seek_to_beginning(place)
    assert (await bus.read(consumer, 10))[0].offset == 0
    await consumer.seek_to_end(place)
    assert await consumer.position(place) == 10


async def test_a_position_beyond_the_end_starts_again_where_the_policy_says(bus: Bus) -> None:
    topic = await bus.topic(1)
    producer = await bus.producer()
    await producer.send_and_wait(topic, b"only")
    place = TopicPartition(topic, 0)
    consumer = await bus.consumer()
    consumer.assign([place])
    consumer.seek(place, 99)
    assert [record.offset for record in await bus.read(consumer, 1)] == [0]


async def test_a_small_fetch_still_brings_a_large_record(bus: Bus) -> None:
    topic = await bus.topic(2)
    producer = await bus.producer()
    for partition in (0, 1):
        await producer.send_and_wait(topic, b"x" * 100_000, partition=partition)
    consumer = await bus.consumer(topic, max_partition_fetch_bytes=1_000, fetch_max_bytes=1_000)
    assert {record.partition for record in await bus.read(consumer, 2)} == {0, 1}


async def test_an_unknown_topic_is_said_to_be_unknown(bus: Bus) -> None:
    connection = await bus.connection()
    answer = await connection.send(MetadataRequest(["nobody-made-this"]))
    assert [(topic[0], topic[1]) for topic in answer.topics] == [(UNKNOWN_TOPIC, "nobody-made-this")]
    assert (await _produce(connection, "nobody-made-this", _batch([b"x"])))[0] == UNKNOWN_TOPIC


def _new_identity() -> InitProducerIdRequest:
    return InitProducerIdRequest(None, 60_000)  # type: ignore[arg-type]  # null: no transactions


def _batch(values: list[bytes], **producer: Any) -> bytes:
    given = {"producer_id": -1, "producer_epoch": -1, "base_sequence": -1} | producer
    builder = DefaultRecordBatchBuilder(magic=2, compression_type=0, is_transactional=0, batch_size=2**22, **given)
    for offset, value in enumerate(values):
        builder.append(offset, timestamp=1_000, key=None, value=value, headers=[])
    return bytes(builder.build())


async def _produce(connection: Any, topic: str, batch: bytes) -> tuple[int, int]:
    """(error code, base offset) for the topic's first partition."""
    answer = await connection.send(ProduceRequest(None, -1, 10_000, [(topic, [(0, batch)])]))
    ((_, ((_, code, offset, *_),)),) = answer.topics
    return code, offset
