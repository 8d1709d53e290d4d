"""boto3 against a simulated AWS in this very process: no socket, no thread, no waiting."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import botocore.endpoint
import botocore.parsers
from botocore.credentials import Credentials
from botocore.utils import parse_timestamp

from sandbox.aws.inprocess import Cut, HungUp, WsgiApplication, answered_by
from sandbox.aws.patching import put_in_place
from sandbox.virtual.loop import VirtualLoop
from services._chassis.aws_connection import AwsConnection
from services._chassis.aws_limits import AwsLimits


class InProcessConnection(AwsConnection):
    """The AWS clients of all services; the virtual loop runs each call synchronously."""

    def __init__(
        self,
        region: str,
        app: WsgiApplication,
        now: Callable[[], float] = time.time,
        loop: VirtualLoop | None = None,
    ) -> None:
        """``now``: the time in which credentials end at the simulated AWS. ``loop`` is where slow calls take time."""
        self._send = answered_by(app, VirtualLine(loop, AwsLimits().answer) if loop is not None else None)
        super().__init__(region, find=lambda: Credentials("sandbox", "sandbox"), now=now)

    def _prepare(self, client: Any) -> None:
        client.meta.events.register("before-send", self._send)


@dataclass(frozen=True, slots=True)
class VirtualLine:
    """The connection of a call in this process: its time is the loop's."""

    loop: VirtualLoop
    patience: float
    """Seconds that the caller waits for an answer."""

    def wait(self, seconds: float) -> None:
        self.loop.spend(min(seconds, self.patience))
        if seconds >= self.patience:
            raise HungUp

    def cut(self) -> None:
        raise Cut

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        self.loop.call_later(seconds, act)


@contextmanager
def botocore_in_virtual_time(loop: VirtualLoop) -> Iterator[None]:
    """Let botocore's pauses between two tries of a call take the loop's time, until the end of the ``with``, and have
    it read timestamps in UTC: its own way, by this machine's time zone, takes a tenth of a rehearsal.
    """
    undo = put_in_place(
        {(botocore.endpoint, "time"): _Pauses(loop), (botocore.parsers, "DEFAULT_TIMESTAMP_PARSER"): moment_of}
    )
    try:
        yield
    finally:
        undo()


def moment_of(value: str | float) -> datetime:
    """Return a timestamp of AWS's as a moment in UTC. Raise ``ValueError`` for what is no timestamp."""
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        pass
    if isinstance(value, str) and value.endswith("Z"):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    parsed: datetime = parse_timestamp(value)  # type: ignore[arg-type]  # it takes numbers as well
    return parsed


@dataclass(frozen=True, slots=True)
class _Pauses:
    """The part of the module ``time`` that botocore's endpoints use."""

    loop: VirtualLoop

    def sleep(self, seconds: float) -> None:
        self.loop.spend(seconds)
