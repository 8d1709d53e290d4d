"""The topics of the table: made where they are missing, refused where they are others."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import InvalidConfigurationError

from contracts.topics import DEPLOYMENT_EVENTS, TOPICS
from services._chassis.kafka_connection import KafkaConnection
from services._chassis.records import MOST_INFLATED
from services._chassis.topics import INFLATED, WrongTopicError, ensure_topics


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


@pytest.mark.parametrize("known", [True, False])
async def test_what_inflates_too_far_is_refused_by_a_broker_that_knows_the_bound(
    kafka: str, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    asked: list[dict[str, str]] = []
    create_topics = AIOKafkaAdminClient.create_topics

    async def as_a_broker(self: Any, topics: list[Any]) -> Any:
        asked.append(topics[0].topic_configs)
        if not known and INFLATED in topics[0].topic_configs:
            return SimpleNamespace(topic_errors=[(new.name, InvalidConfigurationError.errno, "") for new in topics])
        return await create_topics(self, topics)

    monkeypatch.setattr(AIOKafkaAdminClient, "create_topics", as_a_broker)
    await ensure_topics(KafkaConnection(kafka), 1)
    assert [INFLATED in configs for configs in asked] == ([True] if known else [True, False])
    assert asked[0][INFLATED] == str(MOST_INFLATED)
    assert len(await found(kafka)) == len(TOPICS)


async def test_another_number_of_partitions_is_refused(kafka: str) -> None:
    """Else what is of one target would belong to several replicas."""
    await create(kafka, topic(DEPLOYMENT_EVENTS.name, 3))
    with pytest.raises(WrongTopicError, match=r"deployment\.events\.v1 has 3 partitions and must have 12"):
        await ensure_topics(KafkaConnection(kafka), 1)
