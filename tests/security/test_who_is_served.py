"""Which requests are served at all: from where, to which host, of which type; and what browsers do with answers."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import structlog

from contracts.access import Role
from services._chassis.access.caller import LOOPBACK, Decision
from services._chassis.access.decision_log import MOST_REFUSALS, DecisionLog
from services._chassis.access.guard import SECURITY_HEADERS
from services._chassis.access.hosts import is_local, means_loopback, name_of
from services._chassis.access.served import Served
from services._chassis.http import PREFIX, create_http, create_server
from services._chassis.http_connections import OpenConnections
from services._chassis.process import Process
from services._chassis.settings import Settings
from tests.kit import JSON
from tests.security.access import Keys, bearer, client, guarded

OVERVIEW = f"{PREFIX}/deployment-orchestration/overview"
ABORT = f"{PREFIX}/deployment-orchestration/abort/Main/api"
FORWARDED = [
    ("X-Forwarded-For", "127.0.0.1"),
    ("X-Forwarded-For", "10.0.0.9"),
    ("X-Forwarded-Host", "localhost"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Anything", "1"),
    ("X-Real-IP", "127.0.0.1"),
    ("Forwarded", "for=127.0.0.1"),
    ("Via", "1.1 proxy"),
    ("True-Client-IP", "127.0.0.1"),
    ("CF-Connecting-IP", "127.0.0.1"),
    ("X-Client-IP", "127.0.0.1"),
    ("X-Cluster-Client-IP", "127.0.0.1"),
    ("Fastly-Client-IP", "127.0.0.1"),
    ("Fly-Client-IP", "127.0.0.1"),
    ("X-Original-Forwarded-For", "127.0.0.1"),
    ("X-Original-Host", "localhost"),
    ("X_Forwarded_For", "127.0.0.1"),
    ("X-ProxyUser-Ip", "127.0.0.1"),
    ("X-Envoy-External-Address", "127.0.0.1"),
    ("X-Amzn-Trace-Id", "Root=1"),
    ("Proxy-Connection", "keep-alive"),
    ("CF-Ray", "1"),
    ("Tailscale-User-Login", "somebody"),
]
PROBLEM = "application/problem+json"


async def get(
    path: str = OVERVIEW, address: str = "127.0.0.1", host: str = "localhost", **given: Any
) -> httpx2.Response:
    headers = given.pop("headers", {})
    http, _ = guarded(**{"served": "loopback", "keys": Keys(), **given})
    async with client(http, address, host) as web:
        return await web.get(path, headers=headers)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
async def test_without_keys_this_machine_is_served(address: str) -> None:
    assert (await get(address=address)).status_code == 200


@pytest.mark.parametrize("address", ["10.0.0.9", "192.168.0.1", "2001:db8::1", "::ffff:10.0.0.9", "testclient", ""])
async def test_without_keys_nobody_else_is_served(address: str) -> None:
    answer = await get(address=address)
    assert (answer.status_code, answer.headers["content-type"]) == (403, PROBLEM)
    assert "surefoot keys create" in answer.json()["detail"]


@pytest.mark.parametrize(("name", "value"), FORWARDED)
@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.9"])
async def test_what_a_proxy_sends_on_is_not_from_this_machine(address: str, name: str, value: str) -> None:
    assert (await get(address=address, headers={name: value})).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
async def test_what_a_page_of_another_origin_sends_is_not_from_this_machine(
    headers: dict[str, str], status: int
) -> None:
    assert (await get(headers=headers)).status_code == status


async def test_http_1_0_and_a_request_without_a_host_are_not_believed_to_be_local() -> None:
    scope = {"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8080), "http_version": "1.1"}
    assert is_local({**scope, "headers": [(b"host", b"127.0.0.1:8080")]})
    assert not is_local({**scope, "headers": [(b"host", b"127.0.0.1:8080")], "http_version": "1.0"})
    assert not is_local({**scope, "headers": []})
    assert not is_local({**scope, "headers": [(b"host", b"localhost"), (b"host", b"localhost")]})
    assert not is_local({**scope, "headers": [(b"host", b"surefoot.example.com")]})
    assert not is_local({**scope, "headers": [(b"host", b"localhost")], "client": None})


def test_uvicorn_believes_no_forwarded_address() -> None:
    async def ready() -> dict[str, str]:
        return {}

    config = create_server(create_http(ready), OpenConnections()).config
    assert (config.proxy_headers, config.server_header) == (False, False)


async def test_a_name_of_this_installation_is_served_with_a_key_and_is_no_loopback() -> None:
    keys = Keys()
    hosts, host = ["Surefoot.example.com", ""], {"Host": "surefoot.example.com:443"}
    assert (await get(hosts=hosts, headers=host)).status_code == 403
    key = await keys.create("alice", Role.ADMIN)
    assert (await get(keys=keys, hosts=hosts, headers=bearer(key) | host)).status_code == 200


@pytest.mark.parametrize("served", ["loopback", "open", "demanded"])
@pytest.mark.parametrize(
    "host",
    ["evil.example.com", "localhost.evil.com", "evil", "localhost:8080@evil", "127.0.0.1.evil.com", "[::1", "a:b"],
)
async def test_another_host_is_refused_whoever_asks(host: str, served: str) -> None:
    keys = Keys()
    key = await keys.create("alice", Role.ADMIN)
    for headers in (bearer(key), {}):
        answer = await get(served=served, keys=keys, headers={**headers, "Host": host})
        assert (answer.status_code, answer.headers["content-type"]) == (421, PROBLEM)
        assert "SUREFOOT_ALLOWED_HOSTS" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (b"LOCALHOST.:80", "localhost"),
        (b"[::1]:8080", "::1"),
        (b"[::1]", "::1"),
        (b"a:", "a"),
        (b"[::1]x", ""),
        (b"a:1:2", ""),
        ("a:\u0661".encode(), ""),
        (b"", ""),
    ],
)
def test_the_name_of_a_host(host: bytes, name: str) -> None:
    assert name_of(host) == name


@pytest.mark.parametrize("name", ["0.0.0.0", "localhost.localdomain", "127.1", "2130706433", "0x7f.1", "::", "[::1]"])
def test_what_only_looks_like_loopback_is_none(name: str) -> None:
    assert not means_loopback(name)


async def test_demanded_is_demanded_of_loopback_before_the_first_key_too() -> None:
    answer = await get(served="demanded")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="surefoot"')


async def test_open_serves_everybody_and_still_refuses_a_wrong_key() -> None:
    assert (await get(served="open", address="10.0.0.9")).status_code == 200
    assert (await get(served="open", headers=bearer("sfk_wrong"))).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status", "challenge"),
    [
        ([], 401, 'Bearer realm="surefoot"'),
        ([("Authorization", "Basic YTpi")], 401, 'Bearer realm="surefoot"'),
        ([("Authorization", "Bearer")], 400, 'error="invalid_request"'),
        ([("Authorization", "Bearer  ")], 400, 'error="invalid_request"'),
        ([("Authorization", "Bearer a"), ("Authorization", "Bearer b")], 400, 'error="invalid_request"'),
        ([("Authorization", "bearer sfk_x")], 401, 'error="invalid_token"'),
        ([("Authorization", 'Bearer x"\\ y')], 401, 'error="invalid_token"'),
    ],
)
async def test_errors_by_rfc_6750(headers: list[tuple[str, str]], status: int, challenge: str) -> None:
    http, _ = guarded(keys=Keys())
    async with client(http) as web:
        answer = await web.get(OVERVIEW, headers=headers)
    assert (answer.status_code, answer.headers["content-type"], answer.json()["status"]) == (status, PROBLEM, status)
    assert answer.headers["www-authenticate"].startswith('Bearer realm="surefoot"')
    assert challenge in answer.headers["www-authenticate"]
    assert answer.headers["www-authenticate"].count('"') % 2 == 0


async def test_a_key_in_the_url_is_none() -> None:
    keys = Keys()
    key = await keys.create("alice", Role.ADMIN)
    assert (await get(f"{OVERVIEW}?access_token={key}", keys=keys)).status_code == 401


@pytest.mark.parametrize(
    "kind", ["text/plain", "", "application/x-www-form-urlencoded", "application/jsonx", "text/json"]
)
@pytest.mark.parametrize("body", [b"", b"{}"])
async def test_what_changes_something_is_json_also_without_a_body(kind: str, body: bytes) -> None:
    """A page of somebody else's can have a browser send these, and no JSON."""
    http, _ = guarded(served="open")
    async with client(http) as web:
        answer = await web.post(ABORT, content=body, headers={"Content-Type": kind} if kind else {})
        assert (answer.status_code, answer.headers["content-type"]) == (415, PROBLEM)
        assert (
            await web.post(ABORT, content=body, headers={"Content-Type": "Application/JSON; charset=utf-8"})
        ).status_code != 415


