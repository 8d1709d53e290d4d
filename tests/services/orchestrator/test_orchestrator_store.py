"""The orchestrator on the real store: wired as the chassis wires it, its timers fired as the chassis fires them."""

from typing import Any

import pytest

from contracts.deployment import DeployRequested
from contracts.envelope import Meta
from contracts.topics import Party
from services._chassis.service import Platform, Service
from services._chassis.store import Applied, RedisStore
from services._chassis.timers import Timers
from services.orchestrator.app import create_app
from services.orchestrator.domain.course import Course
from services.orchestrator.domain.limits import RECONCILE
from services.orchestrator.settings import Settings
from tests.kit import FakeClock, ScriptedAws
from tests.services.orchestrator.harness import START, TARGET, asked, at, run_id_of


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def store(redis: Any, clock: FakeClock) -> RedisStore:
    return RedisStore(redis, "orchestrator", clock)


@pytest.fixture
def service(store: RedisStore, clock: FakeClock) -> Service:
    settings = Settings(aws_account=TARGET.account, aws_region=TARGET.region)
    return create_app(settings, Platform(store, clock, ScriptedAws()))  # nothing may be asked


async def topics(store: RedisStore) -> list[str]:
    entries = await store.redis.xrange(store.key("outbox"))
    return [fields[b"topic"].decode() for _, fields in entries]


async def test_a_run_starts_once_and_its_timers_keep_it_going(
    service: Service, store: RedisStore, clock: FakeClock
) -> None:
    assert service.name == Party.ORCHESTRATOR
    meta = Meta(id="1", source="ci", time=at(START))
    transition = await service.handlers[DeployRequested](asked(), meta)
    assert transition is not None
    assert (await store.apply(transition, cause="ci#1")).applied is Applied.APPLIED
    said = await topics(store)
    assert (await store.apply(transition, cause="ci#1")).applied is Applied.IGNORED
    assert await topics(store) == said
    commands = [topic for topic in said if topic.endswith("commands.v1")]
    assert set(commands) == {
        "diagnostics.commands.v1",
        "health.commands.v1",
        "monitor.commands.v1",
        "recovery.commands.v1",
        "validator.commands.v1",
    }
    assert said.count("deployment.events.v1") == 2

    timers = Timers(store, clock, service.timers)
    clock.time += RECONCILE
    (due,) = await timers.due()
    await timers.fire(due)
    await timers.fire(due)
    assert len(await topics(store)) == len(said) + len(commands), "each command again, once"
    assert await timers.due() == []
    clock.time += RECONCILE
    assert [timer.id for timer in await timers.due()] == [f"reconcile:{run_id_of('1')}"], "it is set anew"

    clock.time = START + 3600
    for _ in range(10):
        for timer in await timers.due():
            await timers.fire(timer)
    course = Course.from_bytes(await store.load(f"course:{TARGET}"))
    assert (course.active, course.last_run_id) == (None, run_id_of("1"))
    assert await store.redis.zcard(store.key("timers")) == 0
    assert b'"outcome":"blocked"' in (await store.record(f"run:{run_id_of('1')}") or b"")
