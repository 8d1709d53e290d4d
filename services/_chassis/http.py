"""The HTTP side of a process: FastAPI under ``/api/v1``, problem+json for errors, and the probes."""

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from functools import partial
from typing import Any, cast

import structlog
import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from redis.exceptions import OutOfMemoryError, RedisError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.prose import each_text, prose
from contracts.state import NewerState
from services._chassis import explanations
from services._chassis.access.guard import Access, Guard, Hardened
from services._chassis.access.permit import ASKING, Asking
from services._chassis.access.refusals import Refused
from services._chassis.admission import PROBES, Admission, AtOnce, InLane, Rated
from services._chassis.aws import AwsError
from services._chassis.bodies import MOST_HEADER_BYTES, Bounded
from services._chassis.documents import add_documents
from services._chassis.http_accepting import Accepting
from services._chassis.http_connections import MOST_WAITING, Listening, OpenConnections
from services._chassis.http_protocol import DEADLINES, Deadlines, timed
from services._chassis.problems import PROBLEMS, problem_answer, try_again
from services._chassis.read_budget import BudgetSpent
from services._chassis.readiness import FULL, Readiness, without_fault
from services._chassis.shared_reads import SharedReads
from services._chassis.transition import Busy

PREFIX = "/api/v1"
KEEP_ALIVE_SECONDS = 75
"""Longer than a load balancer in front keeps an idle connection (60 s, AWS's default; 30 s, deploy/front-door), which
would otherwise send a request over one that has just ended, and answer 502."""
GRACE_SECONDS = 3
"""Real seconds in which open requests may end by themselves when the process stops; then they are cancelled."""

log = structlog.get_logger()


class Problem(Exception):
    """An HTTP error as a problem of RFC 9457: a status, a title, and a sentence that says what to do."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail


def create_http(
    missing: Callable[[], Awaitable[dict[str, str]]],
    readiness: Readiness | None = None,
    started: Callable[[], bool] = lambda: True,
    admission: Admission | None = None,
    access: Access | None = None,
) -> FastAPI:
    """Return the application with its probes.

    ``missing`` returns what the process still lacks, and why; empty when it is ready. Until the routes are there
    (``started``), every path but the probes answers 503. ``admission``: how often, and how many at a time, callers may
    ask. ``access``: who may ask; by default this machine alone.
    """
    http = FastAPI(title="Surefoot", docs_url=None, redoc_url=None, openapi_url=None, responses=PROBLEMS)
    process, admission, access = readiness or Readiness(), admission or Admission(), access or Access()
    looks = SharedReads[dict[str, str]]("looks", most=1)  # a probe asks Redis and Kafka
    http.add_middleware(AtOnce, admission=admission)
    http.add_middleware(Bounded)
    http.add_middleware(Rated, admission=admission)
    http.add_middleware(Guard, access=access)
    http.add_middleware(UntilStarted, started=started)
    http.add_middleware(InLane, admission=admission)
    http.add_middleware(UntilStopped)
    http.add_middleware(Hardened)
    add_documents(http, PREFIX)

    @http.get("/livez", include_in_schema=False)
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @http.get("/readyz", include_in_schema=False)
    async def readyz(request: Request) -> Response:
        lacks = await looks.read("missing", missing)
        found: dict[str, Any] = {"ready": not lacks, "access": await access.facts()}
        # a stranger learns no more than whether to come again
        found |= _details(process, lacks, access.faults(), request.scope.get(ASKING))
        return JSONResponse(each_text(found, prose), 503 if lacks else 200)

    _answer_errors_with_problems(http)
    _answer_what_is_in_the_way(http, process)
    return http


def _answer_what_is_in_the_way(http: FastAPI, process: Readiness) -> None:
    """Answer what hinders Surefoot itself: Redis, AWS, state of a newer version, and its own faults."""

    @http.exception_handler(RedisError)
    async def away(_: Request, error: RedisError) -> Response:
        log.warning("a request found no Redis", why=type(error).__name__)
        return try_again("Redis cannot be reached, or was just started anew.")

    @http.exception_handler(OutOfMemoryError)
    async def full(_: Request, __: OutOfMemoryError) -> Response:
        process.degrade("redis-full", FULL, 60)
        return try_again(FULL)

    @http.exception_handler(AwsError)
    async def unanswered(_: Request, error: AwsError) -> Response:
        if error.code == BudgetSpent.__name__:
            return try_again(_sentence(error))
        return problem_answer(502, "AWS denied access" if error.denied else "AWS did not answer", _sentence(error))

    @http.exception_handler(Busy)
    async def busy(_: Request, error: Busy) -> Response:
        return try_again(_sentence(error))

    @http.exception_handler(NewerState)
    async def newer(request: Request, error: NewerState) -> Response:
        process.newer_state("HTTP", f"a request to {request.url.path}", error)
        return try_again(f"The state of a newer version is left to a newer replica ({error}).")

    @http.exception_handler(Exception)
    async def fault(_: Request, error: Exception) -> Response:
        log.error("a request failed", error=type(error).__name__)  # uvicorn logs the traceback
        return problem_answer(500, "A fault of Surefoot", "It is no fault of the request; the log has it in full.")


def _details(process: Readiness, lacks: dict[str, str], faults: list[str], asking: Asking | None) -> dict[str, Any]:
    if asking is None or not asking.has_role:
        return {}
    whole = asking.sees(None)
    facts = {name: fact() for name, fact in process.facts.items()}
    if not whole and "policy" in facts:
        facts["policy"] = without_fault(facts["policy"])
    return {"missing": lacks, "degraded": [*process.degraded_for(whole=whole), *faults], **facts}


def _answer_errors_with_problems(http: FastAPI) -> None:
    """Answer all errors with problems (RFC 9457), the framework's own included."""

    @http.exception_handler(Refused)
    async def not_permitted(_: Request, refusal: Refused) -> Response:
        return refusal.response()

    @http.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> Response:
        return problem_answer(error.status, error.title, error.detail)

    @http.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        wrong = explanations.wrong_fields(error.errors())
        detail = f"{explanations.sentence(wrong)}."
        return problem_answer(422, "The request does not fit", detail, errors=[asdict(field) for field in wrong])

    @http.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            routes = (f"{method} {path}" for path, methods in _routes(http) for method in sorted(methods))
            problem = problem_answer(404, "No such path", explanations.unknown_path(request.url.path, PREFIX, routes))
        elif error.status_code == 405:
            allowed = ", ".join(sorted(_methods(http, request.url.path)))
            problem = problem_answer(405, "Not in this way", explanations.wrong_method(allowed, PREFIX))
            problem.headers["Allow"] = allowed
        else:
            problem = problem_answer(error.status_code, "The request cannot be answered", str(error.detail))
        return problem


