"""The dev broker itself: the socket, the connections, the clock."""

import asyncio
import fcntl
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from sandbox.kafka import group_requests, topic_requests, wire
from sandbox.kafka.catalogue import Catalogue
from sandbox.kafka.node import Caller, Limits, Node
from sandbox.kafka.offsets import Offsets

_log = logging.getLogger(__name__)

_IDLE_SECONDS = 600  # Kafka's connections.max.idle.ms
_WRITE_SECONDS = 30  # a client that does not read its answers is let go
_TICK_SECONDS = 0.05

_Handler = Callable[[Node, Any, Caller], Awaitable[tuple[Any, ...]]]

_HANDLERS: dict[int, _Handler] = {
    0: topic_requests.produce,
    1: topic_requests.fetch,
    2: topic_requests.list_offsets,
    3: topic_requests.metadata,
    8: group_requests.offset_commit,
    9: group_requests.offset_fetch,
    10: group_requests.find_coordinator,
    11: group_requests.join_group,
    12: group_requests.heartbeat,
    13: group_requests.leave_group,
    14: group_requests.sync_group,
    15: group_requests.describe_groups,
    16: group_requests.list_groups,
    18: topic_requests.api_versions,
    19: topic_requests.create_topics,
    20: topic_requests.delete_topics,
    22: topic_requests.init_producer_id,
}
_PRODUCE = 0


class DirectoryInUse(Exception):
    """Another broker holds the data directory."""


class DevBroker:
    """One node, a subset of Kafka's protocol, for laptops and tests; the package's docstring says which."""

    _node: Node

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._held = ExitStack()

    async def start(
        self, host: str, port: int, data_directory: Path, partitions: int = 12, *, advertise: int = 0
    ) -> int:
        """Listens and returns the port, which is chosen when `port` is 0. `partitions` is for topics whose
        creator names no number; `advertise` is the port that clients get, where a proxy stands before the broker.

        Raises OSError when the address is taken, and DirectoryInUse.
        """
        with ExitStack() as opening:
            opening.enter_context(_locked(data_directory))
            catalogue, offsets = Catalogue(data_directory, partitions), Offsets(data_directory)
            server = await asyncio.start_server(self._accept, host, port, start_serving=False)
            port = server.sockets[0].getsockname()[1]
            self._held = opening.pop_all()
        self._node = Node(host, advertise or port, self._limits, catalogue, offsets)
        self._server = server
        self._ticker = asyncio.create_task(self._tick())
        await server.start_serving()
        return port

    async def stop(self) -> None:
        """Closes every connection; what was acknowledged is on disk already."""
        if self._server is None or self._ticker is None:
            return
        self._server.close()
        tasks = [self._ticker, *self._connections]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._held.close()
        self._server = self._ticker = None

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            for group in self._node.groups.values():
                try:
                    group.tick(time.monotonic())
                except Exception:  # noqa: BLE001  one group's fault must not keep the others' sessions alive
                    _log.exception("The group %s could not be looked after.", group.name)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_converse(self._node, reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)


async def _converse(node: Node, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await _serve(node, reader, writer)
    except wire.MalformedRequest as malformed:
        _log.warning("A connection was closed: %s.", malformed)
    except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
        pass  # the client has gone, or was silent for too long
    except Exception:  # noqa: BLE001  the rim: one connection's fault must not be silent nor stop the others
        _log.exception("A connection was closed because of a fault in the broker.")
    finally:
        writer.close()


async def _serve(node: Node, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serves one request after the other, as Kafka does: answers keep the order of their requests."""
    host = f"/{writer.get_extra_info('peername')[0]}"
    while True:
        async with asyncio.timeout(_IDLE_SECONDS):
            request = await wire.read_request(reader)
        if isinstance(request, wire.Unsupported):
            writer.write(wire.encode_unsupported(request))
        else:
            fields = await _HANDLERS[request.api_key](node, request.body, Caller(request.client_id, host))
            if request.api_key == _PRODUCE and request.body.required_acks == 0:
                continue
            writer.write(wire.encode(request, fields))
        async with asyncio.timeout(_WRITE_SECONDS):
            await writer.drain()


def _locked(directory: Path) -> IO[bytes]:
    """Locks the directory until the file is closed; the kernel releases the lock if the process dies."""
    directory.mkdir(parents=True, exist_ok=True)
    file = (directory / "lock").open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise DirectoryInUse(f"Another broker uses {directory}.") from None
    return file
