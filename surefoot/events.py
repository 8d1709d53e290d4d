"""Read the event streams."""

import asyncio
import os
from collections.abc import Callable

import orjson
from aiokafka import AIOKafkaConsumer

from contracts.envelope import InvalidMessage, from_message
from contracts.topics import DEPLOYMENT_EVENTS, TOPICS
from surefoot.output import console


class UnknownTopic(ValueError):
    """Its text names the topics that there are."""


def follow(topics: tuple[str, ...], *, from_start: bool, write: Callable[[str], None], as_json: bool) -> None:
    """Write each event as a line until interrupted; say on stderr when it listens.

    Raise ``UnknownTopic``, ``KafkaError``.
    """
    known = {topic.name for topic in TOPICS}
    if unknown := [topic for topic in topics if topic not in known]:
        raise UnknownTopic(f"no topic {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    asyncio.run(_follow(topics or (DEPLOYMENT_EVENTS.name,), from_start, write, as_json))


async def _follow(topics: tuple[str, ...], from_start: bool, write: Callable[[str], None], as_json: bool) -> None:
    consumer = AIOKafkaConsumer(
        *topics,
        bootstrap_servers=os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092"),
        auto_offset_reset="earliest" if from_start else "latest",
        request_timeout_ms=10_000,
    )
    await consumer.start()
    console.print(f"listening to {', '.join(topics)}; Ctrl+C ends it", highlight=False)
    try:
        async for record in consumer:
            try:
                envelope = from_message(record.headers, record.value)
            except InvalidMessage as error:
                write(f"{record.topic}/{record.partition}/{record.offset}: {error}")
                continue
            data = envelope.event.model_dump(mode="json")
            if as_json:
                line = {"id": envelope.meta.id, "type": envelope.entry.type, "time": envelope.meta.time, "data": data}
                write(orjson.dumps(line).decode())
            else:
                told = {name: value for name, value in data.items() if name not in {"target", "run_id"} and value}
                write(f"{envelope.meta.time:%H:%M:%S} {envelope.entry.name} {orjson.dumps(told).decode()}")
    finally:
        await consumer.stop()
