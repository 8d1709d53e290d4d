"""No start waits for the audit's topic; what is wrong with it is told by ``/readyz``."""

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import TopicAuthorizationFailedError

from contracts.topics import AUDIT, PHASE_RESULTS, Party, Topic
from services._chassis import startup as starting
from services._chassis.readiness import Readiness
from services._chassis.startup import Startup, StartupError
from services._chassis.topics import WrongTopicError


class Kafka:
    """A Kafka without a proven client."""

    is_proven = False

    async def probe(self) -> None:
        """It answers."""


async def start(spoilt: Topic, error: Exception, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Reach Kafka as health, where one topic cannot be used; return what is degraded."""

    async def ensure(_: object, __: int, topics: Collection[Topic]) -> None:
        if spoilt in topics:
            raise error

    monkeypatch.setattr(starting, "ensure_topics", ensure)
    readiness, settings = Readiness(), SimpleNamespace(kafka_replication_factor=1)
    connections: Any = SimpleNamespace(by_kafka=[(Kafka(), [Party.HEALTH])])
    reached: Any = Startup(settings, readiness.missing, None, None, None, connections, readiness)  # type: ignore[arg-type]  # Kafka alone
    await reached._kafka()
    return readiness.degraded


@pytest.mark.parametrize(
    "error", [WrongTopicError("the topic audit.v1 has 3 partitions"), TopicAuthorizationFailedError("audit.v1")]
)
async def test_what_is_wrong_with_the_topic_of_the_audit_stops_no_start(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sentence,) = await start(AUDIT, error, monkeypatch)
    assert sentence.startswith("The audit may not reach Kafka: ")
    assert "audit.v1" in sentence


async def test_what_is_wrong_with_any_other_topic_does(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StartupError, match="another number of partitions"):
        await start(PHASE_RESULTS, WrongTopicError("another number of partitions"), monkeypatch)
