"""Fuzzing of every contract, every handler and every route: no crash, no state that cannot be read, no 5xx of ours."""

import asyncio
import json
import os
from collections.abc import Callable, Coroutine
from functools import cache
from math import inf
from typing import Any
from urllib.parse import unquote

import pytest
import stamina
import structlog
from aiokafka.structs import ConsumerRecord
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.catalogue import CATALOGUE, Entry, read_by
from contracts.dead_letter import DeadLettered
from contracts.envelope import InvalidMessage, from_message
from contracts.publish import examples_of
from contracts.state import DamagedState
from contracts.topics import SERVICES, Party
from services._chassis.admission import Admission
from services._chassis.assembly import create_service, load_settings
from services._chassis.aws import S3Object
from services._chassis.catch_up import CatchUp
from services._chassis.config_file import ConfigWatch
from services._chassis.consumer import Consumer
from services._chassis.http import PREFIX, create_http
from services._chassis.policy import router as policy_router
from services._chassis.service import Platform, Service
from services._chassis.store import RedisStore
from services._chassis.transition import Decision
from tests.chassis.fake_consumer import FakeConsumer
from tests.kit import FakeClock, ScriptedAws, memory_store, published, refusal, without_file
from tests.properties.profiles import PROFILE
from tests.security.fuzzing import mutated, requests
from tests.security.test_bounds import headers

NOW = 1_767_614_400.0
"""2026-01-05T12:00:00Z, the time of the published examples."""
SERVICE = {"status": "ACTIVE", "serviceName": "api", "desiredCount": 1, "runningCount": 1}
QUICK = settings(PROFILE, max_examples=15, derandomize=True)
EXAMPLES_FOR_LONG = int(os.environ.get("FUZZ_EXAMPLES", "200"))
"""``FUZZ_EXAMPLES=2000 pytest -m slow tests/security/test_fuzz.py`` looks for more, each time for others."""
LONG = settings(PROFILE, max_examples=EXAMPLES_FOR_LONG, derandomize="FUZZ_EXAMPLES" not in os.environ)
LATEST = 2**33
"""Epoch seconds in the year 2242: behind every time that a message may name (``contracts.base.Time``)."""
EXAMPLES = [(entry, example) for entry in CATALOGUE for example in examples_of(entry.type)]


class DenyingAws(ScriptedAws):
    """The service is there; everything else is denied."""

    async def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        if operation == "describe_services":
            return {"services": [SERVICE | {"serviceName": parameters["services"][0]}], "failures": []}
        raise refusal("AccessDeniedException")

    async def object(self, most_bytes: int, /, **parameters: Any) -> S3Object:
        raise refusal("AccessDeniedException")


class Installation:
    """One service with its consumer and its timers, on a Redis in memory. A damaged state is an error."""

    def __init__(self, party: Party) -> None:
        self.clock = FakeClock(NOW)
        self.store: RedisStore = memory_store(party, self.clock)
        self.store.replace_damaged = damaged
        configured = load_settings(
            party, aws_account="123456789012", aws_region="us-west-2", backup_bucket="snapshots", _env_file=None
        )
        self.service: Service = create_service(party, configured, Platform(self.store, self.clock, DenyingAws()))
        progress = CatchUp(self.store)
        progress.consumer = lambda: FakeConsumer()  # noqa: PLW0108  a new one each time
        self.consumer = Consumer(self.service, self.store, progress)
        self.offset = 0

    async def take(self, entry: Entry, value: bytes, **attributes: str) -> None:
        self.offset += 1
        given_headers = tuple(headers(entry.type, **{"ce_id": str(self.offset), **attributes}))
        key = b"123456789012/us-west-2/c/s"
        record = ConsumerRecord(entry.topic.name, 0, self.offset, 0, 0, key, value, None, 0, 0, given_headers)
        await self.consumer.consume(record)

    async def check_timers(self) -> None:
        timers = self.store.redis, self.store.key("timers")
        for _, due in await timers[0].zrangebyscore(timers[1], "-inf", inf, start=0, num=50, withscores=True):
            assert due < LATEST, "no timer is set for a time that never comes"

    def crashes(self) -> list[str]:
        letters = [found.event for found in published(self.store) if isinstance(found.event, DeadLettered)]
        return [f"{letter.detail}: {letter.value!r}" for letter in letters if letter.reason == "failed"]


@cache
def installation_of(party: Party) -> Installation:
    """Return the one of its service, since its clients take long to make; each example empties its Redis."""
    return Installation(party)


def emptied(party: Party) -> Installation:
    installation = installation_of(party)
    installation.store.redis.clear()
    return installation


