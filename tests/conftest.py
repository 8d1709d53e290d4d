"""The servers that tests talk to: real ones, on loopback, one of each for a test process."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from sandbox.kafka.broker import DevBroker
from sandbox.valkey import Valkey
from tests.chaos.mutants import install


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mutant", default="", help="a protection that the code lacks (tests/chaos/mutants.py)")


def pytest_configure(config: pytest.Config) -> None:
    if mutant := config.getoption("--mutant"):
        install(mutant)


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Valkey as the sandbox runs it; a test takes a service name of its own, and so keys of its own."""
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    yield server.start()
    server.stop()


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Any]:
    client = Redis.from_url(valkey_url)
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture
async def kafka(tmp_path: Path) -> AsyncIterator[str]:
    """Bootstrap servers of a dev broker of one's own, without topics."""
    broker = DevBroker()
    port = await broker.start("127.0.0.1", 0, tmp_path / "kafka")
    yield f"127.0.0.1:{port}"
    await broker.stop()
