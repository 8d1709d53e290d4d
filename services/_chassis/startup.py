"""Reaches Redis, Kafka and AWS before a process may serve, and checks that they can be used."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from aiokafka.errors import KafkaError
from botocore.exceptions import BotoCoreError, ClientError
from redis.exceptions import RedisError

from contracts.catalogue import topics_of, topics_written_by
from contracts.prose import quote
from contracts.topics import AUDIT, Party, Topic
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services._chassis.clock import PacedClock
from services._chassis.connection_settings import Mechanism
from services._chassis.connections import Connections
from services._chassis.kafka_connection import KafkaConnection, KafkaRefuses
from services._chassis.kafka_rights import Missing, check_rights
from services._chassis.readiness import Readiness
from services._chassis.reasons import first_cause
from services._chassis.redis_connection import refusal
from services._chassis.settings import Settings
from services._chassis.topics import WrongTopicError, ensure_topics

OLDEST_REDIS = 7
"""The first version that knows the flags of scripts (``allow-oom``)."""
AGAIN_SECONDS = (0.2, 0.5, 1.0, 2.0)
"""Real seconds before each further try to reach Redis, Kafka or AWS; the last one is used again and again."""
_SETTING_OF = {
    "redis": "REDIS_URL",
    "kafka": "KAFKA_BOOTSTRAP_SERVERS",
    "aws": "the credentials, AWS_REGION and AWS_ENDPOINT_URL",
}

T = TypeVar("T")

log = structlog.get_logger()


class StartupError(Exception):
    """The process cannot start; its text is the sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Startup:
    """Reaches one after another; ``missing`` shows what it waits for, and why."""

    settings: Settings
    missing: dict[str, str]
    redis: Any
    clock: PacedClock
    aws: AwsConnection
    connections: Connections
    readiness: Readiness

    async def reach_all(self) -> str:
        """Return the account at AWS. Raise ``StartupError`` where something is not reached in time or not usable."""
        deadline = time.monotonic() + self.settings.startup_timeout
        await self._until_reached("redis", self._redis, deadline)
        await self._until_reached("kafka", self._kafka, deadline)
        return await self._until_reached("aws", self._aws, deadline)

    async def _until_reached(self, name: str, reach: Callable[[], Awaitable[T]], deadline: float) -> T:
        attempt = 0
        while True:
            try:
                reached = await reach()
            except (RedisError, KafkaError, OSError, BotoCoreError, ClientError) as error:
                self.missing[name] = why = why_of(error)
                if time.monotonic() > deadline:
                    raise StartupError(
                        f"{name} cannot be reached ({why}); gave up after {self.settings.startup_timeout:g} s. "
                        f"Check {_SETTING_OF[name]}"
                    ) from error
                log.warning("waiting", what=name, why=why)
                await asyncio.sleep(AGAIN_SECONDS[min(attempt, len(AGAIN_SECONDS) - 1)])
                attempt += 1
            else:
                self.missing.pop(name, None)
                return reached

    async def _redis(self) -> None:
        try:
            seconds, micros = await self.redis.time()
            self.clock.set(seconds + micros / 1e6)
            about = await self.redis.info()
        except RedisError as error:
            if refused := refusal(error):
                raise StartupError(refused) from error
            raise
        self._check_redis(about)

    def _check_redis(self, about: dict[str, Any]) -> None:
        """Check what Redis says of itself in INFO; CONFIG is forbidden in many places."""
        version = str(about.get("redis_version", ""))
        if int(version.partition(".")[0] or 0) < OLDEST_REDIS:
            raise StartupError(
                f"Redis {version or 'of an unknown version'} is too old: {OLDEST_REDIS} or newer is needed"
            )
        known = {"maxmemory-policy": "maxmemory_policy", "appendonly": "aof_enabled"}
        unchecked = [name for name, field in known.items() if field not in about]
        self.readiness.facts["redis"] = lambda: {"version": version, "not_checked": unchecked}
        if unchecked:
            log.warning("Redis does not say how it is configured", not_checked=unchecked)
        policy = about.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            raise StartupError(
                f"Redis may evict what Surefoot must not lose (maxmemory-policy is {policy}): set it to noeviction"
            )

    async def _kafka(self) -> None:
        for kafka, parties in self.connections.by_kafka:
            needed = {topic for party in parties for topic in (*topics_of(party), *topics_written_by(party))}
            try:
                await kafka.probe()
                await ensure_topics(kafka, self.settings.kafka_replication_factor, needed - {AUDIT})
                fault = await self._about_rights(kafka, needed, parties)
            except (WrongTopicError, KafkaRefuses, Missing) as error:
                raise StartupError(str(error)) from error
            self.readiness.report(f"acls:{parties[0]}", fault)
            self.readiness.report(f"audit-topic:{parties[0]}", await self._about_audit_topic(kafka))

    async def _about_audit_topic(self, kafka: KafkaConnection) -> str:
        """Return what is wrong with the topic of the audit, which no start waits for (ADR 37)."""
        try:
            await ensure_topics(kafka, self.settings.kafka_replication_factor, {AUDIT})
        except (WrongTopicError, KafkaRefuses, KafkaError, OSError) as error:
            return f"the audit may not reach Kafka: {why_of(error)}"
        return ""

    async def _about_rights(self, kafka: KafkaConnection, needed: Collection[Topic], parties: list[Party]) -> str:
        """Return what is wrong with Kafka's ACLs. Raise ``Missing``."""
        if not kafka.is_proven:
            return ""
        has_acls = self.settings.kafka_sasl_mechanism is not Mechanism.AWS_MSK_IAM
        return await check_rights(kafka, needed, parties, has_acls=has_acls)

    async def _aws(self) -> str:
        identity = await Aws(self.aws, "chassis").call("sts", "get_caller_identity")
        configured, actual = self.settings.aws_account, str(identity["Account"])
        if configured and configured != actual:
            raise StartupError(
                f"these credentials are of account {actual}, but AWS_ACCOUNT says {configured}: correct one of the two"
            )
        return actual


async def unless_stopped(work: Awaitable[T], stop: asyncio.Event, seconds: float | None, waits_for: str) -> T | None:
    """Return what ``work`` returns, or None where a stop is asked for first.

    Raise ``StartupError`` where it takes more than twice ``seconds``, the limit that it should keep by itself; None:
    it may take as long as it takes.
    """
    working, stopping = asyncio.ensure_future(work), asyncio.create_task(stop.wait())
    try:
        limit = None if seconds is None else seconds * 2
        await asyncio.wait({working, stopping}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        if not stop.is_set():
            raise StartupError(f"the start took too long: still waiting for {waits_for}")
        return None
    finally:
        working.cancel()
        stopping.cancel()


def why_of(error: BaseException) -> str:
    """Return the first line of an error's text without secrets, or its type, for the log and ``/readyz``."""
    error = first_cause(error)
    text = str(error).splitlines()
    return quote(text[0], 200) if text else type(error).__name__
