"""Publishes commands and alerts to recovery, and reads its answers, over Kafka."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from contracts.base import Event, caused_id
from contracts.catalogue import entry_of
from contracts.envelope import Envelope, Message, Meta, from_message
from contracts.results import StepFinished
from contracts.topics import PHASE_RESULTS, Party
from services._chassis.clock import Clock, moment
from services._chassis.signatures import Signer

LONGEST = 60.0
"""Real seconds to wait for an answer."""


@dataclass
class Talk:
    """Keeps each answer until it is awaited."""

    producer: AIOKafkaProducer
    clock: Clock
    signers: Mapping[Party, Signer] = field(default_factory=dict)
    """Who signs what it writes; nothing is signed where there are none."""
    answers: dict[str, "asyncio.Future[StepFinished]"] = field(default_factory=dict)

    def about(self, command_id: str) -> "asyncio.Future[StepFinished]":
        """Return the future of the answer to a command."""
        return self.answers.setdefault(command_id, asyncio.get_running_loop().create_future())

    async def ask(self, event: Event, run_id: str) -> StepFinished:
        """Send a command and wait for its answer. Raise ``RuntimeError`` unless it passed."""
        id_ = caused_id(run_id, type(event).__name__)
        await self.send(self.message(event, id_, run_id))
        async with asyncio.timeout(LONGEST):
            answer = await self.about(id_)
        if answer.verdict != "pass":
            raise RuntimeError(f"{answer.step}: {answer.summary}")
        return answer

    def message(self, event: Event, id_: str, run_id: str | None = None) -> Message:
        writer = min(entry_of(type(event)).writers)
        meta = Meta(id_, f"surefoot/{writer}", moment(self.clock.now()), run_id=run_id)
        message = Envelope(meta, event).to_message()
        return self.signers[writer].sign(message) if self.signers else message

    async def send(self, message: Message) -> None:
        """Publish a message; return when Kafka has confirmed it."""
        headers = list(message.headers)
        await self.producer.send_and_wait(message.topic, message.value, message.key, headers=headers)

    async def listen(self, consumer: AIOKafkaConsumer) -> None:
        async for record in consumer:
            event = from_message(record.headers, record.value).event
            if isinstance(event, StepFinished) and not self.about(event.command_id).done():
                self.about(event.command_id).set_result(event)  # the first time; an event may be published twice


@contextlib.asynccontextmanager
async def talking(kafka: str, clock: Clock, signers: Mapping[Party, Signer] | None = None) -> AsyncIterator[Talk]:
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    consumer = AIOKafkaConsumer(PHASE_RESULTS.name, bootstrap_servers=kafka, auto_offset_reset="earliest")
    await producer.start()
    await consumer.start()
    talk = Talk(producer, clock, signers or {})
    listening = asyncio.create_task(talk.listen(consumer))
    try:
        yield talk
    finally:
        listening.cancel()
        await consumer.stop()
        await producer.stop()
