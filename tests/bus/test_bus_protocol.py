"""What the protocol says in so many words. The same on the dev broker and on Apache Kafka."""

import asyncio
import uuid
from typing import Any

import pytest
from aiokafka.protocol.admin import CreateTopicsRequest, DeleteTopicsRequest
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from aiokafka.protocol.group import (
    HeartbeatRequest,
    JoinGroupRequest,
    LeaveGroupRequest,
    SyncGroupRequest,
)

from sandbox.kafka import wire
from sandbox.kafka.codes import Code
from tests.bus.harness import Bus, new_topic

PROTOCOLS = [("range", b"metadata")]


async def test_aiokafka_speaks_to_both_brokers_in_the_same_versions(bus: Bus) -> None:
    """Apache Kafka 4 leads aiokafka to exactly those versions that the dev broker offers."""
    offered = (await bus.connection())._versions
    for key, request in wire.REQUESTS.items():
        lowest, highest = offered[key]
        assert lowest <= request.API_VERSION <= highest, request.__name__
    negotiated: tuple[Any, ...] = (
        JoinGroupRequest("", 0, 0, "", "", "", []),
        SyncGroupRequest("", 0, "", "", []),
        OffsetCommitRequest("", 0, "", 0, []),
        OffsetFetchRequest("", []),
        CreateTopicsRequest([], 0, validate_only=False),
        HeartbeatRequest("", 0, ""),
        LeaveGroupRequest("", ""),
        DeleteTopicsRequest([], 0),
    )
    for asked in negotiated:
        assert type(asked.prepare(offered)) is wire.REQUESTS[asked.API_KEY]


async def test_a_new_member_is_told_its_name_before_it_joins(bus: Bus) -> None:
    connection, group = await bus.connection(), _group()
    promised = await _join(bus, connection, group, "")
    assert promised.error_code == Code.MEMBER_ID_REQUIRED
    joined = await _join(bus, connection, group, promised.member_id)
    assert (joined.error_code, joined.generation_id) == (Code.NONE, 1)
    assert joined.leader_id == joined.member_id == promised.member_id
    assert [tuple(member) for member in joined.members] == [(joined.member_id, None, b"metadata")]


async def test_an_unknown_member_is_unknown_to_every_request(bus: Bus) -> None:
    connection, group = await bus.connection(), _group()
    assert (await _join(bus, connection, group, "ghost")).error_code == Code.UNKNOWN_MEMBER_ID
    sync = await connection.send(_sync(group, 1, "ghost", []))
    assert sync.error_code == Code.UNKNOWN_MEMBER_ID
    assert (await connection.send(HeartbeatRequest(group, 1, "ghost"))).error_code == Code.UNKNOWN_MEMBER_ID
    assert (await connection.send(LeaveGroupRequest(group, "ghost"))).error_code == Code.UNKNOWN_MEMBER_ID


async def test_a_session_too_short_is_refused(bus: Bus) -> None:
    connection = await bus.connection()
    answer = await _join(bus, connection, _group(), "", session_timeout_ms=1)
    assert answer.error_code == Code.INVALID_SESSION_TIMEOUT


async def test_a_member_that_shares_no_protocol_is_refused(bus: Bus) -> None:
    connection, group = await bus.connection(), _group()
    await _only_member(bus, connection, group)
    answer = await _join(bus, await bus.connection(), group, "", protocols=[("sticky", b"")])
    assert answer.error_code == Code.INCONSISTENT_GROUP_PROTOCOL


async def test_commits_follow_the_generation_and_pass_while_others_join(bus: Bus) -> None:
    topic, group = await bus.topic(1), _group()
    connection = await bus.connection()
    member, generation = await _only_member(bus, connection, group)
    assert await _commit(connection, group, generation, member, topic, 1) == Code.NONE
    assert await _commit(connection, group, generation - 1, member, topic, 9) == Code.ILLEGAL_GENERATION
    assert await _commit(connection, group, generation, "ghost", topic, 9) == Code.UNKNOWN_MEMBER_ID

    newcomer = await bus.connection()
    promised = await _join(bus, newcomer, group, "")
    joining = asyncio.ensure_future(_join(bus, newcomer, group, promised.member_id))

    async def told_to_join_again() -> bool:
        beat = await connection.send(HeartbeatRequest(group, generation, member))
        return bool(beat.error_code == Code.REBALANCE_IN_PROGRESS)

    await bus.eventually(told_to_join_again)
    assert await _commit(connection, group, generation, member, topic, 2) == Code.NONE

    rejoined = await _join(bus, connection, group, member)
    assert (rejoined.error_code, rejoined.generation_id) == (Code.NONE, generation + 1)
    assert (await joining).generation_id == generation + 1
    # Joined, not yet assigned: Kafka has the member wait with its commit.
    refused = await _commit(connection, group, generation + 1, member, topic, 9)
    assert refused == Code.REBALANCE_IN_PROGRESS
    fetched = await connection.send(OffsetFetchRequest(group, [(topic, [0])]))
    assert fetched.topics == [(topic, [(0, 2, "", Code.NONE)])]


