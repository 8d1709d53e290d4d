"""The broker under test: the dev broker, or the Kafka that KAFKA_BOOTSTRAP_SERVERS names.

`python -m sandbox.apache_kafka` starts such a Kafka. A broker with Kafka's own defaults refuses sessions
shorter than six seconds; KAFKA_SESSION_TIMEOUT_MS says what to use.
"""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from sandbox.kafka.broker import DevBroker
from sandbox.kafka.node import Limits
from tests.bus.harness import Bus

REAL = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    async with AsyncExitStack() as clients:
        if REAL:
            session_timeout_ms = int(os.environ.get("KAFKA_SESSION_TIMEOUT_MS", "6000"))
            yield Bus(REAL, session_timeout_ms, clients)
            return
        broker = DevBroker(Limits(min_session_timeout=0.5, initial_rebalance_delay=0.05))
        port = await broker.start("127.0.0.1", 0, tmp_path)
        clients.push_async_callback(broker.stop)
        yield Bus(f"127.0.0.1:{port}", 1000, clients, broker, tmp_path)
