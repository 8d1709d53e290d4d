"""Reads a topic from its beginning to where it ends now, as the operators."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from contracts.topics import Topic
from services._chassis.kafka_connection import KafkaConnection
from surefoot.exit_codes import Exit
from surefoot.kafka import ANSWER_SECONDS, connection, started
from surefoot.output import CannotDo


async def records_of(topic: Topic) -> AsyncIterator[Any]:
    """Yield each record that the topic has now, in the order of its partition. Raise ``CannotDo``."""
    kafka = connection()
    partitions = await _partitions(kafka, topic)
    options = {"enable_auto_commit": False, "auto_offset_reset": "earliest"}
    async with started(kafka, AIOKafkaConsumer, AIOKafkaConsumer.stop, **options) as consumer:
        async with asyncio.timeout(ANSWER_SECONDS):
            begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        unread = {partition for partition in partitions if begins[partition] < ends[partition]}
        consumer.assign(unread)
        last_answer = time.monotonic()
        while unread:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                last_answer = time.monotonic()
                for record in records:
                    yield record
            async with asyncio.timeout(ANSWER_SECONDS):
                unread = {partition for partition in unread if await consumer.position(partition) < ends[partition]}
            if time.monotonic() - last_answer > ANSWER_SECONDS:
                raise TimeoutError("it stopped in the middle")


async def _partitions(kafka: KafkaConnection, topic: Topic) -> list[TopicPartition]:
    """Return the topic's partitions; a consumer that asked for it could create it, with a wrong number of them."""
    client: Any = AIOKafkaAdminClient
    async with started(kafka, client, client.close) as admin, asyncio.timeout(ANSWER_SECONDS):
        if topic.name not in await admin.list_topics():
            raise CannotDo(f"Kafka at {kafka.servers} has no topic {topic}: no service ran there", Exit.FAILED)
        (about,) = await admin.describe_topics([topic.name])
        return [TopicPartition(topic.name, partition["partition"]) for partition in about["partitions"]]
