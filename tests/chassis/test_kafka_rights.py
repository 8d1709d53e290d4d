"""What Kafka says that a client may do, from a stand-in that answers as a broker; ``tests/bus`` has a real one."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.protocol.admin import DescribeGroupsResponse_v3
from aiokafka.protocol.api import Response
from aiokafka.protocol.coordination import FindCoordinatorResponse_v0
from faststream.security import SASLPlaintext

from contracts.topics import AUDIT, Party
from services._chassis import kafka_operations, kafka_rights
from services._chassis.kafka_acls import Acl, acls_of
from services._chassis.kafka_connection import KafkaConnection
from services._chassis.kafka_operations import OperationsUnknown, _TopicsAnswer, allowed
from services._chassis.kafka_rights import Missing, check_rights, missing

READ, WRITE, DESCRIBE, DENIED, NO_COORDINATOR = 1 << 3, 1 << 4, 1 << 8, 29, 15
ALL = READ | WRITE | DESCRIBE
BITS = {"Read": READ, "Write": WRITE, "Describe": DESCRIBE}
METADATA, FIND_COORDINATOR, DESCRIBE_GROUPS, VERSIONS = 3, 10, 15, 18
ME = "User:surefoot-health"
NEEDED = [acl for acl in acls_of(Party.HEALTH, ME) if acl.resource != "cluster"]
TOPICS = sorted({acl.name for acl in NEEDED if acl.resource == "topic"})


@dataclass
class StandIn:
    """A broker of one node. What it is not told otherwise about is allowed."""

    bits: Mapping[str, int] = field(default_factory=dict)
    """Topic or group → the bits of what may be done there; 0: it does not say it, and -1: it denies to describe it."""
    newest_metadata: int = 8
    coordinates_at: int = 0
    """How often it has no coordinator of groups yet."""
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                key, version, correlation = struct.unpack(">hhi", (await reader.readexactly(size))[:8])
                answer = struct.pack(">i", correlation) + self._answer(key, version)
                writer.write(struct.pack(">i", len(answer)) + answer)
        writer.close()

    def _answer(self, key: int, version: int) -> bytes:
        if key == VERSIONS:
            apis = ((VERSIONS, 0), (METADATA, self.newest_metadata), (FIND_COORDINATOR, 0), (DESCRIBE_GROUPS, 3))
            return struct.pack(">hi", 0, len(apis)) + b"".join(
                struct.pack(">hhh", api, 0, newest) for api, newest in apis
            )
        if key == FIND_COORDINATOR:
            return self._coordinator().encode()
        return self._metadata(version) if key == METADATA else self._groups().encode()

    def _metadata(self, version: int) -> bytes:
        if version < 8:  # aiokafka's own, at its start, about no topic
            host = struct.pack(">h", 9) + b"127.0.0.1"
            broker = struct.pack(">i", 1) + host + struct.pack(">ih", self.port, -1)
            return struct.pack(">ii", 0, 1) + broker + struct.pack(">hii", -1, 1, 0)
        held = {name: self.bits.get(name, ALL) for name in TOPICS}
        topics: list[Any] = [(DENIED if bits == -1 else 0, name, False, [], bits) for name, bits in held.items()]
        node = [(1, "127.0.0.1", self.port, None)]
        return _TopicsAnswer(0, node, "cluster", 1, topics, -(2**31)).encode()

    def _coordinator(self) -> Response:
        self.coordinates_at -= 1
        code = NO_COORDINATOR if self.coordinates_at >= 0 else 0
        return FindCoordinatorResponse_v0(code, 1, "127.0.0.1", self.port)

    def _groups(self) -> Response:
        bits = self.bits.get("health", ALL)
        return DescribeGroupsResponse_v3(0, [(30 if bits == -1 else 0, "health", "Empty", "", "", [], bits)])


@contextlib.asynccontextmanager
async def kafka(stand_in: StandIn) -> AsyncIterator[KafkaConnection]:
    server = await asyncio.start_server(stand_in.serve, "127.0.0.1", 0)
    async with server:
        stand_in.port = server.sockets[0].getsockname()[1]
        yield KafkaConnection(f"127.0.0.1:{stand_in.port}")


async def test_what_may_be_done_is_read_from_the_bits() -> None:
    told = {TOPICS[0]: READ | DESCRIBE, TOPICS[1]: -1, "health": DESCRIBE | 1 << 9}
    async with kafka(StandIn(told)) as connection:
        found = await allowed(connection, TOPICS, ["health"])
    assert found["topic", TOPICS[0]] == {"Read", "Describe"}
    assert found["topic", TOPICS[1]] == frozenset()
    assert found["topic", TOPICS[2]] == {"Read", "Write", "Describe"}
    assert found["group", "health"] == {"Describe"}


@pytest.mark.parametrize("acl", NEEDED, ids=str)
async def test_each_right_that_is_missing_is_named_with_the_command_that_grants_it(acl: Acl) -> None:
    async with kafka(StandIn({acl.name: ALL & ~BITS[acl.operation]})) as connection:
        assert await missing(connection, [Party.HEALTH]) == [acl]
        if acl.name == AUDIT.name:  # no start waits for the audit
            sentence = await check_rights(connection, (), [Party.HEALTH])
        else:
            with pytest.raises(Missing) as raised:
                await check_rights(connection, (), [Party.HEALTH])
            sentence = str(raised.value)
    assert f"does not allow health what it needs: {acl}." in sentence
    assert f"kafka-acls.sh {acl.arguments}" in sentence


async def test_who_is_known_by_a_certificate_may_be_called_otherwise() -> None:
    """A broker may map a certificate's name (``ssl.principal.mapping.rules``); a user's is the principal's."""
    known = KafkaConnection("127.0.0.1:1", SASLPlaintext("surefoot-health", "a password"))
    for connection, otherwise in ((known, False), (KafkaConnection("127.0.0.1:1"), True)):
        told = kafka_rights._sentence_about(
            NEEDED[:1], "health", is_named="sasl_plain_username" in connection.arguments
        )
        assert ("what Kafka calls this client" in told) == otherwise


