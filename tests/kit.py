"""What stands in for the chassis in the tests of services: a clock, a job that runs, and the store in memory."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from contracts.base import Target
from contracts.envelope import Envelope, from_message
from contracts.policy import Access, ServicePolicy
from sandbox.virtual.redis import MemoryRedis
from services._chassis.clock import Clock
from services._chassis.policies import BuiltInPolicies
from services._chassis.store import RedisStore
from services._chassis.transition import Cancelled, Emit
from services._policy.source import Listener


@dataclass
class FakeClock:
    """Product time as a test sets it, in epoch seconds; sleeping moves it."""

    time: float

    def now(self) -> float:
        return self.time

    def at(self, real: float) -> float:
        return real

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class WorldClock:
    """The product time of a simulated AWS; sleeping lets it pass there."""

    aws: Any
    """A ``SimulatedAws``."""

    def now(self) -> float:
        return float(self.aws.now())

    def at(self, real: float) -> float:
        return real

    async def sleep(self, seconds: float) -> None:
        await asyncio.to_thread(self.aws.step, seconds)


@dataclass
class FakeRunning:
    """A job under way. It ends at the next step once ``is_cancelled`` is true; what it kept and emitted can be read."""

    payload: bytes
    id: str = "command-1"
    kind: str = "any"
    fence: int = 1
    attempt: int = 1
    saved: bytes | None = None
    is_cancelled: Callable[[], bool] = lambda: False
    checkpoints: list[bytes] = field(default_factory=list)
    emitted: list[Emit] = field(default_factory=list)

    async def checkpoint(self, data: bytes) -> None:
        await self.check()
        self.checkpoints.append(data)
        self.saved = data

    async def check(self) -> None:
        if self.is_cancelled():
            raise Cancelled(self.id)

    async def emit(self, *emissions: Emit) -> None:
        await self.check()
        self.emitted += emissions


class FakePolicies:
    """What is in force as a test says; every other service has the built-in policy."""

    def __init__(self, *policies: ServicePolicy) -> None:
        self.held = {policy.target: policy for policy in policies}
        self.refused: frozenset[Target] = frozenset()
        self.listeners: list[Listener] = []

    def of(self, target: Target) -> ServicePolicy:
        if target in self.refused:
            raise LookupError(f"the policy does not list {target}")
        return self.held.get(target) or ServicePolicy(target=target)

    def named(self, cluster: str, service: str, account: str | None = None, region: str | None = None) -> Target:
        return BuiltInPolicies("123456789012").find(cluster, service, account, region)

    def find(self, cluster: str, service: str, account: str | None = None, region: str | None = None) -> Target:
        target = BuiltInPolicies("123456789012").find(cluster, service, account, region)
        self.of(target)
        return target

    def all(self) -> tuple[Target, ...]:
        return tuple(self.held)

    def access(self, account: str) -> Access | None:
        """Everywhere by the own credentials."""

    def listen(self, listener: Listener) -> None:
        """Remember who wants to be told; a test tells them."""
        self.listeners.append(listener)

    def reload(self, policy: ServicePolicy) -> None:
        """Let another policy be in force for one service."""
        self.held[policy.target] = policy


def memory_store(service: str, clock: Clock) -> RedisStore:
    """The store that the service has in production, on a Redis in memory: inbox, outbox, jobs and all."""
    return RedisStore(MemoryRedis(clock.now), service, clock)


def published(store: RedisStore) -> list[Envelope]:
    """Return what lies in the outbox of a ``memory_store``, oldest first."""
    found = []
    for _, fields in store.redis.stream(store.key("outbox")):
        headers = tuple((name, value.encode()) for name, value in orjson.loads(fields[b"headers"]))
        found.append(from_message(headers, fields[b"value"]))
    return found
