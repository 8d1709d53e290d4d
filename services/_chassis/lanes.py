"""Lanes: work in one never waits for a thread or a connection that work in another has.

What HTTP requests read is in a lane of its own, and what people ask for who bring a service back is in another, so
that neither collection nor a rollback waits for whoever asks too much. The lane follows the request through all that is
done for it, as a variable of its context; what names a lane itself (``Aws.apart``) stays there.
"""

from collections.abc import Mapping
from contextvars import ContextVar

WORK = ""
"""The lane of handlers, jobs and timers."""
REQUESTS = "requests"
"""The lane of HTTP requests."""
BY_HAND = "by hand"
"""The lane of the HTTP requests by which people bring a service back."""
ENTERING = "entering"
"""The lane of STS's calls, which have shorter limits of their own, since they are soon made again."""
AUDIT = "audit"
"""The lane of what is written to the audit's bucket, of all services of a process."""

THREADS: Mapping[str, int] = {WORK: 24, REQUESTS: 8, BY_HAND: 8, AUDIT: 2}
"""Lane → threads for calls of AWS. Few for requests: their answers are parsed in the same interpreter."""
MOST_THREADS = 24
"""Threads of any other lane."""
REDIS_CONNECTIONS: Mapping[str, int] = {WORK: 200, REQUESTS: 32, BY_HAND: 16}
"""Lane → connections to Redis, at most."""

lane: ContextVar[str] = ContextVar("lane", default=WORK)
"""The lane of what is being done."""


def threads_of(name: str) -> int:
    """Return how many threads a lane has."""
    return THREADS.get(name, MOST_THREADS)
