"""HTTP/1.1 with deadlines: uvicorn has none for what it receives, and a byte now and then holds it for ever.

Each phase of a connection has a deadline that begins with the phase; no byte moves it on.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from services._chassis.http_connections import Connection, OpenConnections, Phase
from services._chassis.problems import problem_answer


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Real seconds for which each phase of a connection may last at most."""

    headers: float = 10.0
    """From the first byte of a request, or from the connection's beginning, to the end of its headers."""
    body: float = 20.0
    """From the end of the headers to the end of the body: 256 kB at 13 kB a second."""
    unread: float = 30.0
    """For which its caller takes nothing of an answer that waits."""
    closing: float = 2.0
    """From our end of a connection until it is cut off, where the other side does not end it."""


DEADLINES = Deadlines()


class TimedProtocol(H11Protocol):
    """uvicorn's protocol with deadlines, and with its connection's place among the open ones."""

    def __init__(self, *, connections: OpenConnections, deadlines: Deadlines, **given: Any) -> None:
        super().__init__(**given)
        self._connections = connections
        self._connection: Connection | None = None
        self._ended = False
        """Whether its last answer was that it took too long."""
        self._seconds = {
            Phase.HEADERS: deadlines.headers,
            Phase.BODY: deadlines.body,
            Phase.UNREAD: deadlines.unread,
            Phase.CLOSING: deadlines.closing,
        }

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._connection = self._connections.of(transport)
        if self._connection is None:
            transport.abort()
            return
        # its deadline goes on: the headers are due from the moment at which it was accepted
        self._connection.close, self._connection.too_late = transport.abort, self._too_late

    def data_received(self, data: bytes) -> None:
        if not self._ended:
            super().data_received(data)
            self._note()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._note()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._note()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._note()

    def shutdown(self) -> None:
        super().shutdown()
        self._note()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._note()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._connections.forget(self._connection)
        super().connection_lost(exc)

    def _note(self) -> None:
        """Begin the phase in which the connection is by now, unless it is in it already."""
        connection, phase = self._connection, self._phase()
        if connection is not None and phase is not connection.phase:
            self._connections.enter(connection, phase, self._seconds.get(phase))

    def _phase(self) -> Phase:
        if self._ended or self.transport.is_closing():
            return Phase.CLOSING
        if self.flow.write_paused:
            return Phase.UNREAD
        if self.conn.their_state is h11.SEND_BODY:
            return Phase.BODY
        if self.conn.their_state is not h11.IDLE:
            return Phase.WORKING
        begun = self.cycle is None or self.conn.trailing_data[0]
        return Phase.HEADERS if begun else Phase.IDLE

    def _too_late(self) -> None:
        """End the connection: with 408 where there is a caller who has begun to ask for something."""
        phase = self._phase()
        begun = phase is Phase.BODY or (phase is Phase.HEADERS and self.conn.trailing_data[0])
        if begun and self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            self._answer_too_late("body" if phase is Phase.BODY else "headers", self._seconds[phase])
            self._note()
        else:
            self.transport.abort()

    def _answer_too_late(self, what: str, seconds: float) -> None:
        why = f"The {what} of a request may take {seconds:g} seconds."
        answer = problem_answer(408, "The request takes too long", why)
        headers = [*answer.raw_headers, (b"connection", b"close")]
        events = (
            h11.Response(status_code=408, headers=headers, reason=b"Request Timeout"),
            h11.Data(data=bytes(answer.body)),
            h11.EndOfMessage(),
        )
        if self.cycle is not None:
            self.cycle.disconnected = True  # nobody waits for another answer
        for event in events:
            self.transport.write(self.conn.send(event) or b"")
        self._ended = True
        if self.transport.can_write_eof():
            # what is still being sent is read and dropped: a close would answer it by a reset, and the answer be lost
            self.transport.write_eof()
            self.flow.resume_reading()
        else:
            self.transport.close()


def timed(connections: OpenConnections, deadlines: Deadlines) -> Callable[..., asyncio.Protocol]:
    """Return what makes uvicorn's protocols for a server with these connections."""

    def create(**given: Any) -> asyncio.Protocol:
        return TimedProtocol(connections=connections, deadlines=deadlines, **given)

    return create
