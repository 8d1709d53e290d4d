"""A TCP proxy on loopback that behaves as bad networks do: it holds, delays and resets connections."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable

from sandbox.child import HOST

_CHUNK = 64 * 1024
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: close() sends RST


class Proxy:
    """Passes connections on to ``upstream_port``. Every method may be called from any thread.

    It runs in a thread of its own, and ends with ``stop`` or with the process.
    """

    def __init__(self, upstream_port: int, port: int = 0) -> None:
        self.port = port
        """The port on which it listens; 0 until ``start`` has chosen a free one."""
        self._upstream_port = upstream_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._passing = asyncio.Event()
        self._passing.set()
        self._delay = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def start(self) -> int:
        """Listen, and return the port. Raise ``OSError`` when it is taken."""
        self._thread.start()
        return asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def stop(self) -> None:
        """Close everything."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop.close()

    def hold(self) -> None:
        """Let nothing pass from now on: connections stay open, and new ones are accepted, half-open."""
        self._call(self._passing.clear)

    def release(self) -> None:
        """Let everything pass again, including what was held."""
        self._call(self._passing.set)

    def delay(self, seconds: float) -> None:
        """Let each chunk take ``seconds`` longer, in each direction."""
        self._delay = seconds

    def reset(self) -> None:
        """End every connection with RST."""
        self._call(self._reset)

    def _call(self, do: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(do)

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._accept, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def _close(self) -> None:
        if self._server:
            self._server.close()
        self._reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _reset(self) -> None:
        for writer in self._writers:
            line: socket.socket | None = writer.get_extra_info("socket")
            if line is not None:
                with contextlib.suppress(OSError):  # it is closed already
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._connect(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        upstream = None
        try:
            await self._passing.wait()
            there, upstream = await asyncio.open_connection(HOST, self._upstream_port)
            self._writers.add(upstream)
            both = [asyncio.create_task(self._pump(reader, upstream)), asyncio.create_task(self._pump(there, writer))]
            try:
                await asyncio.wait(both)
            finally:
                for task in both:
                    task.cancel()
        except OSError:
            writer.transport.abort()  # nothing listens upstream, as the client would have found without the proxy
        finally:
            for end in (writer, upstream):
                if end is not None:
                    self._writers.discard(end)
                    end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                await self._passing.wait()
                if self._delay:
                    await asyncio.sleep(self._delay)
                writer.write(chunk)
                await writer.drain()
        writer.close()
