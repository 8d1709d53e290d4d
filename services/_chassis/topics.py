"""Creates the topics of the table; ``python -m services._chassis.topics`` does it before anything starts."""

import asyncio
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import InvalidConfigurationError, KafkaError, TopicAlreadyExistsError, for_code

from contracts.topics import TOPICS, Party, Topic
from services._chassis.connection_settings import ConnectionFault
from services._chassis.kafka_connection import KafkaConnection, KafkaRefuses, kafka_connection
from services._chassis.kafka_rights import DENIED
from services._chassis.records import MOST_INFLATED
from services._chassis.settings import Settings

REQUEST_MS = 20_000
INFLATED = "max.decompressed.message.bytes"
"""The setting by which a broker refuses what inflates too far; those before September 2026 do not know it."""


class WrongTopicError(Exception):
    """A topic exists and cannot be used as it is; the text says what to do."""


async def ensure_topics(kafka: KafkaConnection, replication_factor: int, topics: Collection[Topic] = TOPICS) -> None:
    """Create those of ``topics`` that are missing; existing topics are left as they are.

    Raise ``KafkaError``, and ``WrongTopicError`` where a topic has another number of partitions than the table: all
    messages of a target go to one replica only as long as all topics have the same number.
    """
    admin: Any = AIOKafkaAdminClient(**kafka.arguments, request_timeout_ms=REQUEST_MS)
    await admin.start()
    try:
        there = set(await admin.list_topics())
        missing = [topic for topic in topics if topic.name not in there]
        if missing:
            await _make(admin, missing, replication_factor)
        await _check_partitions(admin, {topic.name: topic.partitions for topic in topics if topic.name in there})
    finally:
        await admin.close()


async def _make(admin: Any, topics: Sequence[Topic], replication_factor: int) -> None:
    answer = await admin.create_topics([_new(topic, replication_factor, bounded=True) for topic in topics])
    if any(for_code(code) is InvalidConfigurationError for _, code, *_ in answer.topic_errors):
        answer = await admin.create_topics([_new(topic, replication_factor, bounded=False) for topic in topics])
    for name, code, *message in answer.topic_errors:
        if code and issubclass(for_code(code), DENIED):
            raise WrongTopicError(
                f"Kafka has no topic {name}, or does not show it: create the topics with python -m "
                "services._chassis.topics, and allow what surefoot acls lists"
            )
        if code and for_code(code) is not TopicAlreadyExistsError:
            raise for_code(code)(f"{name}: {message}")


def _new(topic: Topic, replication_factor: int, *, bounded: bool) -> Any:
    """``bounded``: the broker refuses what inflates further than a reader of ours does."""
    new_topic: Any = NewTopic  # aiokafka has no types here
    configs = {"retention.ms": str(topic.retention_seconds * 1000)}
    if bounded:
        configs[INFLATED] = str(MOST_INFLATED)
    return new_topic(topic.name, topic.partitions, replication_factor, topic_configs=configs)


async def _check_partitions(admin: Any, wanted: Mapping[str, int]) -> None:
    for found in await admin.describe_topics(sorted(wanted)) if wanted else ():
        name, partitions = found["topic"], len(found["partitions"])
        if found["error_code"] == 0 and partitions != wanted[name]:
            raise WrongTopicError(
                f"the topic {name} has {partitions} partitions and must have {wanted[name]}: "
                "create it anew, or use a Kafka of its own"
            )


async def _create(settings: Settings) -> None:
    kafka = kafka_connection(settings, Party.OPERATORS, settings.aws_region)
    await kafka.probe()
    await ensure_topics(kafka, settings.kafka_replication_factor)


def main() -> None:
    """Create the topics, or exit with one sentence that says why not."""
    settings = Settings()
    try:
        asyncio.run(_create(settings))
    except (KafkaError, OSError, WrongTopicError, KafkaRefuses, ConnectionFault) as error:
        sys.exit(f"surefoot: the topics could not be created on {settings.kafka_bootstrap_servers}: {error}")


if __name__ == "__main__":
    main()
