"""Creates the topics of the table; ``python -m services._chassis.topics`` does it before anything starts."""

import asyncio
import sys
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from contracts.topics import TOPICS
from services._chassis.settings import Settings

REQUEST_MS = 20_000


class WrongTopicError(Exception):
    """A topic exists and cannot be used as it is; the text says what to do."""


async def ensure_topics(bootstrap_servers: str, replication_factor: int) -> None:
    """Create the missing topics; existing topics are left as they are.

    Raise ``KafkaError``, and ``WrongTopicError`` where a topic has another number of partitions than the table: all
    messages of a target go to one replica only as long as all topics have the same number.
    """
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=REQUEST_MS)
    await admin.start()
    try:
        there = set(await admin.list_topics())
        new_topic: Any = NewTopic  # aiokafka has no types here
        missing = [
            new_topic(
                topic.name,
                topic.partitions,
                replication_factor,
                topic_configs={"retention.ms": str(topic.retention_seconds * 1000)},
            )
            for topic in TOPICS
            if topic.name not in there
        ]
        if missing:
            answer = await admin.create_topics(missing)
            for name, code, *message in answer.topic_errors:
                if code and for_code(code) is not TopicAlreadyExistsError:
                    raise for_code(code)(f"{name}: {message}")
        wanted = {topic.name: topic.partitions for topic in TOPICS if topic.name in there}
        for found in await admin.describe_topics(sorted(wanted)) if wanted else ():
            name, partitions = found["topic"], len(found["partitions"])
            if found["error_code"] == 0 and partitions != wanted[name]:
                raise WrongTopicError(
                    f"the topic {name} has {partitions} partitions and must have {wanted[name]}: "
                    "create it anew, or use a Kafka of its own"
                )
    finally:
        await admin.close()


def main() -> None:
    """Create the topics, or exit with one sentence that says why not."""
    settings = Settings()
    try:
        asyncio.run(ensure_topics(settings.kafka_bootstrap_servers, settings.kafka_replication_factor))
    except (KafkaError, OSError, WrongTopicError) as error:
        sys.exit(f"surefoot: the topics could not be created on {settings.kafka_bootstrap_servers}: {error}")


if __name__ == "__main__":
    main()