async def test_a_refused_body_is_not_read() -> None:
    http, _ = guarded()

    async def body() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    async with client(http) as web:
        answer = await web.post(ABORT, content=body(), headers=JSON)
    assert (answer.status_code, answer.headers["connection"]) == (401, "close")


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/nowhere", OVERVIEW, f"{PREFIX}/docs", f"{PREFIX}/openapi.json"]
)
async def test_every_answer_has_the_headers_that_bind_browsers(path: str) -> None:
    for served in ("open", "demanded"):
        answer = await get(path, served=served)
        for name, value in SECURITY_HEADERS.items():
            if (path, served, name) != (f"{PREFIX}/docs", "open", b"content-security-policy"):
                assert answer.headers.get_list(name.decode()) == [value.decode()]


async def test_the_documentation_loads_nothing_from_elsewhere() -> None:
    answer = await get(f"{PREFIX}/docs", served="open")
    assert answer.status_code == 200
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", answer.text)
    assert "https://" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert (await get("/redoc", served="open")).status_code == (await get("/docs", served="open")).status_code == 404


async def test_a_stranger_learns_of_readyz_whether_to_come_again_and_no_more() -> None:
    keys = Keys()
    key = await keys.create("alice", Role.VIEWER)
    harmless = {"ready": True, "access": "credentials"}
    for address in ("127.0.0.1", "10.0.0.9"):
        for headers in ({}, bearer("sfk_wrong"), {"Authorization": "Bearer"}, {"Host": "evil.example.com"}):
            answer = await get("/readyz", address=address, keys=keys, headers=headers)
            assert (answer.status_code, answer.json()) == (200, harmless)
    shown = (await get("/readyz", address="10.0.0.9", keys=keys, headers=bearer(key))).json()
    assert shown.keys() >= {"ready", "access", "missing", "degraded"}


