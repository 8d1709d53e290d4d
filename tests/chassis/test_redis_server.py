"""The connections to Redis, tried on Debian's redis-server with TLS, client certificates and ACLs."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import NoPermissionError, OutOfMemoryError, RedisError

from sandbox.child import HOST, Child, claim_port
from services._chassis.clock import Pace, PacedClock
from services._chassis.job_leases import JobLeases
from services._chassis.readiness import Readiness
from services._chassis.redis_connection import Client, RedisConnection, refusal
from services._chassis.redis_keys import JOBS
from services._chassis.relay import Relay
from services._chassis.settings import Settings
from services._chassis.startup import Startup
from services._chassis.store import Applied, RedisStore
from services._chassis.transition import Decision, Job, Transition, decided
from tests.chassis.certificates import Authority
from tests.chassis.test_relay import Bus, StopRelayError, emitted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server: apt-get install redis-server"),
]
STATE = Transition("target", lambda data: Decision(state=str(int(data or 0) + 1).encode()))
RIGHTS = "~* +@all -@admin -@dangerous +info"
"""What docs/connections.md gives the user."""


class Server:
    """A redis-server that speaks TLS alone, and lets in who has a certificate and a password."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        pair = authority.issue("server")
        self.authority, self.client_pair = authority, authority.issue("client")
        self.port = claim_port(0)
        self.child = Child(
            [
                *("redis-server", "--port", "0", "--tls-port", str(self.port), "--bind", HOST, "--save", ""),
                *("--tls-cert-file", str(pair.certificate), "--tls-key-file", str(pair.key)),
                *("--tls-ca-cert-file", str(authority.file), "--tls-auth-clients", "yes", "--tls-replication", "yes"),
                *("--dir", str(directory), "--appendonly", "yes", "--appenddirname", f"aof-{self.port}"),
                *("--user", "default", "off", "--user", "admin", "on", ">hunter2", "~*", "&*", "+@all"),
                *("--user", "surefoot", "on", ">hunter2", *RIGHTS.split()),
                *("--masteruser", "admin", "--masterauth", "hunter2"),
            ],
            log=directory / f"redis-{self.port}.log",
        )
        self.child.wait_until(lambda: _listens(self.port), 20, "redis-server")

    def settings(self, user: str = "surefoot", host: str = HOST) -> dict[str, str]:
        return {
            "REDIS_URL": f"rediss://{host}:{self.port}/0",
            "REDIS_USERNAME": user,
            "REDIS_PASSWORD": "hunter2",
            "REDIS_CA_FILE": str(self.authority.file),
            "REDIS_CERTIFICATE_FILE": str(self.client_pair.certificate),
            "REDIS_KEY_FILE": str(self.client_pair.key),
        }

    def client(self, user: str = "surefoot", **other: str) -> Client:
        given: dict[str, Any] = {name.lower(): value for name, value in self.settings(user, **other).items()}
        return RedisConnection.of(Settings(**given), "us-west-2").client()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("redis")
    server = Server(directory, Authority(directory))
    yield server
    server.child.stop()


@pytest.fixture
async def admin(server: Server) -> AsyncIterator[Client]:
    client = server.client("admin")
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def ours(server: Server) -> AsyncIterator[Client]:
    client = server.client()
    yield client
    await client.aclose()


async def test_the_rights_of_the_documents_are_enough_and_config_is_not_among_them(admin: Client, ours: Client) -> None:
    with pytest.raises(NoPermissionError):
        await ours.config_get("maxmemory-policy")
    readiness, nothing = Readiness(), None
    startup: Any = Startup(Settings(), readiness.missing, ours, PacedClock(Pace()), nothing, nothing, readiness)  # type: ignore[arg-type]  # Redis alone
    await startup._redis()
    assert readiness.facts["redis"]()["not_checked"] == []
    store = await emitted(ours, 2)
    bus = Bus(2)
    with pytest.raises(StopRelayError):
        await Relay(ours, store.key("outbox"), "one", bus.publish).run()
    assert bus.taken == ["e0", "e1"]
    await store.apply(decided(jobs=(Job("j", "kind", b""),)), cause="asked")
    job = await JobLeases(store, 30).claim((JOBS,))
    assert job is not None
    await job.checkpoint(b"saved")


async def test_a_certificate_for_another_name_is_refused(server: Server) -> None:
    client = server.client(host="localhost")
    with pytest.raises(RedisError) as caught:
        await client.ping()
    assert "REDIS_CA_FILE" in refusal(caught.value)
    await client.aclose()


def test_a_wrong_password_ends_the_start_of_a_service_with_one_sentence(server: Server) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.health"],
        env={**os.environ, **server.settings(), "REDIS_PASSWORD": "wrong", "SUREFOOT_HTTP_PORT": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = done.stderr.strip().splitlines()
    assert (done.returncode, len(lines)) == (1, 1), done.stderr
    assert "Redis refuses the credentials" in lines[0]


async def test_a_full_redis_lets_end_what_is_under_way(admin: Client, ours: Client) -> None:
    store = RedisStore(ours, "full", PacedClock(Pace()))
    await admin.config_set("maxmemory", 1)
    try:
        with pytest.raises(OutOfMemoryError):
            await store.apply(STATE, cause="new", intake=True)
        assert (await store.apply(STATE, cause="end")).applied is Applied.APPLIED
    finally:
        await admin.config_set("maxmemory", 0)


async def test_a_failover_is_got_over(server: Server, admin: Client, ours: Client, tmp_path: Path) -> None:
    """The node becomes a replica under the client, then a primary again that knows no script."""
    other = Server(tmp_path, server.authority)
    try:
        store = RedisStore(ours, "failover", PacedClock(Pace()))
        await store.apply(STATE, cause="before")
        first = await ours.client_id()
        await admin.replicaof(HOST, other.port)
        with pytest.raises(RedisError):
            await store.apply(STATE, cause="meanwhile")
        await admin.replicaof("NO", "ONE")
        await admin.script_flush()
        assert (await store.apply(STATE, cause="after")).applied is Applied.APPLIED
        assert await ours.client_id() != first
    finally:
        other.child.stop()
