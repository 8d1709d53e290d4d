"""A producer that Kafka refuses for good is replaced: all events are published, in order, and nothing ends."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from sandbox.kafka.batch import Batch
from sandbox.kafka.codes import Code, Refused
from sandbox.kafka.producers import Producers
from services._chassis.bus import KafkaTransport
from services._chassis.kafka_connection import KafkaConnection
from services._chassis.process import restarted
from services._chassis.relay import Relay
from services._chassis.settings import Settings
from services._chassis.topics import ensure_topics
from tests.chassis.harness import reading
from tests.chassis.test_relay import emitted


class Forgetful:
    """Refuses each batch of the first producer from its third on, stored before or not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: Code, *, stores: bool) -> None:
        self._first: int | None = None
        self._batches = 0
        self._code = code
        self._stores = stores
        self._stored = Producers.stored
        monkeypatch.setattr(Producers, "duplicate_of", lambda _, batch: self.check(batch, stored=False))
        monkeypatch.setattr(Producers, "stored", lambda _, batch: self.check(batch, stored=True))

    def check(self, batch: Batch, *, stored: bool) -> None:
        if self._first is None:
            self._first = batch.producer_id
        if batch.producer_id != self._first:
            return
        self._batches += not stored
        if self._batches >= 3 and stored is self._stores:
            raise Refused(self._code)


@pytest.mark.parametrize(
    ("code", "stores"),
    [
        (Code.OUT_OF_ORDER_SEQUENCE_NUMBER, False),
        (Code.OUT_OF_ORDER_SEQUENCE_NUMBER, True),
        (Code.INVALID_PRODUCER_EPOCH, False),
    ],
)
async def test_a_producer_that_kafka_refuses_is_replaced(
    kafka: str, redis: Any, monkeypatch: pytest.MonkeyPatch, code: Code, stores: bool
) -> None:
    Forgetful(monkeypatch, code, stores=stores)
    connection = KafkaConnection(kafka)
    await ensure_topics(connection, 1)
    store = await emitted(redis, 6)
    transport = KafkaTransport(store, Settings(kafka_bootstrap_servers=kafka), connection)
    await transport.broker.start()
    relay = Relay(redis, store.key("outbox"), "one", transport.publish, 0.5)
    running = asyncio.create_task(restarted("relay", relay.run))
    async with reading(kafka, "recovery.events.v1") as take:
        records = await take(7 if stores else 6)
    running.cancel()
    await asyncio.wait([running])
    await transport.broker.stop()
    ids = [dict(record.headers)["ce_id"].decode() for record in records]
    assert list(dict.fromkeys(ids)) == [f"e{number}" for number in range(6)]
    assert relay.waits == 0


async def test_an_event_that_is_not_delivered_is_noticed(redis: Any) -> None:
    store, now = await emitted(redis, 1), 100.0
    sent = asyncio.Event()

    async def publish(_: Any) -> None:
        sent.set()
        raise KafkaConnectionError

    relay = Relay(redis, store.key("outbox"), "one", publish, now=lambda: now)
    for _ in range(2):
        with pytest.raises(KafkaConnectionError):
            await relay.run()
    now = 161.0
    assert relay.waits == 61
