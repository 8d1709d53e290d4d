"""Stands between a client and Redis: it forwards a command, and drops the answer with the connection."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class LossyProxy:
    """Drops the answer to the next command that contains ``drops``, and to no other."""

    port: int = 0
    drops: bytes = b""
    dropped: list[bytes] = field(default_factory=list)


@contextlib.asynccontextmanager
async def lossy_proxy(port: int, tls: Any = None) -> AsyncIterator[LossyProxy]:
    """Yield a proxy before the Redis at ``port`` of this machine; with ``tls`` it speaks TLS to its clients."""
    proxy = LossyProxy()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_redis, to_redis = await asyncio.open_connection("127.0.0.1", port)
        swallowing = False

        async def answers() -> None:
            while (data := await from_redis.read(65_536)) and not swallowing:
                writer.write(data)
                await writer.drain()
            writer.close()

        back = asyncio.create_task(answers())
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while data := await reader.read(65_536):
                if proxy.drops and proxy.drops in data:
                    proxy.dropped.append(proxy.drops)
                    proxy.drops, swallowing = b"", True
                to_redis.write(data)
                await to_redis.drain()
        to_redis.close()
        with contextlib.suppress(ConnectionError):
            await back

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
