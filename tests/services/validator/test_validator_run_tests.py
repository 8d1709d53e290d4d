"""Running the suites: together, each tried again where it fails, within the deadline. Time is the tests' own."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from contracts.policy_tests import API, SMOKE, Tests
from contracts.validator import Suite
from services._chassis.web import Address
from services.validator.domain.facts import NotAsked
from services.validator.domain.results import Answered, Attempt, Silent, TestResult
from services.validator.domain.suites import attempts_of, backoff, timeout_of
from services.validator.domain.weigh import should_continue, weigh
from services.validator.ports import Addresses
from services.validator.run_tests import AT_ONCE, REPEATED, HttpTestRunner
from tests.kit import FakeClock

DEFAULTS = Tests()
HERE = Address("http://service.example")
EVERYWHERE: Addresses = {test.path: HERE for test in SMOKE + API}
RIGHT, WRONG = Answered(200, 0.1), Answered(500, 0.1)


class StepClock(FakeClock):
    """Time passes when everybody waits for it: the earliest sleeper wakes first."""

    def __init__(self) -> None:
        super().__init__(0.0)
        self.slept: list[float] = []
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        sleeper = (self.time + seconds, asyncio.Event())
        self._sleepers.append(sleeper)
        try:
            await sleeper[1].wait()
        finally:
            self._sleepers.remove(sleeper)

    async def run(self) -> None:
        while True:
            for _ in range(20):
                await asyncio.sleep(0)
            if self._sleepers:
                due = min(when for when, _ in self._sleepers)
                self.time = max(self.time, due)
                for when, woken in self._sleepers:
                    if when <= due:
                        woken.set()


@dataclass
class FakeHttp:
    """Gives the ``answers`` of a path in turn, the last one again and again; other paths are well."""

    clock: StepClock
    answers: dict[str, list[Attempt]] = field(default_factory=dict)
    takes: float = 0.0
    asked: list[str] = field(default_factory=list)
    timeouts: set[float] = field(default_factory=set)
    at_once: int = 0
    most_at_once: int = 0

    async def get(self, address: Address, path: str, timeout: float) -> Attempt:  # noqa: ASYNC109
        self.asked.append(path)
        self.timeouts.add(timeout)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.clock.sleep(self.takes) if self.takes else await asyncio.sleep(0)
        finally:
            self.at_once -= 1
        left = self.answers.get(path, [RIGHT])
        return left.pop(0) if len(left) > 1 else left[0]


def no_critical_one_failed(smoke: tuple[TestResult, ...]) -> bool:
    return should_continue(weigh(smoke, None))


async def run(
    http: FakeHttp,
    suites: tuple[Suite, ...] = ("smoke", "api"),
    seconds: float = 600,
    tests: Tests = DEFAULTS,
    *,
    addresses: Addresses = EVERYWHERE,
    go_on: Callable[[tuple[TestResult, ...]], bool] = no_critical_one_failed,
) -> dict[str, tuple[bool | None, int]]:
    """Return ``suite/test`` → (passed, attempts)."""
    ticking = asyncio.create_task(http.clock.run())
    try:
        runner = HttpTestRunner(http, http.clock)
        results = await runner.run(addresses, tests, suites, http.clock.now() + seconds, go_on)
    finally:
        ticking.cancel()
    return {f"{result.suite}/{result.test.name}": (result.passed, len(result.attempts)) for result in results}


def test_how_long_and_how_often_a_test_is_tried() -> None:
    assert (timeout_of(DEFAULTS, "smoke"), timeout_of(DEFAULTS, "api")) == (10, 15)
    assert [attempts_of(DEFAULTS, test) for test in SMOKE] == [4, 4, 4, 2]
    assert [backoff(attempt) for attempt in range(3)] == [1, 2, 4]


async def test_all_tests_of_both_suites_are_run_once_when_all_is_well() -> None:
    http = FakeHttp(StepClock())
    results = await run(http)
    assert len(results) == len(SMOKE) + len(API)
    assert set(results.values()) == {(True, 1)}
    assert Counter(http.asked) == Counter(test.path for test in SMOKE + API)
    assert http.timeouts == {10, 15}


async def test_smoke_comes_first_whatever_was_asked_first_and_at_once() -> None:
    http = FakeHttp(StepClock(), takes=1.0)
    await run(http, ("api", "smoke"))
    assert set(http.asked[: len(SMOKE)]) == {test.path for test in SMOKE}
    assert http.most_at_once >= len(SMOKE)


async def test_a_critical_test_is_tried_four_times_with_growing_pauses() -> None:
    http = FakeHttp(StepClock(), {"/health": [WRONG]})
    results = await run(http, ("smoke",))
    assert results["smoke/health"] == (False, 4)
    assert http.clock.slept[1:] == [1, 2, 4]  # the first is the deadline's
    assert http.clock.time == 7


async def test_another_test_is_tried_twice() -> None:
    results = await run(FakeHttp(StepClock(), {"/docs": [WRONG]}))
    assert results["smoke/documentation"] == (False, 2)
    assert results["api/cases"] == (True, 1)  # and does not stop the rest


async def test_the_first_right_answer_ends_the_trying() -> None:
    results = await run(FakeHttp(StepClock(), {"/health": [WRONG, Silent("no connection"), RIGHT]}))
    assert results["smoke/health"] == (True, 3)
    assert len(results) == len(SMOKE) + len(API)


async def test_a_failed_critical_smoke_test_ends_it() -> None:
    http = FakeHttp(StepClock(), {"/health/ready": [WRONG]})
    results = await run(http)
    assert set(results) == {f"smoke/{test.name}" for test in SMOKE}
    assert "/api/v1/cases" not in http.asked


async def test_past_the_deadline_nothing_is_run() -> None:
    http = FakeHttp(StepClock(), takes=1.0)
    results = await run(http, seconds=-1)
    assert set(results.values()) == {(None, 0)}
    assert len(results) == len(SMOKE) + len(API)


async def test_what_the_deadline_cut_off_is_not_run_and_what_had_failed_has_failed() -> None:
    http = FakeHttp(StepClock(), {"/docs": [WRONG]}, takes=4.0)
    results = await run(http, seconds=6.0)
    assert results["smoke/health"] == (True, 1)
    assert results["smoke/documentation"] == (False, 1)  # its second attempt was under way
    assert results["api/cases"] == (None, 0)
    assert http.at_once == 0  # nothing is left running


async def test_a_fault_of_ours_is_loud() -> None:
    class Broken(FakeHttp):
        async def get(self, address: Address, path: str, timeout: float) -> Attempt:  # noqa: ASYNC109
            raise RuntimeError(path)

    with pytest.raises(ExceptionGroup) as caught:
        await run(Broken(StepClock()), ("smoke",))
    assert caught.group_contains(RuntimeError)


async def test_retries_and_timeouts_are_the_policy_s() -> None:
    http = FakeHttp(StepClock(), {"/health": [WRONG], "/docs": [WRONG]})
    tests = Tests(smoke_timeout_seconds=2, critical_retries=1, other_retries=0)
    results = await run(http, ("smoke",), tests=tests)
    assert (results["smoke/health"], results["smoke/documentation"]) == ((False, 2), (False, 1))
    assert http.timeouts == {2}


async def test_what_leads_to_another_service_is_not_asked_and_stops_nothing() -> None:
    http = FakeHttp(StepClock())
    results = await run(http, addresses={**EVERYWHERE, "/health": NotAsked("another service answers")})
    assert results["smoke/health"] == (None, 0)
    assert len(results) == len(SMOKE) + len(API)
    assert "/health" not in http.asked


async def test_a_baseline_goes_on_whatever_fails() -> None:
    http = FakeHttp(StepClock(), {"/health": [WRONG]})
    results = await run(http, go_on=lambda _: True)
    assert results["smoke/health"] == (False, 4)
    assert results["api/cases"] == (True, 1)


async def test_repeated_tests_are_sent_by_turns_each_once_and_not_after_the_deadline() -> None:
    http = FakeHttp(StepClock(), {"/docs": [RIGHT, WRONG]}, takes=1.0)
    seen = tuple(TestResult("smoke", test, (WRONG, RIGHT)) for test in SMOKE)
    addresses = {**EVERYWHERE, "/api/v1/": NotAsked("a login stands in front of it")}
    ticking = asyncio.create_task(http.clock.run())
    try:
        runner = HttpTestRunner(http, http.clock)
        results = await runner.repeat(addresses, DEFAULTS, seen, 100)
        late = await runner.repeat(addresses, DEFAULTS, seen, http.clock.time)
        none = await runner.repeat(addresses, DEFAULTS, (), 100)
    finally:
        ticking.cancel()
    each = REPEATED // len(SMOKE)
    assert Counter(http.asked) == {"/health": each, "/health/ready": each, "/docs": each}
    assert {len(result.attempts) for result in results} == {1}
    assert sum(result.attempts == (WRONG,) for result in results) == each - 1
    assert http.most_at_once == AT_ONCE
    assert (late, none) == ((), ())