async def test_of_many_the_first_are_named() -> None:
    async with kafka(StandIn(dict.fromkeys([*TOPICS, "health"], -1))) as connection:
        with pytest.raises(Missing, match=f"and {len(NEEDED) - 5} more"):
            await check_rights(connection, (), [Party.HEALTH])


async def test_where_nothing_is_missing_the_rest_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    async def rest(*_: object) -> str:
        return "looked at"

    monkeypatch.setattr(kafka_rights, "_beyond", rest)
    async with kafka(StandIn()) as connection:
        assert await check_rights(connection, (), [Party.HEALTH]) == "looked at"
    async with kafka(StandIn(dict.fromkeys([*TOPICS, "health"], -1))) as connection:
        assert await check_rights(connection, (), [Party.HEALTH], has_acls=False) == "looked at"


async def test_a_new_kafka_is_asked_again_who_coordinates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_operations, "AGAIN_SECONDS", 0.0)
    async with kafka(StandIn(coordinates_at=3)) as connection:
        assert await missing(connection, [Party.HEALTH]) == []


@pytest.mark.parametrize("left_out", [0, -(2**31)])
async def test_a_kafka_that_does_not_say_it_stops_nothing_and_that_is_reported(left_out: int) -> None:
    """Authorizers of others need not say what a client may do."""
    async with kafka(StandIn({TOPICS[0]: left_out})) as connection:
        with pytest.raises(OperationsUnknown):
            await missing(connection, [Party.HEALTH])
        assert "could not be checked: its authorizer" in await check_rights(connection, (), [Party.HEALTH])


async def test_neither_does_one_that_is_old() -> None:
    async with kafka(StandIn(newest_metadata=5)) as connection:
        assert "older than version 2.3" in await check_rights(connection, (), [Party.HEALTH])


async def test_nor_one_that_is_away() -> None:
    said = await check_rights(KafkaConnection("127.0.0.1:1"), (), [Party.HEALTH])
    assert said == "whether Kafka allows health what it needs could not be checked (KafkaConnectionError)"