async def test_an_outsider_may_set_the_offsets_of_an_empty_group_only(bus: Bus) -> None:
    topic, group = await bus.topic(1), _group()
    connection = await bus.connection()
    assert await _commit(connection, group, -1, "", topic, 5) == Code.NONE
    await _only_member(bus, connection, group)
    assert await _commit(await bus.connection(), group, -1, "", topic, 7) == Code.UNKNOWN_MEMBER_ID


async def test_the_former_process_of_a_static_member_is_fenced(bus: Bus) -> None:
    connection, group = await bus.connection(), _group()
    joined = await _join(bus, connection, group, "", instance="one")
    sync = SyncGroupRequest(group, 1, joined.member_id, "one", [(joined.member_id, b"all")])
    assert (await connection.send(sync)).member_assignment == b"all"
    back = await _join(bus, await bus.connection(), group, "", instance="one")
    assert (back.error_code, back.generation_id) == (Code.NONE, 1)
    assert back.member_id != joined.member_id
    assert (await connection.send(sync)).error_code == Code.FENCED_INSTANCE_ID
    rejoin = await _join(bus, connection, group, joined.member_id, instance="one")
    assert rejoin.error_code == Code.FENCED_INSTANCE_ID


@pytest.mark.parametrize(
    ("partitions", "replicas", "code"),
    [(0, 1, Code.INVALID_PARTITIONS), (1, 3, Code.INVALID_REPLICATION_FACTOR), (1, 1, Code.NONE)],
)
async def test_a_topic_that_cannot_be_is_refused(bus: Bus, partitions: int, replicas: int, code: Code) -> None:
    admin, name = await bus.admin(), f"conformance-{uuid.uuid4().hex}"
    answer = await admin.create_topics([new_topic(name, partitions, replicas)], validate_only=True)
    assert [error for _, error, _ in answer.topic_errors] == [code]
    assert name not in await admin.list_topics()


async def test_a_topic_is_made_once_and_gone_when_deleted(bus: Bus) -> None:
    admin, name = await bus.admin(), await bus.topic(3)
    again = await admin.create_topics([new_topic(name, 3, 1)])
    assert [error for _, error, _ in again.topic_errors] == [Code.TOPIC_ALREADY_EXISTS]
    outside = await admin.create_topics([new_topic("../outside", 1, 1)])
    assert [error for _, error, _ in outside.topic_errors] == [Code.INVALID_TOPIC]
    deleted = await admin.delete_topics([name])
    assert [error for _, error in deleted.topic_error_codes] == [Code.NONE]

    async def gone() -> bool:
        return name not in await admin.list_topics()

    await bus.eventually(gone)


async def _join(
    bus: Bus,
    connection: Any,
    group: str,
    member: str,
    *,
    instance: str | None = None,
    session_timeout_ms: int = 10_000,
    protocols: list[tuple[str, bytes]] = PROTOCOLS,
) -> Any:
    await bus.coordinated(group)
    build: Any = JoinGroupRequest  # its types deny that an instance may be null
    return await connection.send(build(group, session_timeout_ms, 10_000, member, instance, "consumer", protocols))


def _sync(group: str, generation: int, member: str, assignment: list[tuple[str, bytes]]) -> Any:
    build: Any = SyncGroupRequest  # its types deny that an instance may be null
    return build(group, generation, member, None, assignment)


async def _only_member(bus: Bus, connection: Any, group: str) -> tuple[str, int]:
    promised = await _join(bus, connection, group, "")
    joined = await _join(bus, connection, group, promised.member_id)
    assert joined.error_code == Code.NONE
    sync = _sync(group, joined.generation_id, joined.member_id, [(joined.member_id, b"a")])
    assert (await connection.send(sync)).error_code == Code.NONE
    return joined.member_id, joined.generation_id


async def _commit(connection: Any, group: str, generation: int, member: str, topic: str, offset: int) -> int:
    request = OffsetCommitRequest(group, generation, member, -1, [(topic, [(0, offset, "")])])
    ((_, ((_, code),)),) = (await connection.send(request)).topics
    return int(code)


def _group() -> str:
    return f"group-{uuid.uuid4().hex}"
