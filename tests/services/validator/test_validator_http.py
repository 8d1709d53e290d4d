"""Requests over a real socket: a server on the loopback that misbehaves on demand."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr

from services._chassis.web import Address, Web
from services.validator.adapters.http import AGENT, WireHttp
from services.validator.domain.results import Answered, Silent, Unreachable

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
Behave = Callable[[asyncio.StreamWriter], Awaitable[None]]


def answer_with(answer: bytes) -> Behave:
    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return behave


def redirect(location: str) -> Behave:
    return answer_with(f"HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n".encode())


async def hang(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def trickle(writer: asyncio.StreamWriter) -> None:
    """Send a byte now and then: each read is quick, the whole is not."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.02)


async def pour(writer: asyncio.StreamWriter) -> None:
    """Send a body without end."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


class AnyTime(float):
    """Equals any duration."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, float)

    __hash__ = float.__hash__


def answered(status: int, *, leads_away: bool = False) -> Answered:
    return Answered(status, AnyTime(), leads_away)


@dataclass
class Site:
    pages: dict[str, Behave] = field(default_factory=dict)
    heads: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            await self.pages[head.split(" ")[1]](writer)
        except (ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site({"/ok": answer_with(OK)})
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.create_task(site.serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    site.port = server.sockets[0].getsockname()[1]
    yield site
    server.close()
    for connection in connections:
        connection.cancel()
    await asyncio.gather(*connections, return_exceptions=True)


@pytest.fixture
async def http() -> AsyncIterator[WireHttp]:
    web = Web(AGENT)
    yield WireHttp(web)
    await web.close()


async def test_an_answer_has_a_status_and_a_time(site: Site, http: WireHttp) -> None:
    site.pages["/bad"] = answer_with(b"HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n")
    first = await http.get(Address(site.url), "/ok", 5)
    assert isinstance(first, Answered)
    assert first.status == 200
    assert 0 < first.seconds < 5
    second = await http.get(Address(site.url), "/bad", 5)
    assert isinstance(second, Answered)
    assert second.status == 503
    assert "user-agent: surefoot-validator" in site.heads[0].lower()


@pytest.mark.parametrize("behave", [hang, trickle])
async def test_the_timeout_is_of_the_whole_attempt(site: Site, http: WireHttp, behave: Behave) -> None:
    site.pages["/slow"] = behave
    assert await http.get(Address(site.url), "/slow", 0.2) == Silent("no answer in 0.2 s")


async def test_a_body_without_end_is_cut(site: Site, http: WireHttp) -> None:
    site.pages["/endless"] = pour
    answer = await http.get(Address(site.url), "/endless", 20)
    assert isinstance(answer, Answered)  # it would never come to an end
    assert answer.status == 200


async def test_nobody_there(http: WireHttp) -> None:
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    nobody = f"http://127.0.0.1:{port}"
    assert await http.get(Address(nobody), "/", 5) == Unreachable("no connection")
    assert await http.get(Address(nobody, internal="court"), "/", 5) == Unreachable(
        "no connection to the internal load balancer court", internal=True
    )


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-secret-banner\r\n\r\n", b"HTTP/1.1 20"])
async def test_what_is_no_http_is_no_answer_and_is_not_quoted(site: Site, http: WireHttp, answer: bytes) -> None:
    site.pages["/odd"] = answer_with(answer)
    attempt = await http.get(Address(site.url), "/odd", 5)
    assert isinstance(attempt, Silent)
    assert attempt.reason == "no answer: RemoteProtocolError"


async def test_redirects_are_followed_within_the_host(site: Site, http: WireHttp) -> None:
    site.pages |= {"/a": redirect("/b"), "/b": redirect(f"{site.url}/ok")}
    attempt = await http.get(Address(site.url), "/a", 5)
    assert isinstance(attempt, Answered)
    assert attempt.status == 200


@pytest.mark.parametrize(
    ("location", "away"),
    [
        ("http://localhost:1/ok", True),
        ("//example.org/ok", True),
        ("ftp://127.0.0.1/ok", False),
        ("http://[::1", False),
        ("file:///etc/passwd", False),
    ],
)
async def test_redirects_away_are_not_followed(site: Site, http: WireHttp, location: str, away: bool) -> None:
    site.pages["/away"] = redirect(location)
    attempt = await http.get(Address(site.url), "/away", 5)
    assert isinstance(attempt, Answered)
    assert (attempt.status, attempt.leads_away) == (302, away)


async def test_a_circle_of_redirects_ends(site: Site, http: WireHttp) -> None:
    site.pages["/round"] = redirect("/round")
    attempt = await http.get(Address(site.url), "/round", 5)
    assert isinstance(attempt, Answered)
    assert attempt.status == 302
    assert len(site.heads) == 4


async def test_the_host_of_the_rule_is_sent_and_its_redirects_stay_at_the_load_balancer(
    site: Site, http: WireHttp
) -> None:
    site.pages["/docs"] = redirect("http://cases.example/ok")
    attempt = await http.get(Address(site.url, host="cases.example"), "/docs", 5)
    assert isinstance(attempt, Answered)
    assert attempt.status == 200
    assert all("host: cases.example\r\n" in head.lower() for head in site.heads)
    assert len(site.heads) == 2


PROBE = {"x-probe": SecretStr("s3cret-probe")}


def carried(head: str) -> bool:
    return "x-probe: s3cret-probe\r\n" in head.lower()


async def test_headers_are_sent_to_the_address_and_along_its_own_redirects(site: Site, http: WireHttp) -> None:
    site.pages["/a"] = redirect("/ok")
    assert await http.get(Address(site.url, headers=PROBE), "/a", 5) == answered(200)
    assert [carried(head) for head in site.heads] == [True, True]


async def test_headers_do_not_follow_to_another_port_of_the_host(site: Site, http: WireHttp) -> None:
    other = Site({"/ok": answer_with(OK)})
    server = await asyncio.start_server(other.serve, "127.0.0.1", 0)
    other.port = server.sockets[0].getsockname()[1]
    site.pages["/a"] = redirect(f"{other.url}/ok")
    assert await http.get(Address(site.url, headers=PROBE), "/a", 5) == answered(200)
    server.close()
    assert carried(site.heads[0])
    assert [carried(head) for head in other.heads] == [False]


async def test_another_host_is_not_asked_at_all(site: Site, http: WireHttp) -> None:
    site.pages["/a"] = redirect(f"http://localhost:{site.port}/ok")
    assert await http.get(Address(site.url, headers=PROBE), "/a", 5) == answered(302, leads_away=True)
    assert len(site.heads) == 1


async def test_a_header_s_value_is_in_no_text(site: Site) -> None:
    address = Address(site.url, headers=PROBE)
    assert "s3cret-probe" not in f"{address!r} {address}"


async def test_a_rule_s_query_is_sent(site: Site, http: WireHttp) -> None:
    site.pages["/ok?tenant=a"] = answer_with(OK)
    assert await http.get(Address(site.url, query="tenant=a"), "/ok", 5) == answered(200)
