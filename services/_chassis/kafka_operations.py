"""Asks Kafka what this client may do: on topics by Metadata, on groups by DescribeGroups (KIP-430).

aiokafka (0.14.0) speaks Metadata up to version 5, which does not tell, and reads version 3 of DescribeGroups as if it
were version 2, so that both stand here.
"""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    IncompatibleBrokerVersion,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.admin import DescribeGroupsResponse_v3
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from services._chassis.kafka_connection import KafkaConnection

REQUEST_MS = 10_000
TRIES = 20
AGAIN_SECONDS = 0.5
"""Real seconds until a new Kafka is asked again who coordinates a group."""
_BITS = {"Read": 3, "Write": 4, "Describe": 8}
"""Operation → its number in Kafka's protocol (``AclOperation``), which is its bit."""
_LEFT_OUT = -(2**31)


class _TopicsAnswer(Response):
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            Array(("node_id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8"))),
        ),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class _TopicsQuestion(RequestStruct):
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _TopicsAnswer
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _Topics(Request[_TopicsQuestion]):
    API_KEY = 3

    def __init__(self, names: Collection[str]) -> None:
        self._names = list(names)

    def build(self, request_struct_class: type[_TopicsQuestion]) -> _TopicsQuestion:
        return request_struct_class(self._names, False, False, True)


class _GroupsQuestion(RequestStruct):
    API_KEY = 15
    API_VERSION = 3
    RESPONSE_TYPE = DescribeGroupsResponse_v3
    SCHEMA = Schema(("groups", Array(String("utf-8"))), ("include_authorized_operations", Boolean))


class _Groups(Request[_GroupsQuestion]):
    API_KEY = 15

    def __init__(self, name: str) -> None:
        self._name = name

    def build(self, request_struct_class: type[_GroupsQuestion]) -> _GroupsQuestion:
        return request_struct_class([self._name], True)


class OperationsUnknown(Exception):
    """This Kafka does not say what a client may do."""


async def allowed(
    kafka: KafkaConnection, topics: Collection[str], groups: Collection[str]
) -> Mapping[tuple[str, str], frozenset[str]]:
    """Return kind (``topic``, ``group``) and name → the operations that Kafka allows to this client.

    A topic that does not exist is left out. Raise ``OperationsUnknown``, ``KafkaError`` and ``OSError``.
    """
    client: Any = AIOKafkaClient(**kafka.arguments, request_timeout_ms=REQUEST_MS)
    try:
        await client.bootstrap()
        found: dict[tuple[str, str], frozenset[str]] = {}
        answer = (await client.send(client.get_random_node(), _Topics(topics))).to_object()
        for topic in answer["topics"]:
            if for_code(topic["error_code"]) is TopicAuthorizationFailedError:
                found["topic", topic["topic"]] = frozenset()
            elif not topic["error_code"]:
                found["topic", topic["topic"]] = _operations(topic["authorized_operations"])
        for name in groups:
            found["group", name] = await _of_group(client, name)
    except (IncompatibleBrokerVersion, NotImplementedError):
        raise OperationsUnknown("it is older than version 2.3") from None
    finally:
        await client.close()
    return found


async def _of_group(client: Any, name: str) -> frozenset[str]:
    try:
        coordinator = await _coordinator(client, name)
    except GroupAuthorizationFailedError:
        return frozenset()
    [group] = (await client.send(coordinator, _Groups(name))).to_object()["groups"]
    if for_code(group["error_code"]) is GroupAuthorizationFailedError:
        return frozenset()
    return _operations(group["authorized_operations"])


async def _coordinator(client: Any, group: str) -> int:
    """Return the broker that coordinates a group; a new Kafka has none before the first one is asked for."""
    for _ in range(TRIES):
        with suppress(GroupCoordinatorNotAvailableError):
            return int(await client.coordinator_lookup(CoordinationType.GROUP, group))
        await asyncio.sleep(AGAIN_SECONDS)
    raise GroupCoordinatorNotAvailableError(f"no broker coordinates the group {group}")


def _operations(bits: int) -> frozenset[str]:
    """Raise ``OperationsUnknown`` where Kafka has left them out; who sees something may at least describe it."""
    if bits in {_LEFT_OUT, 0}:
        raise OperationsUnknown("its authorizer does not say what a client may do")
    return frozenset(name for name, bit in _BITS.items() if bits & 1 << bit)
