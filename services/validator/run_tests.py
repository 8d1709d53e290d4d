"""Runs the tests: all of a suite at the same time, each tried again where it fails, until the deadline."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import ceil

from contracts.policy_tests import HttpTest, Tests
from contracts.validator import Suite
from services._chassis.clock import Clock
from services.validator.domain.facts import NotAsked
from services.validator.domain.results import Attempt, TestResult, as_expected
from services.validator.domain.suites import attempts_of, backoff, in_order, tests_of, timeout_of
from services.validator.ports import Addresses, Http

AT_ONCE = 8
"""The most requests in flight: they test the application, and must not load it."""

REPEATED = 40
"""The requests by which the share of those that fail is measured, where a test has stumbled: of 40, an error rate of
50 % shows beyond chance, and one of 2 % shows none or two."""

Attempts = list[tuple[HttpTest, list[Attempt]]]
"""The tests of a suite, each with its attempts so far."""


GoOn = Callable[[tuple[TestResult, ...]], bool]
"""Whether the other suites are worth running after these smoke tests."""


@dataclass(frozen=True, slots=True)
class HttpTestRunner:
    """The port ``SuiteRunner``, over the port ``Http``."""

    http: Http
    clock: Clock

    async def run(
        self, addresses: Addresses, tests: Tests, suites: Collection[Suite], deadline: float, go_on: GoOn
    ) -> tuple[TestResult, ...]:
        begun: dict[Suite, Attempts] = {
            suite: [(test, []) for test in tests_of(tests, suite)] for suite in in_order(suites)
        }
        run = _TestRun(self.http, self.clock, addresses, tests, go_on)
        work = asyncio.create_task(run.run(begun))
        time_is_up = asyncio.create_task(self.clock.sleep(deadline - self.clock.now()))
        try:
            await asyncio.wait({work, time_is_up}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()  # raises only where our own code failed
        finally:
            work.cancel()
            time_is_up.cancel()
            await asyncio.gather(work, time_is_up, return_exceptions=True)
        smoke = run.results("smoke", begun.get("smoke", []))
        if not go_on(smoke):
            return smoke
        return tuple(result for suite, attempts in begun.items() for result in run.results(suite, attempts))

    async def repeat(
        self, addresses: Addresses, tests: Tests, results: Collection[TestResult], deadline: float
    ) -> tuple[TestResult, ...]:
        slots, seen = asyncio.Semaphore(AT_ONCE), list[TestResult]()

        async def send(suite: Suite, test: HttpTest) -> None:
            address = addresses[test.path]
            async with slots:
                if not isinstance(address, NotAsked) and self.clock.now() < deadline:
                    attempt = await self.http.get(address, test.path, timeout_of(tests, suite))
                    seen.append(TestResult(suite, test, (attempt,)))

        rounds = ceil(REPEATED / len(results)) if results else 0
        await asyncio.gather(*(send(result.suite, result.test) for _ in range(rounds) for result in results))
        return tuple(seen)


@dataclass(frozen=True, slots=True)
class _TestRun:
    http: Http
    clock: Clock
    addresses: Addresses
    tests: Tests
    go_on: GoOn

    async def run(self, begun: Mapping[Suite, Attempts]) -> None:
        slots = asyncio.Semaphore(AT_ONCE)
        for suite, of_suite in begun.items():
            async with asyncio.TaskGroup() as group:
                for test, attempts in of_suite:
                    group.create_task(self._try(suite, test, attempts, slots))
            if suite == "smoke" and not self.go_on(self.results(suite, of_suite)):
                return

    async def _try(self, suite: Suite, test: HttpTest, attempts: list[Attempt], slots: asyncio.Semaphore) -> None:
        address = self.addresses[test.path]
        if isinstance(address, NotAsked):
            return
        for number in range(attempts_of(self.tests, test)):
            if number:
                await self.clock.sleep(backoff(number - 1))
            async with slots:
                attempt = await self.http.get(address, test.path, timeout_of(self.tests, suite))
            attempts.append(attempt)
            if as_expected(test, attempt):
                return

    def results(self, suite: Suite, begun: Attempts) -> tuple[TestResult, ...]:
        return tuple(TestResult(suite, test, tuple(attempts), self._not_asked(test)) for test, attempts in begun)

    def _not_asked(self, test: HttpTest) -> str:
        address = self.addresses[test.path]
        return address.why if isinstance(address, NotAsked) else ""
