"""The broker under test, which all tests share: topics and groups have names of their own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.bus.harness import Bus, Node


@pytest.fixture
async def bus(node: Node) -> AsyncIterator[Bus]:
    async with AsyncExitStack() as clients:
        yield Bus(node.bootstrap, node.session_timeout_ms, clients, node)