def _routes(http: FastAPI) -> Iterator[tuple[str, set[str]]]:
    """Yield the paths of the API, each with its methods."""
    for path, verbs in http.openapi()["paths"].items():
        yield path, {verb.upper() for verb in verbs}


def _methods(http: FastAPI, asked: str) -> set[str]:
    """Return the methods that the requested path takes."""
    templates = ((re.sub(r"{[^}]+}", "[^/]+", path), methods) for path, methods in _routes(http))
    return {method for path, methods in templates if re.fullmatch(path, asked) for method in methods}


class UntilStarted:
    """Answers 503 until the routes are there; a 404 would wrongly say that the path does not exist."""

    def __init__(self, app: ASGIApp, started: Callable[[], bool]) -> None:
        self._app = app
        self._started = started

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in PROBES and not self._started():
            await try_again("Surefoot has not started yet: /readyz says what it waits for.")(scope, receive, send)
            return
        await self._app(scope, receive, send)


class UntilStopped:
    """Ends a request that a stop cancels: by 503 where it has no answer yet; a stream ends where it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except asyncio.CancelledError:
            if begun:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                await try_again("Surefoot stops; another replica, or its next start, answers.")(scope, receive, send)


def _sentence(error: Exception) -> str:
    text = str(error).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


class HttpServer(uvicorn.Server):
    """uvicorn in the process's own event loop; signals are the process's affair."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        create_protocol = partial(
            self.config.http_protocol_class,
            config=self.config,  # type: ignore[call-arg]  # of uvicorn's protocols
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        for listening in sockets or ():
            Accepting(cast("Listening", listening), create_protocol, self.config).begin()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def create_server(
    http: FastAPI,
    connections: OpenConnections,
    deadlines: Deadlines = DEADLINES,
    tls: ssl.SSLContext | None = None,
) -> HttpServer:
    """Return a server of a listening socket's connections that logs errors only; ``end_http`` ends it.

    ``tls``: the context with which it is served; None: without TLS.
    """
    config = uvicorn.Config(
        http,
        http=cast("type[asyncio.Protocol]", timed(connections, deadlines)),
        # a connection that becomes a web socket would leave its deadlines behind
        ws="none",
        backlog=MOST_WAITING,
        h11_max_incomplete_event_size=MOST_HEADER_BYTES,
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=False,  # what a caller writes about its address is no fact (callers.py)
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    config.load()
    config.ssl = tls  # uvicorn itself reads the files once
    return HttpServer(config)


async def end_http(server: HttpServer, serving: asyncio.Task[None]) -> int:
    """End the server; return how many requests even their cancellation does not end: a call of AWS is waited for.

    It takes at most ``GRACE_SECONDS`` and two more, however many streams and requests are open.
    """
    server.should_exit = True
    await asyncio.wait({serving}, timeout=GRACE_SECONDS + 1)
    requests = set(server.server_state.tasks)
    if requests:
        await asyncio.wait(requests, timeout=1)
    return sum(not request.done() for request in requests)
