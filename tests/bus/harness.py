"""What the conformance tests do to a broker, whichever it is."""

import asyncio
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError

from tests.bus.servers import Server

MEMBER = Path(__file__).with_name("member_process.py")


@dataclass(frozen=True)
class Node:
    """The Kafka under test, and the thread that starts it. Without a server it is somebody else's."""

    bootstrap: str
    session_timeout_ms: int
    server: Server | None = None
    thread: ThreadPoolExecutor | None = None


@dataclass
class Bus:
    """A broker and the clients that a test opens; all are closed with the test.

    The clients are `Any`: most of aiokafka's methods have no types.
    """

    bootstrap: str
    session_timeout_ms: int
    clients: AsyncExitStack
    node: Node | None = None

    async def topic(self, partitions: int = 12) -> str:
        """The name of a new topic, once the broker leads its partitions."""
        name = f"conformance-{uuid.uuid4().hex}"
        admin = await self.admin()
        answer = await admin.create_topics([new_topic(name, partitions)])
        assert [code for _, code, _ in answer.topic_errors] == [0]

        async def led() -> bool:
            (about,) = await admin.describe_topics([name])
            return len(about["partitions"]) == partitions and all(p["leader"] >= 0 for p in about["partitions"])

        await self.eventually(led)
        return name

    async def admin(self) -> Any:
        return await self._opened(AIOKafkaAdminClient(bootstrap_servers=self.bootstrap), "close")

    async def coordinated(self, group: str) -> None:
        """Until the group has a coordinator: a fresh Kafka makes its offsets topic at the first request."""
        admin = await self.admin()

        async def found() -> bool:
            try:
                await admin.find_coordinator(group)
            except KafkaError:
                return False
            return True

        await self.eventually(found)

    async def producer(self, **settings: Any) -> Any:
        defaults = {"enable_idempotence": True, "acks": "all"}
        return await self._opened(
            _untyped(AIOKafkaProducer)(bootstrap_servers=self.bootstrap, **(defaults | settings)), "stop"
        )

    async def consumer(self, *topics: str, **settings: Any) -> Any:
        return await self._opened(self.unstarted(*topics, **settings), "stop")

    def unstarted(self, *topics: str, **settings: Any) -> Any:
        defaults = {
            "auto_offset_reset": "earliest",
            "enable_auto_commit": False,
            "session_timeout_ms": self.session_timeout_ms,
            "heartbeat_interval_ms": 100,
            "fetch_max_wait_ms": 100,
        }
        return _untyped(AIOKafkaConsumer)(*topics, bootstrap_servers=self.bootstrap, **(defaults | settings))

    async def connection(self) -> Any:
        """A bare connection, for requests that no client sends by itself."""
        host, _, port = self.bootstrap.partition(":")
        connection = await _untyped(create_conn)(host, int(port))
        self.clients.callback(connection.close)
        return connection

    @asynccontextmanager
    async def member_process(self, topic: str, group: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """A process that joins, prints what it is assigned and what it reads, and never commits."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(MEMBER), self.bootstrap, topic, group, str(self.session_timeout_ms)),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def restart(self, *, crash: bool = False) -> None:
        """End the broker, in order or by kill -9, and start it again on the same port and data."""
        if self.node is None or self.node.server is None:
            pytest.skip("this Kafka is not ours to restart")
        server, in_thread = self.node.server, partial(asyncio.get_running_loop().run_in_executor, self.node.thread)
        await in_thread(server.kill if crash else server.stop)
        await in_thread(server.start)

    async def lag(self, topic: str, group: str) -> dict[int, int]:
        """Records that the group has yet to commit, by partition: the end, less what is committed."""
        # a client for each look: what is asked of the group must not come from a member's memory
        admin, outsider = await self.admin(), await self.consumer()
        (about,) = await admin.describe_topics([topic])
        committed = await admin.list_consumer_group_offsets(group)
        ends = await outsider.end_offsets(self.partitions(topic, len(about["partitions"])))
        return {
            place.partition: end - (committed[place].offset if place in committed else 0)
            for place, end in sorted(ends.items())
        }

    async def lags(self, topic: str, group: str, amounts: set[int]) -> bool:
        """Whether these are the lags of the topic's partitions."""
        return set((await self.lag(topic, group)).values()) == amounts

    @staticmethod
    async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not await holds():
            assert time.monotonic() < deadline, f"not within {seconds} s"
            await asyncio.sleep(0.02)

    @staticmethod
    async def read(consumer: Any, count: int, seconds: float = 20) -> list[Any]:
        """The next `count` records or more, in the order in which they came."""
        records: list[Any] = []
        async with asyncio.timeout(seconds):
            while len(records) < count:
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    records += batch
        return records

    @staticmethod
    def partitions(topic: str, count: int = 12) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for number in range(count)]

    async def _opened(self, client: Any, close: str) -> Any:
        self.clients.push_async_callback(getattr(client, close))
        await client.start()
        return client


def new_topic(name: str, partitions: int, replicas: int = 1) -> Any:
    return _untyped(NewTopic)(name, partitions, replicas)


def _untyped(thing: Any) -> Any:
    return thing
