"""The continuous checks of a target, look by look."""

from typing import Any

from contracts.base import Target
from contracts.gates import Verdict
from contracts.health import CheckFailed, StartHealthChecks
from contracts.policy import Health, ServicePolicy
from services._chassis.transition import Timer
from services.health import handlers
from services.health.domain.observed import Answer, Evidence
from services.health.jobs.check import CheckOnce
from tests.kit import FakeClock, FakePolicies, FakeRunning, events
from tests.services.health.harness import (
    META,
    NOW,
    TARGET,
    Decided,
    FakeExaminer,
    evidence,
)


class Continuous:
    """The continuous checks of one target, driven by hand."""

    def __init__(self) -> None:
        self.clock, self.policies = FakeClock(NOW), FakePolicies()
        self.store = Decided(self.clock)

    async def start(self) -> Timer:
        command = StartHealthChecks(target=TARGET, run_id="run-1")
        decision = await self.store.apply(await handlers.start_health_checks(command, META, clock=self.clock))
        (answer,), (timer,) = events(decision), decision.timers
        assert (answer.verdict, answer.gates[0].name) == (Verdict.PASS, "health_checks_enabled")
        assert timer.due == NOW
        return timer

    async def fire(self, timer: Timer) -> Any:
        self.clock.time = timer.due
        return await self.store.apply(await handlers.check_due(timer, clock=self.clock, policies=self.policies))

    async def look(self, job: Any, found: Evidence) -> list[Any]:
        running = FakeRunning(job.payload, id=job.id, kind=job.kind)
        transition = await CheckOnce(FakeExaminer(found), self.policies, self.clock)(running)
        return events(await self.store.apply(transition))

    async def round(self, timer: Timer, found: Evidence) -> tuple[Timer | None, list[Any]]:
        fired = await self.fire(timer)
        (job,) = fired.jobs
        return next(iter(fired.timers), None), await self.look(job, found)


async def test_checks_go_on_and_tell_only_what_changed() -> None:
    checks = Continuous()
    timer: Any = await checks.start()
    timer, emitted = await checks.round(timer, evidence())
    assert [type(event).__name__ for event in emitted] == ["HealthScored"]
    assert timer.due == NOW + 30
    timer, emitted = await checks.round(timer, evidence())
    assert emitted == []
    broken = evidence(ready=Answer(503, {"database": False, "redis": True}))
    timer, emitted = await checks.round(timer, broken)
    scored, failed = emitted
    assert (scored.low, scored.rating) == (60, "poor")
    assert isinstance(failed, CheckFailed)
    assert (failed.check, failed.level, failed.critical) == ("database", "basic", True)
    timer, emitted = await checks.round(timer, broken)
    assert emitted == []
    timer, emitted = await checks.round(timer, evidence())
    assert [event.rating for event in emitted] == ["excellent"]
    timer, emitted = await checks.round(timer, broken)
    assert len(emitted) == 2
    assert len({emission.id for decision in checks.store.decisions for emission in decision.emit}) == 7


async def test_a_score_that_stays_the_same_is_repeated_every_quarter_of_an_hour() -> None:
    checks = Continuous()
    timer: Any = await checks.start()
    published = []
    for _ in range(62):
        timer, emitted = await checks.round(timer, evidence())
        published += [(checks.clock.time - NOW, type(event).__name__) for event in emitted]
    assert published == [(0, "HealthScored"), (900, "HealthScored"), (1800, "HealthScored")]


async def test_a_look_under_way_is_waited_for_but_not_for_ever() -> None:
    checks = Continuous()
    fired = await checks.fire(await checks.start())
    assert len(fired.jobs) == 1
    jobs = 0
    for _ in range(4):
        fired = await checks.fire(fired.timers[0])
        jobs += len(fired.jobs)
    assert jobs == 1
    assert checks.clock.time == NOW + 120


async def test_a_service_that_is_gone_is_told_and_checked_no_more() -> None:
    checks = Continuous()
    timer, emitted = await checks.round(await checks.start(), Evidence(None))
    assert [type(event).__name__ for event in emitted] == ["HealthScored", "CheckFailed"]
    assert emitted[1].check == "service"
    assert timer is not None
    fired = await checks.fire(timer)
    assert (fired.jobs, fired.timers) == ((), ())


async def test_starting_twice_changes_nothing() -> None:
    checks = Continuous()
    await checks.round(await checks.start(), evidence())
    _, emitted = await checks.round(await checks.start(), evidence())
    assert emitted == []


async def test_a_new_policy_holds_from_the_next_look_on() -> None:
    checks = Continuous()
    checks.policies.reload(ServicePolicy(target=TARGET, health=Health(interval_seconds=300)))
    timer: Any
    timer, _ = await checks.round(await checks.start(), evidence())
    assert timer.due == NOW + 300
    checks.policies.reload(ServicePolicy(target=TARGET, health=Health(interval_seconds=20, cpu_percent=20)))
    timer, emitted = await checks.round(timer, evidence())
    assert timer.due == NOW + 320
    assert [event.check for event in emitted if isinstance(event, CheckFailed)] == ["cpu"]


async def test_a_service_that_the_policy_refuses_is_not_looked_at_until_it_is_listed_again() -> None:
    class Refusing(FakePolicies):
        def of(self, target: Target) -> ServicePolicy:
            raise LookupError("it is not listed in the policy")

    checks = Continuous()
    timer = await checks.start()
    allowed, checks.policies = checks.policies, Refusing()
    fired = await checks.fire(timer)
    assert (fired.jobs, len(fired.timers)) == ((), 1)
    checks.policies = allowed
    assert len((await checks.fire(fired.timers[0])).jobs) == 1
