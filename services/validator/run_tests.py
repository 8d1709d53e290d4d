"""Runs the tests: all of a suite at the same time, each tried again where it fails, until the deadline."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from contracts.policy import HttpTest, Tests
from contracts.validator import Suite
from services._chassis.clock import Clock
from services._chassis.web import Address
from services.validator.domain.judge import Attempt, TestResult, as_expected, should_continue
from services.validator.domain.suites import attempts_of, backoff, in_order, tests_of, timeout_of
from services.validator.ports import Http

AT_ONCE = 8
"""The most requests in flight: they test the application, and must not load it."""

Attempts = list[tuple[HttpTest, list[Attempt]]]
"""The tests of a suite, each with its attempts so far."""


@dataclass(frozen=True, slots=True)
class HttpTestRunner:
    """The port ``SuiteRunner``, over the port ``Http``."""

    http: Http
    clock: Clock

    async def run(
        self, address: Address, tests: Tests, suites: Collection[Suite], deadline: float
    ) -> tuple[TestResult, ...]:
        begun: dict[Suite, Attempts] = {
            suite: [(test, []) for test in tests_of(tests, suite)] for suite in in_order(suites)
        }
        work = asyncio.create_task(_TestRun(self.http, self.clock, address, tests).run(begun))
        time_is_up = asyncio.create_task(self.clock.sleep(deadline - self.clock.now()))
        try:
            await asyncio.wait({work, time_is_up}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()  # raises only where our own code failed
        finally:
            work.cancel()
            time_is_up.cancel()
            await asyncio.gather(work, time_is_up, return_exceptions=True)
        smoke = _results("smoke", begun.get("smoke", []))
        if not should_continue(smoke):
            return smoke
        return tuple(result for suite, attempts in begun.items() for result in _results(suite, attempts))


@dataclass(frozen=True, slots=True)
class _TestRun:
    http: Http
    clock: Clock
    address: Address
    tests: Tests

    async def run(self, begun: Mapping[Suite, Attempts]) -> None:
        slots = asyncio.Semaphore(AT_ONCE)
        for suite, of_suite in begun.items():
            async with asyncio.TaskGroup() as group:
                for test, attempts in of_suite:
                    group.create_task(self._try(suite, test, attempts, slots))
            if suite == "smoke" and not should_continue(_results(suite, of_suite)):
                return

    async def _try(self, suite: Suite, test: HttpTest, attempts: list[Attempt], slots: asyncio.Semaphore) -> None:
        for number in range(attempts_of(self.tests, test)):
            if number:
                await self.clock.sleep(backoff(number - 1))
            async with slots:
                attempt = await self.http.get(self.address, test.path, timeout_of(self.tests, suite))
            attempts.append(attempt)
            if as_expected(test, attempt):
                return


def _results(suite: Suite, begun: Attempts) -> tuple[TestResult, ...]:
    return tuple(TestResult(suite, test, tuple(attempts)) for test, attempts in begun)
