"""AWS, as every service calls it: boto3 in a sized executor, bounded, saying who calls and by what right.

Timeouts and retries stand in ``AwsLimits`` and nowhere else; retries are botocore's standard mode. boto3's clients
are shared: building one costs about 86 ms.
"""

import asyncio
import contextvars
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any

import boto3
import structlog
from botocore.config import Config

from contracts.base import Target
from services._chassis.tasks import until_over

THREADS = 24
PAGES = 1000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AwsLimits:
    """How long a call may take, in real seconds, and how often it is tried."""

    connect: float = 3
    answer: float = 10
    tries: int = 4


class AwsError(Exception):
    """AWS refused or did not answer, so that nothing is known. The text is one sentence without secrets."""

    def __init__(self, text: str, *, code: str = "", temporary: bool = False) -> None:
        super().__init__(text)
        self.code = code
        """AWS's code (``AccessDeniedException``), or the kind of failure where there was no answer."""
        self.temporary = temporary
        """Another try may help: a time-out, throttling, an outage."""

    @property
    def denied(self) -> bool:
        """Whether AWS knows who asks and does not let them."""
        return "AccessDenied" in self.code or self.code in {"UnauthorizedOperation", "AuthorizationError"}


class LeaseOver(Exception):
    """The job's lease has expired; the request was not sent."""


@dataclass(slots=True)
class Actor:
    """Whoever is at work, for AWS's own log of calls: ``kind/id/fence`` of a job."""

    name: str = "-/-/0"
    until: float = inf
    """``time.monotonic()`` at which the right to act ends; a job's heartbeat moves it on."""


acting: contextvars.ContextVar[Actor] = contextvars.ContextVar("acting", default=Actor())  # noqa: B039  never changed


class AwsConnection:
    """The clients and threads of one process."""

    def __init__(self, region: str, limits: AwsLimits = AwsLimits()) -> None:
        self._session: Any = boto3.Session(region_name=region)
        self._config = Config(
            connect_timeout=limits.connect,
            read_timeout=limits.answer,
            retries={"mode": "standard", "total_max_attempts": limits.tries},
            max_pool_connections=THREADS,
            # one host name for all buckets: works with AWS and with an endpoint that is no wildcard domain
            s3={"addressing_style": "path"},
        )
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="aws")

    def client(self, service: str) -> Any:
        """Return the shared client. Call it in ``threads`` only: building one loads a model from disk."""
        with self._lock:
            if service not in self._clients:
                client = self._session.client(service, config=self._config)
                client.meta.events.register("request-created", _say_who)
                client.meta.events.register("before-send", _check_right)
                self._clients[service] = client
            return self._clients[service]

    def close(self) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)


_service: contextvars.ContextVar[str] = contextvars.ContextVar("service", default="-")


def _say_who(request: Any, **_: object) -> None:
    agent = request.headers.get("User-Agent", "")
    agent = agent.decode() if isinstance(agent, bytes) else agent
    request.headers["User-Agent"] = f"{agent} surefoot/{_service.get()}/{acting.get().name}"


def _check_right(**_: object) -> None:
    """Refuse to send for a job whose lease has run out, a first time or again: another may have it by now.

    So what a stalled executor can still do to AWS is the one request that left it while it held the lease.
    """
    if time.monotonic() > acting.get().until:
        raise LeaseOver("the lease has run out; nothing was sent")


class Aws:
    """AWS as one service sees it. ``ClientError`` passes through; adapters say what it means."""

    def __init__(self, connection: AwsConnection, service: str) -> None:
        self._connection = connection
        self._service = service

    def at(self, target: Target) -> "Aws":
        """Return AWS where ``target`` is: the one connection that there is, whatever its account and region."""
        del target
        return self

    async def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Call ``operation`` (boto3's method name) of ``service`` and return its answer."""
        answer: dict[str, Any] = await self._in_thread(partial(self._call, service, operation, parameters))
        return answer

    async def pages(self, service: str, operation: str, key: str, /, **parameters: Any) -> list[Any]:
        """Return ``key`` of all pages, at most ``PAGES`` of them."""
        found: list[Any] = await self._in_thread(partial(self._pages, service, operation, key, parameters))
        return found

    async def _in_thread(self, work: Any) -> Any:
        context = contextvars.copy_context()
        context.run(_service.set, self._service)
        loop = asyncio.get_running_loop()
        call = loop.run_in_executor(self._connection.threads, context.run, work)
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            # a call that was begun may take effect: nobody else should act before it is over
            log.info("waiting for a call of AWS that was begun")
            await until_over(call)
            raise

    def _call(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self._connection.client(service), operation)(**parameters)
        return answer

    def _pages(self, service: str, operation: str, key: str, parameters: dict[str, Any]) -> list[Any]:
        client = self._connection.client(service)
        found: list[Any] = []
        if client.can_paginate(operation):
            for count, page in enumerate(client.get_paginator(operation).paginate(**parameters)):
                found += page.get(key, [])
                if count >= PAGES:
                    break
            return found
        for _ in range(PAGES):
            page = getattr(client, operation)(**parameters)
            found += page.get(key, [])
            token = page.get("nextToken") or page.get("NextToken")
            if not token:
                break
            parameters = {**parameters, ("nextToken" if "nextToken" in page else "NextToken"): token}
        return found
