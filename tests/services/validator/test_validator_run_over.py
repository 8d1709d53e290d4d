"""A run that is over ends its tests; each command still has its one answer."""

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest

from contracts.base import Event, Target
from contracts.deployment import Cause, DeploymentFinished, Outcome
from contracts.envelope import Meta
from contracts.gates import Verdict
from contracts.policy_tests import SMOKE, Tests
from contracts.recovery import RollbackStarted
from contracts.results import StepFinished
from contracts.validator import Suite, ValidateDeployment
from services._chassis.clock import Pace, PacedClock
from services._chassis.jobs import Executor
from services._chassis.policies import BuiltInPolicies
from services.validator.domain.facts import Absent, LiveService
from services.validator.domain.results import TestResult
from services.validator.domain.validations import MOST_ENDED, Validations, validations_key
from services.validator.handlers import run_over, validate_deployment
from services.validator.jobs.service_tests import ServiceTests
from services.validator.jobs.validate import VALIDATION, Validate
from services.validator.ports import Addresses
from tests.kit import memory_store, published
from tests.services.validator.harness import FakeApplications, FakeDatabases

NOW = datetime(2026, 1, 12, 14, 30, tzinfo=UTC)
TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")
COMMAND = ValidateDeployment(target=TARGET, run_id="run-1", deadline=NOW + timedelta(days=1))
FINISHED = DeploymentFinished(target=TARGET, run_id="run-1", outcome=Outcome.ABORTED, reason="", seconds=60)
ROLLBACK = RollbackStarted(target=TARGET, run_id="run-1", rollback_id="rb", trigger="alert", snapshot_id="s")
OVER = pytest.mark.parametrize("over", [FINISHED, ROLLBACK], ids=["finished", "rolling-back"])


class NothingAgain:
    async def repeat(
        self, addresses: Addresses, tests: Tests, results: Collection[TestResult], deadline: float
    ) -> tuple[TestResult, ...]:
        assert not results
        return ()


class EndlessTests(NothingAgain):
    """Sends requests without end, one in each turn of the event loop."""

    def __init__(self) -> None:
        self.requests = self.under_way = 0
        self.began = asyncio.Event()

    async def run(
        self, addresses: Addresses, tests: Tests, suites: Collection[Suite], deadline: float, go_on: object
    ) -> tuple[TestResult, ...]:
        self.under_way += 1
        try:
            while True:
                self.requests += 1
                self.began.set()
                await asyncio.sleep(0)
        finally:
            self.under_way -= 1


class QuickTests(NothingAgain):
    async def run(
        self, addresses: Addresses, tests: Tests, suites: Collection[Suite], deadline: float, go_on: object
    ) -> tuple[TestResult, ...]:
        return tuple(TestResult("smoke", test) for test in SMOKE)


class Services:
    async def service(self, target: Target) -> LiveService:
        return LiveService(task_definition="api:1", target_groups=("tg",))

    async def task_definition(self, target: Target, name: str) -> Absent:
        raise AssertionError(name)


class World:
    def __init__(self, runner: EndlessTests | QuickTests) -> None:
        self.store = memory_store("validator", PacedClock(Pace()))
        self.work = Validate(
            ServiceTests(Services(), FakeApplications(), FakeDatabases(), runner, PacedClock(Pace())), BuiltInPolicies()
        )
        self.executor = Executor(self.store, {VALIDATION: self.work}, lease=0.3, slots=1)

    async def deliver(self, event: Event, id_: str) -> None:
        meta = Meta(id=id_, source="test", time=NOW)
        match event:
            case ValidateDeployment():
                transition = await validate_deployment(event, meta)
            case DeploymentFinished() | RollbackStarted():
                over = await run_over(event, meta)
                assert over is not None
                transition = over
            case _:
                raise AssertionError(event)
        await self.store.apply(transition, cause=id_)

    def answers(self) -> list[StepFinished]:
        return [envelope.event for envelope in published(self.store) if isinstance(envelope.event, StepFinished)]

    async def validations(self) -> Validations:
        return Validations.from_bytes(await self.store.load(validations_key(TARGET)))


@OVER
async def test_no_request_is_sent_for_a_run_that_is_over(over: Event) -> None:
    tests = EndlessTests()
    world = World(tests)
    await world.deliver(COMMAND, "command-1")
    job = await world.executor.claim()
    assert job is not None
    at_work = asyncio.create_task(world.executor.work(job))
    await asyncio.wait_for(tests.began.wait(), 10)
    await world.deliver(over, "over")
    await asyncio.wait_for(at_work, 10)
    assert tests.under_way == 0, "its requests have ended with it"
    (answer,) = world.answers()
    assert (answer.command_id, answer.step) == ("command-1", "validate-deployment")
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.REFUSED)
    assert await world.executor.claim() is None


@OVER
async def test_a_command_that_comes_after_the_end_of_its_run_sends_nothing(over: Event) -> None:
    tests = EndlessTests()
    world = World(tests)
    await world.deliver(over, "over")
    await world.deliver(COMMAND, "command-1")
    assert await world.executor.claim() is None
    assert [answer.cause for answer in world.answers()] == [Cause.REFUSED]
    assert tests.requests == 0


async def test_tests_that_end_at_the_same_moment_do_not_answer_a_second_time() -> None:
    world = World(QuickTests())
    await world.deliver(COMMAND, "command-1")
    job = await world.executor.claim()
    assert job is not None
    late = await world.work(job)
    await world.deliver(ROLLBACK, "rollback")
    await world.deliver(FINISHED, "finished")
    await world.store.apply(late, cause="late")
    assert [answer.cause for answer in world.answers()] == [Cause.REFUSED]


async def test_a_validation_that_has_answered_is_not_answered_again_at_the_end() -> None:
    world = World(QuickTests())
    await world.deliver(COMMAND, "command-1")
    job = await world.executor.claim()
    assert job is not None
    await world.executor.work(job)
    await world.deliver(FINISHED, "finished")
    assert len(world.answers()) == 1
    assert (await world.validations()).commands == {}


async def test_the_end_of_another_run_ends_nothing() -> None:
    world = World(QuickTests())
    await world.deliver(COMMAND, "command-1")
    await world.deliver(FINISHED.model_copy(update={"run_id": "run-0"}), "over")
    assert await world.executor.claim() is not None
    assert world.answers() == []


async def test_a_rollback_by_hand_belongs_to_no_run() -> None:
    by_hand = ROLLBACK.model_copy(update={"run_id": None})
    assert await run_over(by_hand, Meta(id="1", source="test", time=NOW)) is None


def test_the_ends_of_a_few_runs_are_remembered() -> None:
    validations = Validations()
    for run in [*map(str, range(20)), "19"]:
        validations = validations.run_over(run)
    assert validations.ended == tuple(map(str, range(20 - MOST_ENDED, 20)))
