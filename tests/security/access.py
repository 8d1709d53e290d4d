"""The seven services' APIs with authentication, on a Redis in memory: callers with keys, and requests by route."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import httpx2
from fastapi import APIRouter, FastAPI
from redis.exceptions import OutOfMemoryError

from contracts.access import Role
from contracts.audit import AuditEntry
from contracts.base import Target
from contracts.policy import Callers, ServicePolicy
from contracts.topics import Party
from sandbox.virtual.redis import MemoryRedis
from services._chassis.access import api_keys
from services._chassis.access.caller import Decision
from services._chassis.access.guard import Access
from services._chassis.access.key_ring import KeyRing, KeyStore
from services._chassis.access.served import Served
from services._chassis.assembly import create_service, load_settings
from services._chassis.config_file import ConfigWatch
from services._chassis.http import PREFIX, create_http
from services._chassis.policy import router as policy_router
from services._chassis.readiness import Readiness
from services._chassis.service import Platform
from services._policy.source import PolicySource
from tests.kit import JSON, FakeClock, FakePolicies, memory_store, unhurried, without_file
from tests.security.test_fuzz import NOW, DenyingAws

OURS = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")
THEIRS = OURS.model_copy(update={"service": "other"})
"""Another service, for which nobody but administrators of the installation has a role."""


class CountingRedis(MemoryRedis):
    """Redis in memory, with what keys need of it; every call is counted, and none is answered while it is away."""

    def __init__(self) -> None:
        super().__init__(lambda: NOW)
        self.calls: list[str] = []
        self.away: type[Exception] | None = None
        self.full = False

    def _count(self, name: str, *, writes: bool = True) -> None:
        self.calls.append(name)
        if self.away is not None:
            raise self.away("away")
        if writes and self.full:
            raise OutOfMemoryError("OOM command not allowed")

    async def hget(self, key: str, field: str) -> bytes | None:
        self._count("hget", writes=False)
        return await super().hget(key, field)

    async def hgetall(self, key: str) -> dict[bytes, bytes]:
        self._count("hgetall", writes=False)
        return await super().hgetall(key)

    async def hset(self, key: str, field: str, value: str) -> None:
        self._count("hset")
        self._hset(key.encode(), field.encode(), value.encode())

    async def hdel(self, key: str, field: str) -> None:
        self._count("hdel")
        self._hdel(key.encode(), field.encode())

    async def set(self, key: str, value: str, *, nx: bool, ex: int) -> bool | None:
        self._count("set")
        if nx and self._exists(key.encode()):
            return None
        self._set(key.encode(), value.encode(), b"EX", str(ex).encode())
        return True


CHANGED = AuditEntry(id="1", time=datetime.fromtimestamp(NOW, UTC), act="key-created")
"""What the audit records of a change of keys."""


@dataclass
class Keys:
    """API keys in a Redis in memory, at a time that a test sets."""

    redis: CountingRedis = field(default_factory=CountingRedis)
    time: float = NOW

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time, UTC)

    @property
    def store(self) -> KeyStore:
        return KeyStore(self.redis)

    def ring(self) -> KeyRing:
        """Return how a replica looks keys up."""
        return KeyRing(self.store, self.now, lambda: self.time)

    async def create(self, name: str, role: Role | None = None, days: int = 90) -> str:
        known = [*(await self.store.all()).values()]
        key, record = api_keys.create(name, role, days, known, self.now(), "test")
        await self.store.keep(record, CHANGED)
        self.time += 1  # the copies of all replicas are read again
        return key.text


def of_role(role: Role) -> FakePolicies:
    """Return policies in which ``key:caller`` has a role for ``OURS`` alone."""
    given = Callers.model_validate({f"{role}s": ("key:caller",)})
    return FakePolicies(ServicePolicy(target=OURS, access=given), ServicePolicy(target=THEIRS))


async def ready() -> dict[str, str]:
    return {}


@dataclass(frozen=True)
class Installed:
    """A service's whole API as its process has it."""

    http: FastAPI
    access: Access
    policies: FakePolicies
    routers: tuple[APIRouter, ...]
    source: PolicySource
    readiness: Readiness


@cache
def installed(party: Party) -> Installed:
    """Return the one of its service, since it takes long to make; ``guarded`` makes it new for each test."""
    access, policies = Access(), FakePolicies()
    access.policies = policies
    readiness = Readiness()
    http = create_http(ready, readiness, admission=unhurried(), access=access)
    settings = load_settings(
        party, aws_account=OURS.account, aws_region=OURS.region, backup_bucket="snapshots", _env_file=None
    )
    platform = Platform(memory_store(party, FakeClock(NOW)), FakeClock(NOW), DenyingAws(), policies=policies)
    source = without_file(OURS.account)
    routers = create_service(party, settings, platform).router, policy_router(source, ConfigWatch(None, ()))
    for router in routers:
        http.include_router(router, prefix=PREFIX)
    return Installed(http, access, policies, routers, source, readiness)


def guarded(
    party: Party = Party.ORCHESTRATOR, keys: Keys | None = None, policies: FakePolicies | None = None, **given: Any
) -> tuple[FastAPI, list[Decision]]:
    """Return a service's API behind ``keys`` and ``policies``, and the decisions as they are made."""
    found, decisions = installed(party), list[Decision]()
    ring = keys.ring() if keys else None
    served = Served(given.pop("served", Served.DEMANDED))
    fresh = Access(served, keys=ring, report=decisions.append, **given)
    fresh.policies = found.policies
    vars(found.access).update(vars(fresh))
    vars(found.policies).update(vars(policies or FakePolicies()))
    return found.http, decisions


def client(http: FastAPI, address: str = "10.0.0.9", host: str = "localhost") -> httpx2.AsyncClient:
    """Return a client at an address, by default that of a stranger."""
    transport = httpx2.ASGITransport(app=http, client=(address, 4711), raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url=f"http://{host}")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", **JSON}


BODIES: Mapping[str, dict[str, Any]] = {
    "/deployment-orchestration/orchestrate/{cluster_name}/{service_name}": {"image": "web:1"},
    "/disaster-recovery/rollback/{cluster_name}/{service_name}": {"snapshot_id": "20260105_120000_0123abcd"},
}
"""What a route must have in its body to get as far as its caller's roles."""


def request_of(path: str, method: str, target: Target) -> tuple[str, dict[str, Any]]:
    """Return the URL of a route about ``target``, and httpx's arguments."""
    names = {"cluster_name": target.cluster, "service_name": target.service}
    body = BODIES.get(path.removeprefix(PREFIX), {})
    named = body | names if path.endswith("/alerts/setup") else body
    url = path.format(**names, operation_id="unknown", issue_id="unknown")
    in_path = "{cluster_name}" in path or path.startswith(f"{PREFIX}/policy")
    return url, {"json": named} if method == "POST" else {"params": {} if in_path else names}
