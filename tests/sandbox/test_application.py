"""The application answers over real sockets as the image of a task in service would."""

import asyncio
import time
from collections.abc import AsyncIterator
from random import Random

import httpx2
import pytest

from sandbox.aws.http_answers import Request, answer
from sandbox.aws.server import application as application_module
from sandbox.aws.server.application import Application, parse
from sandbox.scenarios.behaviour import Behaviour
from sandbox.scenarios.load import images

BY_NAME = images()
FAST = Behaviour(name="fast", latency=0.0, error_rate=0.0)


class Behind:
    """What is behind the load balancer, changed by a test."""

    def __init__(self) -> None:
        self.choices: list[tuple[Behaviour, bool]] = [(FAST, True)]

    def __call__(self, request: Request | None = None) -> list[tuple[Behaviour, bool]]:
        return self.choices


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
async def client(behind: Behind) -> AsyncIterator[httpx2.AsyncClient]:
    application = Application(behind, Random(3))
    port = await application.start("127.0.0.1", 0)
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        yield client
    await application.stop()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/health", 200), ("/health/ready", 200), ("/api/v1/", 200), ("/api/v1/cases", 200),
        ("/api/v1/cases?page=2", 200), ("/api/v1/documents", 200), ("/api/v1/auth/me", 401),
        ("/api/v1/monitoring/health", 200), ("/docs", 200), ("/openapi.json", 200), ("/nothing", 404),
    ],
)  # fmt: skip
async def test_every_route_answers(client: httpx2.AsyncClient, path: str, status: int) -> None:
    assert (await client.get(path)).status_code == status


async def test_with_a_token_one_is_somebody(client: httpx2.AsyncClient) -> None:
    answered = await client.get("/api/v1/auth/me", headers={"Authorization": "Bearer abc"})
    assert answered.status_code == 200


async def test_a_failing_database_makes_it_unready(client: httpx2.AsyncClient, behind: Behind) -> None:
    ready = (await client.get("/health/ready")).json()
    assert (ready["status"], ready["migrations"]["up_to_date"]) == ("ready", True)
    behind.choices = [(Behaviour(latency=0, database=False), True)]
    unready = await client.get("/health/ready")
    assert unready.status_code == 503
    assert unready.json()["database"]["status"] == "disconnected"
    assert (await client.get("/health")).status_code == 200


async def test_a_load_balancer_does_not_wait_for_ever(
    client: httpx2.AsyncClient, behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application_module, "IDLE_SECONDS", 0.2)
    behind.choices = [(Behaviour(latency=10), True)]
    assert (await client.get("/docs")).status_code == 504


async def test_errors_come_at_the_rate_of_the_image(client: httpx2.AsyncClient, behind: Behind) -> None:
    behind.choices = [(Behaviour(latency=0, error_rate=0.5), True)]
    failed = sum([(await client.get("/api/v1/cases")).status_code == 500 for _ in range(200)])
    assert 70 < failed < 130


async def test_latency_is_real_time(client: httpx2.AsyncClient, behind: Behind) -> None:
    behind.choices = [(BY_NAME["healthy"], True)]
    started = time.perf_counter()
    await asyncio.gather(*(client.get("/health") for _ in range(20)))
    assert 0.04 < time.perf_counter() - started < 1.5


async def test_the_load_balancer_answers_when_no_task_can(client: httpx2.AsyncClient, behind: Behind) -> None:
    behind.choices = []
    assert (await client.get("/health")).status_code == 503
    behind.choices = [(FAST, False)]
    assert (await client.get("/health")).status_code == 502


async def test_many_requests_share_a_connection_and_head_has_no_body(client: httpx2.AsyncClient) -> None:
    for _ in range(3):
        assert (await client.get("/health")).json() == {"status": "healthy"}
    head = await client.head("/health")
    assert (head.status_code, head.content) == (200, b"")
    assert (await client.post("/api/v1/cases", json={"title": "a v. b"})).status_code == 405


async def test_what_is_no_request_is_refused(behind: Behind) -> None:
    application = Application(behind, Random(3))
    port = await application.start("127.0.0.1", 0)
    for nonsense in (
        b"hello\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -4\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(nonsense)
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 400 ")
        writer.close()
    await application.stop()


def test_the_slow_image_is_slow_and_nothing_else() -> None:
    slow = BY_NAME["slow"]
    assert slow.latency == 6.0
    assert answer(Request("GET", "/api/v1/cases", {}), slow, lucky=True).status == 200


def test_a_request_is_read() -> None:
    request = parse(b"GET /health?x=1 HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n\r\n")
    assert request == Request("GET", "/health", {"host": "a", "x-y": "z"}, "x=1")
    assert parse(b"\x16\x03\x01\r\n\r\n") is None
