"""Kafka, through FastStream: a message is acknowledged after its handler, and offsets are committed in batches."""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from contracts.catalogue import REPLAYED_FIRST, topics_of
from contracts.envelope import Message
from contracts.topics import Party
from services._chassis.catch_up import CatchUp
from services._chassis.commits import Commits
from services._chassis.kafka_connection import KafkaConnection
from services._chassis.records import Record, read_bounded
from services._chassis.settings import Settings
from services._chassis.store import RedisStore
from services._chassis.watchdog import Watchdog

LEAVE_SECONDS = 2.0
"""Real seconds that a producer which is replaced may take to end."""

log = structlog.get_logger()

Consume = Callable[[Record], Awaitable[None]]


class Broker(KafkaBroker):
    """FastStream's broker, which commits the handled offsets before it stops."""

    commits: Commits | None = None

    async def stop(self, *fault: Any) -> None:
        if self.commits:
            await self.commits.flush()
        await super().stop(*fault)

    async def renew_producer(self) -> None:
        """Replace the producer by one with a new id. Raise ``KafkaError``; the present one stays then.

        An idempotent producer numbers what it sends: once Kafka has refused a number, it refuses all that follow.
        """
        impl: Any = self.config.broker_config.producer
        broken, made = impl._producer, AIOKafkaProducer(**self._connection_kwargs)  # noqa: SLF001  FastStream has no seam
        try:
            await impl.connect(made, impl.serializer, impl.codec)
        except BaseException:
            await made.stop()
            raise
        with suppress(Exception):  # it may wait for what it can never send, or raise the error that broke it
            async with asyncio.timeout(LEAVE_SECONDS):
                await broken.stop()
        await broken.producer.client.close()


def create_broker(kafka: KafkaConnection, settings: Settings, client_id: str) -> Broker:
    """Return a broker that loses nothing: ``acks=all``, idempotent, acknowledged by the handler's end."""
    read_bounded()
    return Broker(
        kafka.servers.split(","),
        security=kafka.security,
        sasl_oauth_token_provider=kafka.tokens,
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        request_timeout_ms=int(settings.kafka_request_timeout * 1000),
        graceful_timeout=settings.shutdown_timeout / 2,
        ack_policy=AckPolicy.NACK_ON_ERROR,
        apply_types=False,
        logger=_errors_only(),
    )


def _errors_only() -> logging.Logger:
    """Return a logger for FastStream's errors, without its two lines for each message.

    FastStream's own logger would write coloured text to stdout and pass nothing on to ours.
    """
    logger = logging.getLogger("surefoot.faststream")
    logger.setLevel(logging.ERROR)
    return logger


class KafkaTransport:
    """The transport in production: one service's messages over Kafka."""

    def __init__(self, store: RedisStore, settings: Settings, kafka: KafkaConnection) -> None:
        party = Party(store.service)
        self.name = settings.member(party) or f"{party}-{socket.gethostname()}-{os.getpid()}"
        self.broker = create_broker(kafka, settings, self.name)
        read = sum(topic.partitions for topic in topics_of(party))
        first = REPLAYED_FIRST.get(party, frozenset())
        self.progress = CatchUp(store, first, read, settings.kafka_session_timeout)
        self.watchdog = Watchdog(party, self.progress, settings.stall_timeout)
        self._settings = settings

    def catching_up(self) -> bool:
        return self.progress.catching_up()

    async def publish(self, message: Message) -> None:
        """Publish a message; return once Kafka has confirmed it. Raise ``KafkaError``: it may be published or not."""
        headers = {name: value.decode() for name, value in message.headers}
        try:
            await self.broker.publish(message.value, message.topic, key=message.key, headers=headers)
        except MessageSizeTooLargeError:
            raise
        except KafkaError as error:
            log.warning("a message was not published; a new producer takes over", why=type(error).__name__)
            await self.broker.renew_producer()
            raise

    def read(self, group: str, topics: Iterable[str], consume: Consume) -> Callable[[], Coroutine[Any, Any, None]]:
        """Call ``consume`` with each record once the broker has started; return the loop that watches the consumer."""
        session_ms = int(self._settings.kafka_session_timeout * 1000)
        self.broker.commits = Commits(self.progress)
        subscriber = self.broker.subscriber(
            *topics,
            group_id=group,
            group_instance_id=self._settings.member(group),
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // 5,
            auto_offset_reset="earliest",
            # All topics have as many partitions, so that one replica reads all messages of a target. And there is no
            # second strategy: aiokafka (0.14.0) asks to join once for each, with another list each time, so that two
            # replicas take turns in making Kafka rebalance, without end.
            partition_assignment_strategy=(RangePartitionAssignor,),
            fetch_max_wait_ms=250,
            listener=self.progress,
            parser=partial(_parse, self.broker.commits),
            decoder=_decode,
        )
        subscriber(consume)
        self.progress.consumer = lambda: subscriber.consumer
        return self.watchdog.run


async def _parse(commits: Commits, record: Record, original: Any) -> Any:
    """Parse a record without its headers: FastStream would fail to decode some; the consumer reads them later."""
    message = await original(replace(record, headers=()))
    message.raw_message, message.consumer = record, commits
    return message


async def _decode(message: Any) -> Any:
    return message.raw_message
