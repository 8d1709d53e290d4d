"""How a replica joins its group: with one request, since every further one is a rebalance for all."""

from typing import Any

import pytest
from aiokafka.protocol.group import JoinGroupRequest

from services._chassis.service import Service
from tests.chassis.harness import serving


async def test_a_replica_asks_to_join_once(kafka: str, redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    create = JoinGroupRequest.__init__

    def counted(request: JoinGroupRequest, group: str, *arguments: Any) -> None:
        asked.append(group)
        create(request, group, *arguments)

    monkeypatch.setattr(JoinGroupRequest, "__init__", counted)
    monkeypatch.setenv("SUREFOOT_INSTANCE", "replica-1")
    async with serving(kafka, redis, Service("recovery")):
        pass
    assert asked == ["recovery"]
