"""Runs the tests: all of a suite at once, stubbornly, within the deadline."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from contracts.validator import Suite
from services._chassis.clock import Clock
from services.validator.domain.judge import Attempt, Tried, may_go_on, right
from services.validator.domain.suites import HttpTest, Stubbornness, backoff
from services.validator.ports import Address, Http

AT_ONCE = 8
"""Requests in flight: proof, not load."""


@dataclass(frozen=True, slots=True)
class StubbornProbes:
    http: Http
    clock: Clock
    tests: Mapping[Suite, tuple[HttpTest, ...]]
    stubbornness: Stubbornness = field(default_factory=Stubbornness)

    async def run(self, address: Address, suites: Collection[Suite], deadline: float) -> tuple[Tried, ...]:
        sheets = {suite: [(test, list[Attempt]()) for test in self.tests[suite]] for suite in order(suites)}
        work = asyncio.create_task(self._work(address, sheets))
        bell = asyncio.create_task(self.clock.sleep(deadline - self.clock.now()))
        try:
            await asyncio.wait({work, bell}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()  # a fault of ours is loud
        finally:
            work.cancel()
            bell.cancel()
            await asyncio.gather(work, bell, return_exceptions=True)
        smoke = _tried("smoke", sheets.get("smoke", []))
        if not may_go_on(smoke):
            return smoke
        return tuple(one for suite, sheet in sheets.items() for one in _tried(suite, sheet))

    async def _work(self, address: Address, sheets: Mapping[Suite, "Sheet"]) -> None:
        turns = asyncio.Semaphore(AT_ONCE)
        for suite, sheet in sheets.items():
            async with asyncio.TaskGroup() as group:
                for test, attempts in sheet:
                    group.create_task(self._try(address, suite, test, attempts, turns))
            if suite == "smoke" and not may_go_on(_tried(suite, sheet)):
                return

    async def _try(
        self, address: Address, suite: Suite, test: HttpTest, attempts: list[Attempt], turns: asyncio.Semaphore
    ) -> None:
        for number in range(self.stubbornness.attempts(test)):
            if number:
                await self.clock.sleep(backoff(number - 1))
            async with turns:
                attempt = await self.http.get(address, test.path, self.stubbornness.timeout(suite))
            attempts.append(attempt)
            if right(test, attempt):
                return


Sheet = list[tuple[HttpTest, list[Attempt]]]


def order(suites: Collection[Suite]) -> tuple[Suite, ...]:
    """Smoke first, whatever the order asked for."""
    known: tuple[Suite, ...] = ("smoke", "api")
    return tuple(suite for suite in known if suite in suites)


def _tried(suite: Suite, sheet: Sheet) -> tuple[Tried, ...]:
    return tuple(Tried(suite, test, tuple(attempts)) for test, attempts in sheet)
