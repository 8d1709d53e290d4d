"""The topics of the table: made where they are missing, refused where they are others."""

from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from contracts.topics import DEPLOYMENT_EVENTS, TOPICS
from services._chassis.kafka_connection import KafkaConnection
from services._chassis.topics import WrongTopicError, ensure_topics


async def create(kafka: str, *topics: Any) -> None:
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics(list(topics))
    await admin.close()


def topic(name: str, partitions: int) -> Any:
    made: Any = NewTopic  # aiokafka has no types here
    return made(name, partitions, 1)


async def found(kafka: str) -> dict[str, int]:
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    there = {topic_["topic"]: len(topic_["partitions"]) for topic_ in await admin.describe_topics()}
    await admin.close()
    return there


async def test_what_is_missing_is_made_and_nothing_else_is_touched(kafka: str) -> None:
    await create(kafka, topic("somebody-elses", 1), topic(DEPLOYMENT_EVENTS.name, DEPLOYMENT_EVENTS.partitions))
    for _ in range(2):
        await ensure_topics(KafkaConnection(kafka), 1)
    assert await found(kafka) == {topic_.name: topic_.partitions for topic_ in TOPICS} | {"somebody-elses": 1}


async def test_another_number_of_partitions_is_refused(kafka: str) -> None:
    """Else what is of one target would belong to several replicas."""
    await create(kafka, topic(DEPLOYMENT_EVENTS.name, 3))
    with pytest.raises(WrongTopicError, match=r"deployment\.events\.v1 has 3 partitions and must have 12"):
        await ensure_topics(KafkaConnection(kafka), 1)
