"""The open connections of an HTTP server: how many there may be, and which one goes when another wants to come in.

A connection costs a descriptor from the moment at which it is accepted, before TLS and before its first byte. So they
are counted where they are accepted, and each has a deadline from then on; ``http_protocol.py`` moves it on.
"""

import asyncio
import resource
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

MOST_OPEN = 512
"""Open connections of one process; fewer where it may have few descriptors (``most_open``)."""
MOST_WAITING = 100
"""How many connections wait in the kernel until they are accepted."""
SHARE_OF_DESCRIPTORS = 0.5
"""The share of the process's descriptors that HTTP may take; the rest is for AWS, Redis and Kafka."""


class Phase(IntEnum):
    """What a connection does. The lower ones go first when room is needed; from ``WORKING`` on none goes."""

    HEADERS = 0
    """Nothing was received yet, or not all of the headers; the TLS handshake included."""
    BODY = 1
    UNREAD = 2
    """Its caller does not read the answer."""
    CLOSING = 3
    IDLE = 4
    """It waits for its next request."""
    WORKING = 5


@dataclass(eq=False)
class Connection:
    """One open connection."""

    number: int
    address: str
    """The address of the other end, a proxy's included."""
    close: Callable[[], None]
    """Ends it at once."""
    phase: Phase = Phase.HEADERS
    since: int = 0
    """A number that grows with each change of phase of any connection."""
    too_late: Callable[[], None] | None = None
    """Called at the deadline; None: it is closed."""
    deadline: asyncio.TimerHandle | None = None

    def expire(self) -> None:
        (self.too_late or self.close)()


def most_open() -> int:
    """Return how many connections may be open, by the limit of descriptors that the process has."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return MOST_OPEN
    return max(1, min(MOST_OPEN, int(descriptors * SHARE_OF_DESCRIPTORS)))


def first_to_go(connections: Iterable[Connection]) -> Connection | None:
    """Return the connection that is closed for a new one; None where all are at work.

    It is of the address that has most of those that can go, so that who floods closes its own; of these the one in the
    lowest phase, for the longest time.
    """
    idle = [connection for connection in connections if connection.phase < Phase.WORKING]
    if not idle:
        return None
    crowd, _ = Counter(connection.address for connection in idle).most_common(1)[0]
    return min(
        (connection for connection in idle if connection.address == crowd),
        key=lambda connection: (connection.phase, connection.since),
    )


@dataclass
class OpenConnections:
    """The open connections of one server."""

    most: int = field(default_factory=most_open)
    header_seconds: float = 10.0
    """Real seconds for the handshake and the headers of the first request."""
    closed_early: int = 0
    """How many were closed for others, or not let in."""

    def __post_init__(self) -> None:
        self._open: dict[int, Connection] = {}
        self._changes = 0

    def __len__(self) -> int:
        return len(self._open)

    @property
    def all(self) -> tuple[Connection, ...]:
        return tuple(self._open.values())

    def of(self, transport: asyncio.BaseTransport) -> Connection | None:
        """Return the connection of a transport; None where it has been closed already."""
        return self._open.get(transport.get_extra_info("socket").fileno())

    def admit(self, accepted: "Accepted", address: Any) -> bool:
        """Let a connection in, and close another one for it where there is no room. Return whether it came in."""
        if len(self._open) >= self.most:
            self.closed_early += 1
            goes = first_to_go(self._open.values())
            if goes is None:
                return False
            self.forget(goes)
            goes.close()
        number = accepted.fileno()
        connection = Connection(number, str(address[0]), close=lambda: _shut(accepted))
        self._open[number] = connection
        self.enter(connection, Phase.HEADERS, self.header_seconds)
        accepted.when_closed = lambda: self.forget(connection)
        return True

    def enter(self, connection: Connection, phase: Phase, seconds: float | None) -> None:
        """Begin a phase that may last for so many real seconds; None: without a deadline."""
        self._changes += 1
        connection.phase, connection.since = phase, self._changes
        if connection.deadline is not None:
            connection.deadline.cancel()
            connection.deadline = None
        if seconds is not None:
            connection.deadline = asyncio.get_running_loop().call_later(seconds, connection.expire)

    def forget(self, connection: Connection) -> None:
        if connection.deadline is not None:
            connection.deadline.cancel()
        if self._open.get(connection.number) is connection:
            del self._open[connection.number]


class Accepted(socket.socket):
    """An accepted connection that says when its descriptor is free again."""

    when_closed: Callable[[], None] | None = None

    def close(self) -> None:
        if self.when_closed is not None:
            self.when_closed()
        super().close()


class Listening(socket.socket):
    """A listening socket that lets in as many as there is room for."""

    connections: OpenConnections

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection. Raise ``ConnectionAbortedError`` where it was not let in, which asyncio expects."""
        plain, address = super().accept()
        accepted = Accepted(plain.family, plain.type, plain.proto, plain.detach())
        if not self.connections.admit(accepted, address):
            accepted.close()
            raise ConnectionAbortedError("there is no room for another connection")
        return accepted, address


def listen(host: str, port: int, connections: OpenConnections | None = None) -> Listening:
    """Bind. Raise ``OSError`` when the port is taken."""
    listening = Listening(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.connections = OpenConnections() if connections is None else connections
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)
    listening.listen(MOST_WAITING)
    return listening


def _shut(accepted: socket.socket) -> None:
    """End a connection that asyncio may have: it closes the socket once it has seen the end."""
    try:
        accepted.shutdown(socket.SHUT_RDWR)
    except OSError:
        accepted.close()
