"""Every way to reach Redis, and connections that are lost, old or useless."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.credentials import Credentials
from pydantic import AnyUrl
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import ConnectionError as LostError

from services._chassis import relay
from services._chassis.clock import Pace, PacedClock
from services._chassis.connection_settings import ConnectionFault
from services._chassis.credentials import OwnCredentials
from services._chassis.lanes import REDIS_CONNECTIONS
from services._chassis.redis_connection import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    LIFE_SECONDS,
    Client,
    RedisConnection,
    refusal,
)
from services._chassis.settings import Settings
from services._chassis.store import RedisStore
from services._chassis.tls_files import TlsFiles
from tests.chassis.certificates import Authority
from tests.chassis.lossy_proxy import lossy_proxy

REGION = "eu-central-1"


def connection(url: str = "redis://127.0.0.1:6379/0", **given: Any) -> RedisConnection:
    return RedisConnection.of(Settings(redis_url=AnyUrl(url), **given), REGION)


@pytest.fixture
async def ours(valkey_url: str) -> AsyncIterator[Client]:
    client = connection(valkey_url).client()
    yield client
    await client.aclose()


def test_every_value_is_ours() -> None:
    client = connection("redis://somebody:p%40ss@redis.example:7000/3").client()
    pool: Any = client.connection_pool
    made: Any = pool.make_connection()
    assert pool.max_connections == sum(REDIS_CONNECTIONS.values())
    assert client.auto_close_connection_pool
    assert (made.host, made.port, made.db) == ("redis.example", 7000, 3)
    assert made.credential_provider.get_credentials() == ("somebody", "p@ss")
    assert (made.socket_connect_timeout, made.socket_timeout) == (CONNECT_SECONDS, ANSWER_SECONDS)
    assert made.socket_timeout > relay.BLOCK_MS / 1000
    assert made.socket_keepalive is True
    assert (made.retry._retries, made.retry_on_error, made.retry_on_timeout) == (0, [], False)
    assert (made.health_check_interval, made.protocol, made.driver_info) == (0, 3, None)
    assert not pool.maint_notifications_enabled()
    assert LIFE_SECONDS * 0.95 <= made._life <= LIFE_SECONDS < timedelta(hours=12).total_seconds()


async def test_the_relay_understands_an_outbox_that_is_empty(ours: Client, redis: Any) -> None:
    taken: list[Any] = []

    async def publish(message: Any) -> None:
        taken.append(message)
        raise LostError

    store = RedisStore(ours, "recovery", PacedClock(Pace()))
    await store.write_although_full(
        "XADD", store.key("outbox"), "*", "topic", "t", "key", "k", "headers", "[]", "value", "v"
    )
    with pytest.raises(LostError):
        await asyncio.wait_for(relay.Relay(ours, store.key("outbox"), "one", publish).run(), 10)
    assert [message.value for message in taken] == [b"v"]


@pytest.mark.parametrize(
    ("url", "given", "named"),
    [
        ("redis://h?ssl_cert_reqs=none", {}, "REDIS_URL"),
        ("unix:///run/redis.sock", {}, "REDIS_URL"),
        ("redis://h/one", {}, "REDIS_URL"),
        ("redis://h", {"redis_ca_file": "/ca.pem"}, "rediss://"),
        ("rediss://h", {"redis_ca_file": "/none.pem"}, "REDIS_CA_FILE"),
        ("rediss://h", {"redis_key_file": "/none.pem"}, "REDIS_CERTIFICATE_FILE"),
        ("redis://h", {"redis_username": "me"}, "REDIS_PASSWORD"),
        ("redis://h", {"redis_password_file": "/none"}, "REDIS_PASSWORD_FILE"),
        ("redis://h", {"redis_password": "hunter2", "redis_password_file": "/none"}, "REDIS_PASSWORD_FILE"),
        ("redis://h", {"redis_iam_cluster": "c", "redis_username": "me"}, "rediss://"),
        ("rediss://h", {"redis_iam_cluster": "c"}, "REDIS_USERNAME"),
        ("rediss://:hunter2@h", {"redis_iam_cluster": "c", "redis_username": "me"}, "no password"),
    ],
)
def test_settings_that_do_not_fit_together_are_named(url: str, given: dict[str, Any], named: str) -> None:
    with pytest.raises(ConnectionFault, match=named) as caught:
        connection(url, **given)
    assert "hunter2" not in str(caught.value)


async def test_a_user_and_a_password_that_changes_in_its_file(valkey_url: str, redis: Any, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("first\n")
    await redis.acl_setuser("app", enabled=True, passwords=["+first"], categories=["+@all", "-@admin"], keys=["*"])
    client = connection(valkey_url, redis_username="app", redis_password_file=str(file)).client()
    try:
        assert await client.acl_whoami() == "app"
        await redis.acl_setuser("app", enabled=True, reset_passwords=True, passwords=["+second"])
        file.write_text("second")
        assert await client.acl_whoami() == "app"
        await redis.client_kill_filter(user="app")
        assert await client.ping()
        file.write_text("wrong")
        await redis.client_kill_filter(user="app")
        with pytest.raises(AuthenticationError) as caught:
            await client.ping()
        assert refusal(caught.value) == (
            "Redis refuses the credentials: check REDIS_USERNAME, and REDIS_PASSWORD or its file"
        )
    finally:
        await client.aclose()
        await redis.acl_deluser("app")


@pytest.mark.parametrize(
    ("host", "trusted", "why"),
    [
        ("127.0.0.1", True, ""),
        ("redis.example", True, "IP address mismatch"),
        ("127.0.0.1", False, "check REDIS_CA_FILE"),
    ],
)
async def test_the_servers_certificate_must_be_trusted_and_for_its_name(
    valkey_url: str, tmp_path: Path, host: str, trusted: bool, why: str
) -> None:
    authority, others = Authority(tmp_path), Authority(tmp_path, "others")
    pair = authority.issue("server", host=host)
    served = TlsFiles("server", ("", "", ""), None, str(pair.certificate), str(pair.key), serves=True)
    ca = (authority if trusted else others).file
    async with lossy_proxy(port_of(valkey_url), served.context) as proxy:
        client = connection(f"rediss://127.0.0.1:{proxy.port}/0", redis_ca_file=str(ca)).client()
        if why:
            with pytest.raises(RedisError) as caught:
                await client.ping()
            assert why in refusal(caught.value)
        else:
            assert await client.ping()
        await client.aclose()


def port_of(url: str) -> int:
    return AnyUrl(url).port or 0


async def test_memorydb_gets_a_token_of_the_moment_for_each_connection() -> None:
    found = Credentials("AKID", "SECRET", "SESSION")
    settings = Settings(
        redis_url=AnyUrl("rediss://clustercfg.orders.example:6379"),
        redis_username="surefoot",
        redis_iam_cluster="orders",
    )
    made: Any = RedisConnection.of(settings, REGION, OwnCredentials(lambda: found)).client().connection_pool
    provider = made.make_connection().credential_provider
    user, token = await provider.get_credentials_async()
    signed = urlsplit(f"http://{token}")
    query = parse_qs(signed.query)
    assert (user, signed.hostname) == ("surefoot", "orders")
    assert (query["Action"], query["User"], query["X-Amz-Expires"]) == (["connect"], ["surefoot"], ["900"])
    assert query["X-Amz-Credential"][0].endswith("/eu-central-1/memorydb/aws4_request")
    assert "SECRET" not in token
    found.access_key = "OTHER"
    assert "OTHER" in (await provider.get_credentials_async())[1]


async def test_a_connection_is_retired_between_two_commands(ours: Client) -> None:
    now = 0.0
    pool: Any = ours.connection_pool
    pool.connection_kwargs |= {"now": lambda: now, "life": 100.0}
    first = await ours.client_id()
    now = 94.0
    assert await ours.client_id() == first
    now = 101.0
    second = await ours.client_id()
    assert second != first
    assert await ours.client_id() == second


@pytest.mark.parametrize(
    "error",
    ["READONLY You can't write against a read only replica.", "ERR Error running script: READONLY You can't write"],
)
async def test_a_connection_to_a_redis_that_only_reads_is_given_up(ours: Client, error: str) -> None:
    first = await ours.client_id()
    with pytest.raises((ReadOnlyError, ResponseError)):
        await ours.eval("return redis.error_reply(ARGV[1])", 0, error)
    assert await ours.client_id() != first


async def test_a_script_that_met_such_a_redis_is_sent_once_more(ours: Client, redis: Any) -> None:
    demoted = ours.register_script(
        "if redis.call('INCR', KEYS[1]) == 1 then return redis.error_reply('READONLY') end return 'done'"
    )
    assert await demoted(keys=["calls"]) == b"done"
    assert await redis.get("calls") == b"2"


async def test_a_node_that_does_not_know_a_script_gets_it_whole(ours: Client, redis: Any) -> None:
    script = ours.register_script("return ARGV[1]")
    for _ in range(2):
        await redis.script_flush()
        assert await script(args=["known"]) == b"known"
        assert await script(args=["known"]) == b"known"


async def test_a_redis_that_is_away_is_no_refusal(valkey_url: str) -> None:
    client = connection("redis://127.0.0.1:1/0").client()
    with pytest.raises(LostError) as caught:
        await client.ping()
    assert refusal(caught.value) == ""
    assert isinstance(client, Redis)
    await client.aclose()
