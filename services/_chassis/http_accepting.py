"""Accepts the connections of an HTTP server, no faster than the process can bear beside its work.

asyncio would accept all that wait before it does anything else, and without a limit of their rate. Those that come
faster wait in the kernel, whose queue is short: a client tries again for seconds before it gives up.
"""

import asyncio
import socket
import time
from collections.abc import Callable

import structlog
from uvicorn import Config

from services._chassis.http_connections import Listening

ACCEPTED_A_SECOND = 100.0
"""Connections that are accepted in a second; callers behind a front door share its connections."""
ACCEPTED_AT_ONCE = 100
"""How many are accepted at once after a pause."""
PAUSE_SECONDS = 0.1
"""Real seconds after which a server that has accepted too many, or has no descriptor left, goes on."""

log = structlog.get_logger()


class Accepting:
    """Accepts for one listening socket, in the place of asyncio's server, whose close ends it."""

    def __init__(
        self,
        listening: Listening,
        create_protocol: Callable[[], asyncio.Protocol],
        config: Config,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listening = listening
        self._create_protocol = create_protocol
        self._config = config
        self._now = now
        self._left = float(ACCEPTED_AT_ONCE)
        self._counted_at = now()
        self._beginning: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Accept whenever a connection waits; call it again to go on after a pause."""
        if self._listening.fileno() >= 0:
            asyncio.get_running_loop().add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        now = self._now()
        self._left = min(ACCEPTED_AT_ONCE, self._left + (now - self._counted_at) * ACCEPTED_A_SECOND)
        self._counted_at = now
        if self._left < 1:
            self._pause()
            return
        self._left -= 1
        try:
            accepted, _ = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # it has gone again, or was not let in
        except OSError as error:
            log.warning("no connection can be accepted", why=error.strerror)
            self._pause()
            return
        accepted.setblocking(False)
        beginning = asyncio.create_task(self._connect(accepted))
        self._beginning.add(beginning)
        beginning.add_done_callback(self._beginning.discard)

    def _pause(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listening)
        loop.call_later(PAUSE_SECONDS, self.begin)

    async def _connect(self, accepted: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._create_protocol,
                accepted,
                ssl=self._config.ssl,
                # the connection's own deadlines end both earlier
                ssl_handshake_timeout=60 if self._config.ssl else None,
            )
        except OSError as error:  # those of TLS included
            log.debug("a connection did not come about", why=type(error).__name__)
            accepted.close()
