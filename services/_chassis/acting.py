"""The job that calls AWS: its name is written into each request, and its lease is checked before it is sent."""

import contextvars
import time
from dataclasses import dataclass
from math import inf
from typing import Any


class LeaseOver(Exception):
    """The job's lease has expired; the request was not sent."""


NOBODY = "-/-/0"
"""Who acts outside any job."""


@dataclass(slots=True)
class Actor:
    """The caller as AWS's own log of calls shows it: ``kind/id/fence`` of a job."""

    name: str = NOBODY
    until: float = inf
    """``time.monotonic()`` at which the right to act ends; a job's heartbeat moves it on."""


acting: contextvars.ContextVar[Actor] = contextvars.ContextVar("acting", default=Actor())  # noqa: B039  never changed
calling: contextvars.ContextVar[str] = contextvars.ContextVar("service", default="-")
"""The service that calls."""


def name_caller(request: Any, **_: object) -> None:
    """Append service and job to the request's User-Agent."""
    agent = request.headers.get("User-Agent", "")
    agent = agent.decode() if isinstance(agent, bytes) else agent
    request.headers["User-Agent"] = f"{agent} surefoot/{calling.get()}/{acting.get().name}"


def check_right(**_: object) -> None:
    """Refuse to send for a job whose lease has run out, a first time or again: another may have it by now.

    So the only effect that a stalled executor can still have is that of a request sent while it held the lease.
    """
    if time.monotonic() > acting.get().until:
        raise LeaseOver("the lease has run out; nothing was sent")
