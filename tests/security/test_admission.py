"""Who asks too often or too much over HTTP is refused, and takes no place from others."""

import asyncio
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, HTTPException, Response

from services._chassis.access.guard import Access
from services._chassis.access.served import Served
from services._chassis.admission import Admission
from services._chassis.callers import address_of, caller_of
from services._chassis.http import PREFIX, create_http
from services._chassis.http_connections import OpenConnections
from services._chassis.lanes import BY_HAND, REQUESTS, lane
from services._chassis.rates import MOST_CALLERS, Rate, RateLimit, Rates
from services._chassis.shared_reads import SharedReads
from services._chassis.transition import Busy
from tests.kit import JSON

FEW = Rates(proven=Rate(2, 6), address=Rate(1, 3), strangers=Rate(2, 5))
WAYS_BACK = f"{PREFIX}/back/"


def scope(client: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return {"type": "http", "client": client and (client, 1234), "headers": headers}


@pytest.mark.parametrize(
    ("client", "forwarded", "proxies", "address"),
    [
        ("10.0.0.1", ["1.2.3.4"], 0, "10.0.0.1"),  # nobody is trusted to say it
        ("10.0.0.1", ["6.6.6.6, 1.2.3.4"], 1, "1.2.3.4"),  # further left it is the caller's own word
        ("10.0.0.1", ["6.6.6.6", "1.2.3.4"], 1, "1.2.3.4"),  # also in a header of its own
        ("10.0.0.1", ["1.2.3.4, 10.0.0.9"], 2, "1.2.3.4"),
        ("10.0.0.1", ["1.2.3.4"], 2, "10.0.0.1"),  # it came around one of the proxies
        ("10.0.0.1", ["nonsense"], 1, "10.0.0.1"),
        ("10.0.0.1", [""], 1, "10.0.0.1"),
        ("::ffff:10.0.0.1", [], 0, "10.0.0.1"),
        ("2001:db8:1:2:3::4", [], 0, "2001:db8:1:2::/64"),
        ("10.0.0.1", ["[2001:db8:1:2::9]"], 1, "2001:db8:1:2::/64"),
        (None, [], 0, "unknown"),
    ],
)
def test_a_caller_cannot_choose_its_address(
    client: str | None, forwarded: list[str], proxies: int, address: str
) -> None:
    """Field point 63."""
    assert address_of(scope(client, *forwarded), proxies) == address
    assert caller_of({**scope(client, *forwarded), "surefoot.caller": "key:ci"}, proxies) == "caller key:ci"


def taken(limit: RateLimit, caller: str, times: int, *, proven: bool = False) -> int:
    return sum(limit.take(caller, proven=proven) == 0 for _ in range(times))


def test_strangers_have_a_share_that_takes_nothing_from_others() -> None:
    now = 100.0
    limit = RateLimit(FEW, lambda: now)
    assert taken(limit, "a", 10) == 3, "an address has its burst"
    assert taken(limit, "b", 10) == 2, "and all together have theirs"
    assert taken(limit, "c", 10) == 0
    assert taken(limit, "ci", 10, proven=True) == 6, "whoever is known is not affected"
    assert limit.take("a", proven=False) == pytest.approx(1.0)
    now += 1
    assert taken(limit, "a", 10) == 1
    now += 1000
    assert taken(limit, "a", 10) == 3, "a long pause is worth no more than a burst"


def test_one_flooding_address_leaves_a_second_its_rate() -> None:
    now = 100.0
    limit = RateLimit(FEW, lambda: now)
    served = 0
    for _ in range(100):
        now += 1
        taken(limit, "flood", 50)
        served += taken(limit, "calm", 1)
    assert served == 100


def test_what_is_remembered_of_callers_is_bounded() -> None:
    limit = RateLimit(Rates(Rate(1, 2), Rate(1, 2), Rate(1e9, 1e9)), lambda: 1.0)
    for number in range(MOST_CALLERS + 100):
        limit.take(f"address {number}", proven=False)
    assert len(limit._full) == MOST_CALLERS


class Held:
    """A sleep that counts who sleeps, until it is over."""

    def __init__(self) -> None:
        self.sleeping = 0
        self.over = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        del seconds
        self.sleeping += 1
        await self.over.wait()


@asynccontextmanager
async def asking(admission: Admission) -> AsyncIterator[tuple[httpx2.AsyncClient, asyncio.Event, list[str]]]:
    """Yield a client, what ends the slow requests, and the lanes of those that have begun."""

    async def ready() -> dict[str, str]:
        return {}

    http: FastAPI = create_http(ready, admission=admission, access=Access(Served.OPEN))
    over, begun = asyncio.Event(), list[str]()

    @http.get(f"{PREFIX}/slow")
    async def slow() -> str:
        begun.append(lane.get())
        await over.wait()
        return "slow"

    @http.post(f"{PREFIX}/back/{{name}}")
    async def back(name: str) -> str:
        begun.append(lane.get())
        return name

    @http.get(f"{PREFIX}/known")
    async def known() -> str:
        raise HTTPException(401)

    transport = httpx2.ASGITransport(http)
    async with httpx2.AsyncClient(transport=transport, base_url=f"http://t{PREFIX}", headers=JSON) as client:
        yield client, over, begun


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not fact():  # noqa: ASYNC110  lists and counters do not notify
            await asyncio.sleep(0)


async def test_who_asks_too_often_is_held_back_and_told_when_to_come_again() -> None:
    held = Held()
    limits = {REQUESTS: RateLimit(FEW, lambda: 1.0), BY_HAND: RateLimit(FEW, lambda: 1.0)}
    admission = Admission(by_hand=(WAYS_BACK,), sleep=held, limits=limits)
    async with asking(admission) as (client, over, _):
        over.set()
        assert [(await client.get("/slow")).status_code for _ in range(3)] == [200] * 3
        refused = asyncio.create_task(client.get("/slow"))
        await until(lambda: held.sleeping == 1)
        assert (await client.post("/back/a")).status_code == 200, "a way back has a share of its own"
        assert (await client.get("http://t/livez")).status_code == 200, "and probes are not counted"
        held.over.set()
        answer = await refused
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == 429


async def test_an_address_that_sends_too_many_is_slowed_down_and_probes_are_answered_all_the_same() -> None:
    held = Held()
    admission = Admission(sleep=held, pace=RateLimit(FEW, lambda: 1.0))
    async with asking(admission) as (client, _, _):
        assert [(await client.get("http://t/livez")).status_code for _ in range(3)] == [200] * 3
        slow = asyncio.create_task(client.get("http://t/livez"))
        await until(lambda: held.sleeping == 1)
        admission.held = admission.most_held
        answer = await client.get("http://t/livez")
        assert (answer.status_code, answer.headers["Connection"]) == (200, "close"), "it has to come in anew"
        held.over.set()
        assert "Connection" not in (await slow).headers


async def test_wrong_credentials_count_as_well() -> None:
    limits = {REQUESTS: RateLimit(Rates(Rate(1, 99), Rate(1, 6), Rate(1, 99)), lambda: 1.0)}
    held = Held()
    held.over.set()
    async with asking(Admission(sleep=held, limits=limits)) as (client, _, _):
        # here each counts twice: once as a stranger's request, and once as a refused credential
        assert [(await client.get("/known")).status_code for _ in range(4)] == [401, 401, 401, 429]
        assert held.sleeping == 1


async def test_no_more_are_worked_on_at_a_time_than_there_is_room_for() -> None:
    held = Held()
    held.over.set()
    admission = Admission(by_hand=(WAYS_BACK,), sleep=held, at_once={REQUESTS: 4, BY_HAND: 2})
    async with asking(admission) as (client, over, begun):
        first = [asyncio.create_task(client.get("/slow")) for _ in range(2)]
        await until(lambda: len(begun) == 2)
        refused = await client.get("/slow")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1"), "one caller has half of the places"
        other = {"x-forwarded-for": "1.2.3.4"}
        admission.proxies = 1
        second = [asyncio.create_task(client.get("/slow", headers=other)) for _ in range(2)]
        await until(lambda: len(begun) == 4)
        assert (await client.get("/slow", headers={"x-forwarded-for": "1.2.3.5"})).status_code == 503
        assert (await client.post("/back/a")).status_code == 200
        assert begun == [REQUESTS] * 4 + [BY_HAND]
        over.set()
        assert [answer.status_code for answer in await asyncio.gather(*first, *second)] == [200] * 4
        assert (await client.get("/slow")).status_code == 200, "the places are free again"


async def test_so_many_refusals_are_held_back_and_no_more() -> None:
    held = Held()
    admission = Admission(sleep=held)
    waiting = [asyncio.create_task(admission.hold_back()) for _ in range(admission.most_held)]
    await until(lambda: held.sleeping == admission.most_held)
    async with asyncio.timeout(10):
        assert (await admission.refuse(Response())).headers["Connection"] == "close", "at once"
        held.over.set()
        await asyncio.gather(*waiting)
    assert admission.held == 0


@pytest.mark.parametrize(
    ("descriptors", "connections", "held", "places"),
    [
        (64, 32, 16, (8, 4)),
        (3, 1, 0, (1, 1)),
        (256, 128, 64, (32, 16)),
        (1024, 512, 256, (64, 16)),
        (resource.RLIM_INFINITY, 512, 256, (64, 16)),
    ],
)
def test_with_few_descriptors_neither_refusals_nor_requests_take_all_connections(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, connections: int, held: int, places: tuple[int, int]
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (descriptors, descriptors))
    admission = Admission()
    assert (OpenConnections().most, admission.most_held) == (connections, held)
    assert (admission.at_once[REQUESTS], admission.at_once[BY_HAND]) == places


async def test_what_is_being_read_is_read_once_for_all_who_ask() -> None:
    reads: SharedReads[int] = SharedReads("lists", most=2)
    over, begun = asyncio.Event(), list[str]()

    async def read(name: str) -> int:
        begun.append(name)
        await over.wait()
        return len(begun)

    asked = [asyncio.create_task(reads.read(name, lambda name=name: read(name))) for name in "aaaab"]  # type: ignore[misc]
    await until(lambda: len(begun) == 2)
    asked[0].cancel()  # who asked first has gone
    with pytest.raises(Busy, match="2 lists are being read"):
        await reads.read("c", lambda: read("c"))
    over.set()
    assert await asyncio.gather(*asked[1:]) == [2, 2, 2, 2]
    assert begun == ["a", "b"]
    assert await reads.read("a", lambda: read("a")) == 3, "nothing is kept"