async def test_readyz_says_that_only_loopback_is_served() -> None:
    for address, more in (("127.0.0.1", {"missing", "degraded"}), ("10.0.0.9", set())):
        found = (await get("/readyz", address=address)).json()
        assert found.keys() == {"ready", "access", *more}
        assert found["access"] == "loopback only: there is no API key and no issuer yet"
    assert "open" in (await get("/readyz", served="open")).json()["access"]
    assert (await get("/livez", address="10.0.0.9")).json() == {"status": "alive"}


@pytest.mark.parametrize(
    ("host", "said", "served"),
    [
        ("127.0.0.1", None, "loopback"),
        ("::1", None, "loopback"),
        ("localhost", None, "loopback"),
        ("0.0.0.0", None, "demanded"),
        ("::", None, "demanded"),
        ("", None, "demanded"),
        ("10.0.0.9", None, "demanded"),
        ("surefoot.internal", None, "demanded"),
        ("0.0.0.0", Served.LOOPBACK, "loopback"),
        ("127.0.0.1", Served.DEMANDED, "demanded"),
    ],
)
def test_who_listens_beyond_this_machine_demands_a_credential_from_the_first_start_on(
    monkeypatch: pytest.MonkeyPatch, host: str, said: Served | None, served: str
) -> None:
    """However empty Redis is, since it may have been lost over a restart."""
    for name in ("SUREFOOT_ACCESS", "SUREFOOT_HTTP_HOST"):
        monkeypatch.delenv(name, raising=False)
    settings = Settings(surefoot_http_host=host, surefoot_access=said)
    assert Process(("services.health",), settings).access.served == served


async def test_where_credentials_are_demanded_and_there_are_none_yet_readyz_says_how_to_make_one() -> None:
    keys = Keys()
    http, _ = guarded(served="demanded", keys=keys)
    async with client(http, "127.0.0.1") as web:
        refused = await web.get(OVERVIEW)
        assert (refused.status_code, "`surefoot keys create` makes one" in refused.json()["detail"]) == (401, True)
        told = (await web.get("/readyz")).json()
        assert told["access"].startswith("credentials: there is no API key and no issuer yet: `surefoot keys create")
        key = await keys.create("alice", Role.ADMIN)
        assert (await web.get(OVERVIEW, headers=bearer(key))).status_code == 200
        assert (await web.get("/readyz")).json()["access"] == "credentials"


async def test_nothing_else_speaks() -> None:
    http, _ = guarded(served="open")
    sent: list[object] = []

    async def send(message: object) -> None:
        sent.append(message)

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    await http({"type": "websocket", "path": "/x", "headers": []}, receive, send)
    assert sent == []


async def test_each_decision_is_reported_once() -> None:
    keys = Keys()
    http, decisions = guarded(keys=keys)
    key = await keys.create("alice", Role.VIEWER)
    async with client(http) as web:
        await web.get(OVERVIEW)
        await web.get(OVERVIEW, headers=bearer(key))
        await web.post(ABORT, json={}, headers=bearer(key))
        await web.get(OVERVIEW, headers={**bearer(key), "Host": "evil"})
    shown = [(each.caller and each.caller.name, each.allowed, each.needs, each.address) for each in decisions]
    assert shown == [
        (None, False, None, "10.0.0.9"),
        ("key:alice", True, Role.VIEWER, "10.0.0.9"),
        ("key:alice", False, Role.OPERATOR, "10.0.0.9"),
        (None, False, None, "10.0.0.9"),
    ]
    assert decisions[2].act == "POST /deployment-orchestration/abort/{cluster_name}/{service_name}"
    assert key not in repr(decisions)


def test_of_a_flood_of_refusals_the_log_has_the_beginning_and_the_number() -> None:
    time = [0.0]
    write = DecisionLog(lambda: time[0])
    with structlog.testing.capture_logs() as logs:
        for _ in range(1_000):
            write(Decision(None, "GET /x", allowed=False, why="who are you?"))
        write(Decision(LOOPBACK, "POST /x", allowed=True))
        write(Decision(LOOPBACK, "GET /x", allowed=True))
        time[0] = 61
        write(Decision(None, "GET /x", allowed=False, why="who are you?"))
    assert [line["event"] for line in logs] == [
        *["refused"] * MOST_REFUSALS,
        "allowed",
        "more was refused than was logged",
        "refused",
    ]
    assert logs[-2]["refused"] == 1_000
