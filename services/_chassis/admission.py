"""Which HTTP requests are let in: as often as their caller may ask, and as many at a time as can be worked on.

Three middlewares, from the outside: ``InLane`` names the lane of a request (``lanes.py``), slows down an address that
sends too many of any kind, probes included, and counts those whose credentials are refused within; ``Rated`` counts the
others once their caller is known; ``AtOnce`` gives out the places after the body was read, so that a slow body holds
none. Who is refused is answered a second later where it can be held meanwhile: who asks again at once would otherwise
be a flood of refusals.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services._chassis import rates
from services._chassis.callers import address_of, caller_of, is_proven
from services._chassis.http_connections import most_open
from services._chassis.lanes import BY_HAND, REQUESTS, lane
from services._chassis.problems import problem_answer
from services._chassis.rates import RateLimit

LIVENESS = "/livez"
PROBES = frozenset({LIVENESS, "/readyz"})
AT_ONCE: Mapping[str, int] = {REQUESTS: 64, BY_HAND: 16}
"""Lane → requests that are worked on at a time where there are connections enough; one caller has half of them."""
HELD_SECONDS = 1.0
"""Real seconds for which a refusal is held back."""


def places(connections: int) -> dict[str, int]:
    """Return the places of each lane: those of ``AT_ONCE``, but no more than leave connections to the other lanes."""
    return {
        REQUESTS: max(1, min(AT_ONCE[REQUESTS], connections // 4)),
        BY_HAND: max(1, min(AT_ONCE[BY_HAND], connections // 8)),
    }


@dataclass
class Admission:
    """What the middlewares of one process share."""

    proxies: int = 0
    """How many proxies in front are trusted to say who asks."""
    by_hand: tuple[str, ...] = ()
    """What the paths begin with to which people POST who bring a service back."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    limits: Mapping[str, RateLimit] = field(
        default_factory=lambda: {REQUESTS: RateLimit(rates.ORDINARY), BY_HAND: RateLimit(rates.BY_HAND)}
    )
    pace: RateLimit = field(default_factory=lambda: RateLimit(rates.PACE))
    at_once: Mapping[str, int] = field(default_factory=lambda: places(most_open()))
    most_held: int = field(default_factory=lambda: most_open() // 2)
    """How many refusals are held back at a time, half of the connections; others are sent at once and end theirs."""
    held: int = 0

    def lane_of(self, scope: Scope) -> str:
        return BY_HAND if scope["method"] == "POST" and scope["path"].startswith(self.by_hand) else REQUESTS

    def too_many(self, scope: Scope) -> Response | None:
        """Count a request; return the answer for one too many."""
        caller = caller_of(scope, self.proxies)
        wait = self.limits[self.lane_of(scope)].take(caller, proven=is_proven(scope))
        if wait <= 0:
            return None
        answer = problem_answer(429, "Too many requests", "This caller asks too often; ask again later.")
        answer.headers["Retry-After"] = str(math.ceil(wait))
        return answer

    async def slow_down(self, scope: Scope, send: Send) -> Send:
        """Count a request of whatever kind, and hold it back where its address sends too many.

        Return how to send the answer: where too many are held already, as the last one of its connection.
        """
        if self.pace.take(address_of(scope, self.proxies), proven=False) <= 0 or await self.hold_back():
            return send

        async def last(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        return last

    async def refuse(self, answer: Response) -> Response:
        """Return the answer when it is time to send it."""
        if not await self.hold_back():
            answer.headers["Connection"] = "close"
        return answer

    async def hold_back(self) -> bool:
        """Wait a moment; return False, at once, where too many wait already."""
        if self.held >= self.most_held:
            return False
        self.held += 1
        try:
            await self.sleep(HELD_SECONDS)
        finally:
            self.held -= 1
        return True


class InLane:
    """Names the lane of a request, and answers 429 to who sends wrong credentials too often."""

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self._app = app
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            send = await self._admission.slow_down(scope, send)
        if not _counts(scope):
            await self._app(scope, receive, send)
            return
        lane.set(self._admission.lane_of(scope))
        replaced = False

        async def sent(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and message["status"] == 401:
                answer = self._admission.too_many(scope)
                if answer is not None:
                    replaced = True
                    await (await self._admission.refuse(answer))(scope, receive, send)
            if not replaced:
                await send(message)

        await self._app(scope, receive, sent)


class Rated:
    """Answers 429 to who asks too often."""

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self._app = app
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _counts(scope) and (answer := self._admission.too_many(scope)) is not None:
            await (await self._admission.refuse(answer))(scope, receive, send)
            return
        await self._app(scope, receive, send)


class AtOnce:
    """Answers 503 to requests beyond those that can be worked on at a time."""

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self._app = app
        self._admission = admission
        self._at_work: Counter[tuple[str, str]] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _counts(scope):
            await self._app(scope, receive, send)
            return
        name, caller = self._admission.lane_of(scope), caller_of(scope, self._admission.proxies)
        places = ((name, ""), (name, caller))
        most = self._admission.at_once[name]
        if self._at_work[name, ""] >= most or self._at_work[name, caller] >= max(1, most // 2):
            await (await self._admission.refuse(_busy()))(scope, receive, send)
            return
        self._at_work.update(places)
        held = True

        def leave() -> None:
            nonlocal held
            if held:
                held = False
                self._at_work -= Counter(places)  # which drops those that are 0

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.body":
                leave()  # who reads slowly, or follows a stream, takes no place from others
            await send(message)

        try:
            await self._app(scope, receive, sent)
        finally:
            leave()


def _counts(scope: Scope) -> bool:
    """Return whether a request is counted: not the probes, by which the process is known to be alive."""
    return scope["type"] == "http" and scope["path"] not in PROBES


def _busy() -> Response:
    answer = problem_answer(503, "Too much at once", "Too many requests are being worked on; ask again in a moment.")
    answer.headers["Retry-After"] = "1"
    return answer
