"""Requests about groups and their offsets: each function takes a body and gives its response's fields."""

import asyncio
import time
from typing import Any, TypeVar

from sandbox.kafka.codes import Code, Refused
from sandbox.kafka.groups import Group, State
from sandbox.kafka.members import Join, Joined, Sync, Synced
from sandbox.kafka.node import NODE_ID, Caller, Node
from sandbox.kafka.offsets import NOTHING, Committed

_MAX_SESSION_TIMEOUT = 1800.0  # seconds: Kafka's group.max.session.timeout.ms
_OPERATIONS_NOT_ASKED = -(2**31)  # DescribeGroups' value when nobody asked for authorized operations
_GROUP_COORDINATOR = 0

_T = TypeVar("_T", Joined, Synced)


async def find_coordinator(node: Node, body: Any, _caller: Caller) -> tuple[Any, ...]:
    if body.coordinator_type != _GROUP_COORDINATOR:
        return (0, Code.INVALID_REQUEST, "This broker has no transactions.", -1, "", -1)
    return (0, Code.NONE, None, NODE_ID, node.host, node.port)


async def join_group(node: Node, body: Any, caller: Caller) -> tuple[Any, ...]:
    session_timeout = body.session_timeout / 1000
    if not body.group:
        joined = Joined(Code.INVALID_GROUP_ID, body.member_id)
    elif not node.limits.min_session_timeout <= session_timeout <= _MAX_SESSION_TIMEOUT:
        joined = Joined(Code.INVALID_SESSION_TIMEOUT, body.member_id)
    else:
        wish = Join(
            body.member_id,
            body.group_instance_id,
            session_timeout,
            body.rebalance_timeout / 1000,
            body.protocol_type,
            tuple((name, bytes(data)) for name, data in body.group_protocols),
            *caller,
        )
        answered: asyncio.Future[Joined] = asyncio.get_running_loop().create_future()
        node.group(body.group).join(wish, time.monotonic(), lambda it: _answer(answered, it))
        joined = await answered
    return (
        0,
        joined.code,
        joined.generation,
        joined.protocol,
        joined.leader,
        joined.member_id,
        list(joined.members),
    )


async def sync_group(node: Node, body: Any, _caller: Caller) -> tuple[Any, ...]:
    answered: asyncio.Future[Synced] = asyncio.get_running_loop().create_future()
    wish = Sync(body.member_id, body.group_instance_id, body.generation_id, dict(body.group_assignment))
    node.group(body.group).sync(wish, time.monotonic(), lambda it: _answer(answered, it))
    synced = await answered
    return (0, synced.code, synced.assignment)


async def heartbeat(node: Node, body: Any, _caller: Caller) -> tuple[Any, ...]:
    group = node.group(body.group)
    return (0, group.heartbeat(body.member_id, body.generation_id, time.monotonic()))


async def leave_group(node: Node, body: Any, _caller: Caller) -> tuple[Any, ...]:
    return (0, node.group(body.group).leave(body.member_id, time.monotonic()))


async def offset_commit(node: Node, body: Any, _caller: Caller) -> tuple[Any, ...]:
    group = body.consumer_group
    verdict = node.group(group).commits(body.consumer_id, body.consumer_group_generation_id, time.monotonic())

    def commit(topic: str, partition: int, offset: int, metadata: str | None) -> Code:
        if verdict is not Code.NONE:
            return verdict
        try:
            node.catalogue.partition(topic, partition)
            node.offsets.commit(group, topic, partition, Committed(offset, metadata or ""))
        except Refused as refused:
            return refused.code
        return Code.NONE

    return (
        0,
        [(topic, [(each[0], commit(topic, *each)) for each in places]) for topic, places in body.topics],
    )


async def offset_fetch(node: Node, body: Any, _caller: Caller) -> tuple[Any, ...]:
    committed = node.offsets.of(body.consumer_group)
    wanted: dict[str, list[int]] = {}
    if body.topics is None:
        for topic, partition in committed:
            wanted.setdefault(topic, []).append(partition)
    else:
        wanted = dict(body.topics)
    return (
        0,
        [
            (
                topic,
                [(number, *committed.get((topic, number), NOTHING), Code.NONE) for number in partitions],
            )
            for topic, partitions in wanted.items()
        ],
        Code.NONE,
    )


async def list_groups(node: Node, _body: Any, _caller: Caller) -> tuple[Any, ...]:
    """Lists the groups that have members or offsets."""
    groups = dict.fromkeys(node.offsets.groups(), "")
    groups |= {name: group.protocol_type for name, group in node.groups.items() if _exists(node, group)}
    return (0, Code.NONE, list(groups.items()))


async def describe_groups(node: Node, body: Any, _caller: Caller) -> tuple[Any, ...]:
    return (0, [_describe(node, name) for name in body.groups])


def _describe(node: Node, name: str) -> tuple[Any, ...]:
    group = node.groups.get(name) or Group(name)
    if not _exists(node, group):
        return (Code.NONE, name, "Dead", "", "", [], _OPERATIONS_NOT_ASKED)
    known = group.protocol if group.state is State.STABLE else ""
    members = [
        (member.id, member.wish.client_id, member.wish.client_host, member.metadata(known), member.assignment)
        for member in group.members.values()
    ]
    return (Code.NONE, name, group.state, group.protocol_type, known, members, _OPERATIONS_NOT_ASKED)


def _exists(node: Node, group: Group) -> bool:
    return group.state is not State.EMPTY or group.generation > 0 or bool(node.offsets.of(group.name))


def _answer(answered: asyncio.Future[_T], answer: _T) -> None:
    if not answered.done():  # the client may have gone while it waited
        answered.set_result(answer)
