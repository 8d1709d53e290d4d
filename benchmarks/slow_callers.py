"""``python -m benchmarks.slow_callers``: slow, silent and wrong callers, until SIGTERM; then their tally."""

import argparse
import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
PAUSE_SECONDS = 0.1
"""Real seconds for which a slow client pauses in the middle of its headers, and before it reads the answer."""
AGAIN_SECONDS = 0.05
"""Real seconds after which a connection that was closed is opened again."""


@dataclass
class Callers:
    """Calls one path of one server in many ways, and counts what comes of it."""

    port: int
    path: str
    tally: Counter[str] = field(default_factory=Counter)

    async def half_open(self) -> None:
        """Hold a connection on which nothing is ever sent; when it is closed, open another one."""
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection(HOST, self.port)
                self.tally["half-open"] += 1
                await reader.read()
                writer.close()
            await asyncio.sleep(AGAIN_SECONDS)

    async def slow_client(self) -> None:
        """Ask again and again, slowly, whatever the answer says about when to come again."""
        while True:
            await self._ask("", PAUSE_SECONDS)

    async def wrong_credentials(self, a_second: float) -> None:
        """Send so many wrong keys a second, one after another on a connection of its own."""
        number = 0
        while True:
            begun, number = time.monotonic(), number + 1
            await self._ask(f"Authorization: Bearer sfk_{number:010d}_{number:038d}\r\n", 0)
            await asyncio.sleep(max(0.0, begun + 1 / a_second - time.monotonic()))

    async def _ask(self, header: str, pause: float) -> None:
        try:
            reader, writer = await asyncio.open_connection(HOST, self.port)
            try:
                writer.write(f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode())
                await asyncio.sleep(pause)
                writer.write(f"{header}Connection: close\r\n\r\n".encode())
                await asyncio.sleep(pause)
                answer = await reader.read()
            finally:
                writer.close()
            self.tally[answer[9:12].decode() or "closed"] += 1
        except OSError:
            self.tally["closed"] += 1
            await asyncio.sleep(AGAIN_SECONDS)


async def _call(given: argparse.Namespace) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    callers = Callers(given.port, given.path)
    calls: list[Coroutine[Any, Any, None]] = [callers.half_open() for _ in range(given.half_open)]
    calls += [callers.slow_client() for _ in range(given.clients)]
    calls += [callers.wrong_credentials(given.wrong / given.beside) for _ in range(given.beside if given.wrong else 0)]
    tasks = [asyncio.create_task(call) for call in calls]
    begun = time.monotonic()
    await over.wait()
    tally = {"seconds": time.monotonic() - begun, **callers.tally}
    given.tally.write_text(json.dumps(tally))
    for task in tasks:
        task.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slow_callers", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--half-open", type=int, default=0)
    parser.add_argument("--clients", type=int, default=0)
    parser.add_argument("--wrong", type=float, default=0, help="wrong credentials a second")
    parser.add_argument("--beside", type=int, default=100, help="connections that send them")
    parser.add_argument("--tally", type=Path, required=True)
    asyncio.run(_call(parser.parse_args()))


if __name__ == "__main__":
    main()
