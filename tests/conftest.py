"""The servers that tests talk to: real ones, on loopback, one of each for a test process."""

import gc
import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from redis.asyncio import Redis

from sandbox.apache_kafka import Unavailable
from sandbox.child import NotStarted
from sandbox.kafka.broker import DevBroker
from sandbox.valkey import Valkey
from services._chassis.audit.acts import origin
from tests.bus.harness import Node
from tests.bus.servers import DevKafka, apache, maven, named
from tests.chaos.mutants import install

# properties are about behaviour: a machine that has other things to do breaks none
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

ON_A_KAFKA = {"bus", "surefoot", "secure_kafka"}
"""The fixtures of those tests that Apache Kafka must pass as well as the dev broker."""


@pytest.fixture(autouse=True)
def _nobody_has_asked() -> Iterator[None]:
    """End each test without the sender of a message: coroutines that a test drives itself share this context."""
    yield
    origin.set(None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kafka",
        choices=["dev", "apache", "maven"],
        default="dev",
        help="apache: that of KAFKA_BOOTSTRAP_SERVERS, or from Docker, or from Maven, or none; maven: that one or fail",
    )
    parser.addoption("--mutant", default="", help="a protection that the code lacks (tests/chaos/mutants.py)")


def pytest_configure(config: pytest.Config) -> None:
    # what a test starts by itself signs nothing; on the sandbox all is signed
    os.environ.setdefault("SUREFOOT_SIGNATURES", "off")
    if mutant := config.getoption("--mutant"):
        install(mutant)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On Apache Kafka only what needs a Kafka is run; the time to fetch and start it is no test's.

    ``make test-slow`` collects only the files that have the mark in their text: all of 9,000 tests take half a minute.
    """
    for path in {item.path for item in items if item.get_closest_marker("slow")}:
        if "mark.slow" not in path.read_text():
            raise pytest.UsageError(f"{path} has a slow test and no mark.slow in it, by which make test-slow finds it")
    if config.getoption("--kafka") == "dev":
        return
    others = [item for item in items if ON_A_KAFKA.isdisjoint(getattr(item, "fixturenames", ()))]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]
    for item in items:
        item.add_marker(pytest.mark.timeout(240, func_only=True))


def pytest_collection_finish() -> None:
    """Take what was imported and collected out of the collection of garbage: it stays, and is much to look at."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The Kafka that ``--kafka`` asks for."""
    way, directory = request.config.getoption("--kafka"), tmp_path_factory.mktemp("kafka")
    # Linux ends a child with the thread that started it; so one thread, which lasts, starts it again, too
    with ThreadPoolExecutor(1) as thread:
        try:
            if way == "apache" and (servers := named()):
                yield Node(servers, int(os.environ.get("KAFKA_SESSION_TIMEOUT_MS", "6000")))
                return
            server = {"dev": DevKafka, "apache": apache, "maven": maven}[way](directory)
            bootstrap = thread.submit(server.start).result()
        except NotStarted as error:
            if way == "apache" and isinstance(error, Unavailable):
                why = "skipped, since KAFKA_BOOTSTRAP_SERVERS names no Kafka and no Docker daemon answers"
                pytest.exit(f"{why}: {error}", returncode=0)  # said once, not once for each test
            pytest.exit(str(error), returncode=1)
        yield Node(bootstrap, 2_000, server, thread)
        server.stop()


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Valkey as the sandbox runs it; a test takes a service name of its own, and so keys of its own."""
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    yield server.start()
    server.stop()


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Any]:
    # with a timeout of its own, redis-py (8.1.0) sends through `asyncio.wait_for`, which on Python 3.11 loses most of
    # the cancellations that come while it is busy, and so the deadlines of tests
    client = Redis.from_url(valkey_url, socket_timeout=None)
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
