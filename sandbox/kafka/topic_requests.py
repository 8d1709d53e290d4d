"""Requests about topics and records: each function takes a body and gives its response's fields."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.kafka import wire
from sandbox.kafka.codes import Code, Refused
from sandbox.kafka.node import NODE_ID, Caller, Node

_LATEST, _EARLIEST = -1, -2  # ListOffsets' two special timestamps


async def api_versions(_node: Node, _body: Any, _caller: Caller) -> tuple[Any, ...]:
    return (Code.NONE, wire.VERSIONS)


async def metadata(node: Node, body: Any, _caller: Caller) -> tuple[Any, ...]:
    may_create = body.allow_auto_topic_creation and node.limits.auto_create_topics
    replicas = [NODE_ID]

    def describe(name: str) -> tuple[Any, ...]:
        try:
            if may_create and name not in node.catalogue:
                node.catalogue.create(name)
            count = len(node.catalogue.topic(name))
        except Refused as refused:
            return (refused.code, name, False, [])
        partitions: list[Any] = [(Code.NONE, n, NODE_ID, replicas, replicas, []) for n in range(count)]
        return (Code.NONE, name, False, partitions)

    names = node.catalogue.names() if body.topics is None else body.topics
    broker = (NODE_ID, node.host, node.port, None)
    return (0, [broker], node.catalogue.cluster_id, NODE_ID, [describe(name) for name in names])


async def create_topics(node: Node, body: Any, _caller: Caller) -> tuple[Any, ...]:
    """Topic configurations are accepted and not applied: there is no retention and no compaction."""

    def create(name: str, partitions: int, replicas: int, assignment: list[Any]) -> tuple[Any, ...]:
        try:
            node.catalogue.create(name, len(assignment) or partitions, replicas, dry_run=bool(body.validate_only))
        except Refused as refused:
            return (name, refused.code, str(refused))
        return (name, Code.NONE, None)

    return (0, [create(*wish[:4]) for wish in body.create_topic_requests])


async def delete_topics(node: Node, body: Any, _caller: Caller) -> tuple[Any, ...]:
    def delete(name: str) -> Code:
        try:
            node.catalogue.delete(name)
        except Refused as refused:
            return refused.code
        node.offsets.forget_topic(name)
        return Code.NONE

    return (0, [(name, delete(name)) for name in body.topics])


async def init_producer_id(node: Node, body: Any, _caller: Caller) -> tuple[Any, ...]:
    if body.transactional_id is not None:
        return (0, Code.INVALID_REQUEST, -1, -1)
    return (0, Code.NONE, node.catalogue.next_producer_id(), 0)


async def produce(node: Node, body: Any, _caller: Caller) -> tuple[Any, ...]:
    def append(topic: str, partition: int, records: bytes | None) -> tuple[Any, ...]:
        try:
            offset = node.catalogue.partition(topic, partition).append(records or b"")
        except Refused as refused:
            return (partition, refused.code, -1, -1, -1)
        return (partition, Code.NONE, offset, -1, 0)

    return ([(topic, [append(topic, *each) for each in partitions]) for topic, partitions in body.topics], 0)


async def list_offsets(node: Node, body: Any, _caller: Caller) -> tuple[Any, ...]:
    def find(topic: str, partition: int, timestamp: int) -> tuple[Any, ...]:
        try:
            log = node.catalogue.partition(topic, partition)
        except Refused as refused:
            return (partition, refused.code, -1, -1)
        if timestamp == _LATEST:
            return (partition, Code.NONE, -1, log.next_offset)
        if timestamp == _EARLIEST:
            return (partition, Code.NONE, -1, 0)
        return (partition, Code.NONE, *(log.first_since(timestamp) or (-1, -1)))

    return (0, [(topic, [find(topic, *each) for each in partitions]) for topic, partitions in body.topics])


async def fetch(node: Node, body: Any, _caller: Caller) -> tuple[Any, ...]:
    """Answers at once when there is enough or something is wrong, else after `max_wait_time` milliseconds."""
    deadline = time.monotonic() + body.max_wait_time / 1000
    appended = asyncio.Event()
    with _watching(node, body, appended.set):
        while True:
            appended.clear()
            topics, size, failed = _read(node, body)
            if failed or size >= max(1, body.min_bytes):
                break
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    await appended.wait()
            except TimeoutError:
                break
    return (0, Code.NONE, 0, topics)


def _read(node: Node, body: Any) -> tuple[list[Any], int, bool]:
    """Returns (topics as the response has them, bytes read, whether a partition was refused).

    The size limits are Kafka's: whole batches within both, but the first batch of a response always goes out.
    """
    size, failed = 0, False
    topics: list[Any] = []
    for topic, wishes in body.topics:
        partitions = []
        for partition, _, offset, _, max_bytes in wishes:
            code, end, records = Code.NONE, -1, b""
            try:
                log = node.catalogue.partition(topic, partition)
                end = log.next_offset
                room = min(max_bytes, body.max_bytes - size)
                records = log.read(offset, room, at_least_one=not size)
            except Refused as refused:
                code, failed = refused.code, True
            size += len(records)
            partitions.append((partition, code, end, end, 0, None, -1, records))
        topics.append((topic, partitions))
    return topics, size, failed


@contextmanager
def _watching(node: Node, body: Any, wake: Callable[[], None]) -> Iterator[None]:
    logs = []
    for topic, wishes in body.topics:
        for partition, *_ in wishes:
            try:
                logs.append(node.catalogue.partition(topic, partition))
            except Refused:
                continue  # the response says so
    for log in logs:
        log.watch(wake)
    try:
        yield
    finally:
        for log in logs:
            log.unwatch(wake)
