"""Looks at the start whether Kafka's ACLs hold: a service tries what it must not be able to do, and changes nothing."""

from collections.abc import Collection
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    for_code,
)

from contracts.topics import TOPICS, Topic
from services._chassis.kafka_connection import KafkaConnection

TRIED_TOPIC = "surefoot.acl-check"
"""A topic that Kafka is asked whether it would create; it does not."""
DENIED = (ClusterAuthorizationFailedError, TopicAuthorizationFailedError)
_REQUEST_MS = 10_000


async def too_wide(kafka: KafkaConnection, needed: Collection[Topic]) -> str:
    """Return what this client may do beyond its ACLs, as the end of a sentence; empty where Kafka denies it.

    Raise ``KafkaError`` and ``OSError``.
    """
    admin: Any = AIOKafkaAdminClient(**kafka.arguments, request_timeout_ms=_REQUEST_MS)
    await admin.start()
    try:
        new_topic: Any = NewTopic  # aiokafka has no types here
        answer = await admin.create_topics([new_topic(TRIED_TOPIC, 1, 1)], validate_only=True)
        may_create = not any(issubclass(for_code(code), DENIED) for _, code, *_ in answer.topic_errors)
        others = {topic.name for topic in TOPICS} - {topic.name for topic in needed}
        seen = sorted(others.intersection(await admin.list_topics()))
    except DENIED:
        return ""
    finally:
        await admin.close()
    able = ["create topics"] if may_create else []
    able += [f"see {seen[0]}"] if seen else []
    return " and ".join(able)


async def sentence_about_rights(kafka: KafkaConnection, needed: Collection[Topic], party: str) -> str:
    """Return what is wrong with Kafka's ACLs, as a sentence without its full stop; empty where they hold."""
    try:
        able = await too_wide(kafka, needed)
    except (KafkaError, OSError) as error:
        return f"whether Kafka's ACLs hold for {party} could not be checked ({type(error).__name__})"
    if not able:
        return ""
    return f"Kafka's ACLs are not enforced, or too wide: {party} may {able}; surefoot acls lists what is needed"