async def damaged(key: str, error: DamagedState) -> Decision:
    raise AssertionError(f"{key} was written and cannot be read: {error}")


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    stamina.set_testing(True, attempts=1)
    try:
        with structlog.testing.capture_logs():
            asyncio.run(work())
    finally:
        stamina.set_testing(False)


def reads(entry: Entry, value: bytes) -> None:
    """Demand that a message is refused, or read and then written so that it can be read again."""
    try:
        envelope = from_message(headers(entry.type), value)
    except InvalidMessage:
        return
    message = envelope.to_message()
    assert from_message(message.headers, message.value) == envelope


messages = st.sampled_from(EXAMPLES).flatmap(lambda pair: st.tuples(st.just(pair[0]), mutated(pair[1])))


@settings(QUICK, max_examples=150)
@given(messages)
def test_every_contract(message: tuple[Entry, bytes]) -> None:
    reads(*message)


async def handle(installation: Installation, messages: list[tuple[Entry, bytes]]) -> None:
    for entry, value in messages:
        await installation.take(entry, value)
        await installation.check_timers()
    for entry, example in EXAMPLES:
        if installation.service.name in entry.readers:
            await installation.take(entry, example.encode())
    assert installation.crashes() == []


def sequences(party: Party) -> st.SearchStrategy[list[tuple[Entry, bytes]]]:
    """A few messages that the service reads, each of them an example that was changed."""
    readable = [(entry, example) for entry in read_by(party) for example in examples_of(entry.type)]
    one = st.sampled_from(readable).flatmap(lambda pair: st.tuples(st.just(pair[0]), mutated(pair[1])))
    return st.lists(one, min_size=1, max_size=6)


@pytest.mark.parametrize("party", SERVICES)
def test_every_handler(party: Party) -> None:
    @QUICK
    @given(sequences(party))
    def fuzz(messages: list[tuple[Entry, bytes]]) -> None:
        run(lambda: handle(emptied(party), messages))

    fuzz()


async def ask(app: FastAPI, request: tuple[str, bytes, list[tuple[bytes, bytes]], bytes]) -> tuple[int, str, bytes]:
    """Send a request as a server would; return status, content type and body."""
    method, target, given_headers, body = request
    raw, _, query = target.partition(b"?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(raw.decode("ascii")),
        "raw_path": raw,
        "query_string": query,
        "root_path": "",
        "headers": given_headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = next(message for message in sent if message["type"] == "http.response.start")
    content = dict(start["headers"]).get(b"content-type", b"").decode()
    return start["status"], content, b"".join(message.get("body", b"") for message in sent)


def application(installation: Installation, admission: Admission | None = None) -> FastAPI:
    async def ready() -> dict[str, str]:
        return {}

    http = create_http(ready, admission=admission)
    policy = policy_router(without_file("123456789012"), ConfigWatch(None, ()))
    for router in (installation.service.router, policy):
        http.include_router(router, prefix=PREFIX)
    return http


@cache
def application_of(installation: Installation) -> tuple[FastAPI, Admission]:
    """Return the one of an installation: its first request, and its description, take longer than all else."""
    admission = Admission()
    return application(installation, admission), admission


async def answers(installation: Installation, asked: list[Any]) -> None:
    http, admission = application_of(installation)
    vars(admission).update(vars(Admission()))  # nobody has asked too often yet
    for request in asked:
        status, content, body = await ask(http, request)
        assert status < 500 or status in {502, 503, 504}, (request, body)
        if status >= 400:
            assert content == "application/problem+json"
            assert json.loads(body)["status"] == status


@pytest.mark.parametrize("party", SERVICES)
def test_every_route(party: Party) -> None:
    description = application(installation_of(party)).openapi()

    @QUICK
    @given(st.lists(requests(description), min_size=1, max_size=4))
    def fuzz(asked: list[Any]) -> None:
        run(lambda: answers(emptied(party), asked))

    fuzz()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("party", SERVICES)
def test_every_handler_and_route_for_long(party: Party) -> None:
    description = application(installation_of(party)).openapi()

    @LONG
    @given(sequences(party), st.lists(requests(description), max_size=4))
    def fuzz(messages: list[tuple[Entry, bytes]], asked: list[Any]) -> None:
        async def both() -> None:
            installation = emptied(party)
            await answers(installation, asked)
            await handle(installation, messages)
            await answers(installation, asked)

        run(both)

    fuzz()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(LONG, max_examples=20 * EXAMPLES_FOR_LONG)
@given(messages)
def test_every_contract_for_long(message: tuple[Entry, bytes]) -> None:
    reads(*message)
