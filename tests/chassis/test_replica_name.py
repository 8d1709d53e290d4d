"""Two processes of one name: the later one waits, and neither ends the other, so that no two read side by side."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisAway
from structlog.testing import capture_logs

from sandbox.virtual.redis import MemoryRedis
from services._chassis import replica_name
from services._chassis.process import Process
from services._chassis.replica_name import HELD_SECONDS, KEEP_SECONDS, NameTaken, ReplicaName, ReplicaNames
from services._chassis.settings import Settings
from services._chassis.tasks import end
from tests.chassis.harness import until
from tests.chassis.test_process_end import Aws, aws
from tests.kit import FakeClock

__all__ = ["aws"]  # a fixture


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica_name, "KEEP_SECONDS", 0.0)


class Replicas:
    """Processes with names in one Redis."""

    def __init__(self) -> None:
        self.clock = FakeClock(1_800_000_000.0)
        self.redis = MemoryRedis(self.clock.now)

    def name(self, name: str = "health-a", service: str = "health") -> ReplicaName:
        return ReplicaName(self.redis, service, name)

    def names(self, *names: str) -> ReplicaNames:
        return ReplicaNames([self.name(name, name.partition("-")[0]) for name in names], {})


@pytest.fixture
def replicas() -> Replicas:
    return Replicas()


async def test_the_later_process_waits_and_says_why_once_until_the_earlier_one_is_silent(replicas: Replicas) -> None:
    earlier, missing = replicas.name(), dict[str, str]()
    assert await earlier.hold()
    later = ReplicaNames([replicas.name()], missing)
    with capture_logs() as logs:
        waiting = asyncio.create_task(later.take())
        for _ in range(4):
            replicas.clock.time += HELD_SECONDS - 1
            assert await earlier.hold()
            await asyncio.sleep(0.01)
        assert "health-a: give each replica a SUREFOOT_INSTANCE of its own" in missing["name"]
        replicas.clock.time += HELD_SECONDS
        await asyncio.wait_for(waiting, 5)
    assert missing == {}
    assert [line["event"] for line in logs] == ["waiting"]
    assert not await earlier.hold()
    with pytest.raises(NameTaken, match="health-a"):
        await ReplicaNames([earlier], {}).keep()


async def test_a_name_that_is_given_back_is_had_at_once_and_nobody_gives_back_another_s(replicas: Replicas) -> None:
    earlier, later = replicas.name(), replicas.name()
    assert await earlier.hold()
    await later.give_back()
    assert not await later.hold()
    await earlier.give_back()
    assert await later.hold()


async def test_names_of_others_do_not_matter(replicas: Replicas) -> None:
    for name in (replicas.name(), replicas.name("health-b"), replicas.name("health-a", "monitor")) * 2:
        assert await name.hold()


async def test_who_was_silent_and_whom_nobody_followed_has_its_name_still(replicas: Replicas) -> None:
    name = replicas.name()
    assert await name.hold()
    replicas.clock.time += HELD_SECONDS * 100
    assert await name.hold()


async def test_a_dead_process_does_not_hold_the_name_on_a_redis_whose_clock_went_back(replicas: Replicas) -> None:
    assert await replicas.name().hold()
    replicas.clock.time -= 3600
    successor = replicas.name()
    assert not await successor.hold()
    replicas.clock.time += HELD_SECONDS
    assert await successor.hold()


async def test_the_version_before_which_holds_the_name_for_longer_is_waited_for(replicas: Replicas) -> None:
    successor, key = replicas.name(), b"{health}:replica:health-a"
    for _ in range(10):
        replicas.redis._set(key, b"its process", b"EX", b"30")
        replicas.clock.time += 1
        assert not await successor.hold()
    replicas.clock.time += HELD_SECONDS
    assert await successor.hold()


async def test_while_redis_is_away_the_name_is_waited_for(replicas: Replicas, monkeypatch: pytest.MonkeyPatch) -> None:
    name, missing = replicas.name(), dict[str, str]()

    async def away(**_: object) -> int:
        raise RedisAway("away")

    with monkeypatch.context() as patched:
        patched.setattr(name, "_hold", away)
        waiting = asyncio.create_task(ReplicaNames([name], missing).take())
        await until(lambda: "Redis does not say who has it" in missing.get("name", ""))
    await asyncio.wait_for(waiting, 5)
    assert missing == {}


async def test_two_processes_of_several_services_do_not_wait_for_each_other(replicas: Replicas) -> None:
    names = ("health-a", "monitor-a", "recovery-a")
    first, second = replicas.names(*names), replicas.names(*names)
    waiting = [asyncio.create_task(each.take()) for each in (first, second)]
    done, others = await asyncio.wait(waiting, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert len(done) == 1, "one of them works"
    await asyncio.sleep(0.01)
    assert not any(task.done() for task in others)
    await (first if waiting[0] in done else second).give_back()
    await asyncio.wait(others, timeout=5)
    assert all(task.done() for task in others)
    await end(waiting)


class Supervised:
    """A process of the name under a supervisor, which starts it again whenever it ended."""

    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas
        self.taken_from_it = 0
        self.start()

    def start(self) -> None:
        self.name = self._replicas.name()
        self.works, self.silent = False, 0.0

    async def looks(self) -> None:
        """Take up what ``ReplicaNames`` does each second: it waits, or it works and ends once it has lost the name."""
        has_it = await self.name.hold()
        if self.works and not has_it:
            assert self.silent >= HELD_SECONDS, "nobody who looks loses the name"
            self.taken_from_it += 1
            self.start()
            return
        self.works, self.silent = has_it, 0.0


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["both", "first", "second", "kill first", "kill second"]), max_size=60))
async def test_no_two_work_and_none_ends_that_looks_in_time(course: list[str]) -> None:
    replicas = Replicas()
    first, second = Supervised(replicas), Supervised(replicas)
    for step in [*course, *["both"] * (HELD_SECONDS + 2)]:
        replicas.clock.time += KEEP_SECONDS
        first.silent, second.silent = first.silent + KEEP_SECONDS, second.silent + KEEP_SECONDS
        if step.startswith("kill"):
            (first if step.endswith("first") else second).start()
        if step in {"both", "first", "kill second"}:
            await first.looks()
        if step in {"both", "second", "kill first"}:
            await second.looks()
        both = [each for each in (first, second) if each.works and each.silent < HELD_SECONDS]
        assert len(both) <= 1
    assert [first.works, second.works].count(True) == 1, "in the end exactly one works, and the other waits"


def process_of(kafka: str, valkey_url: str, aws: Aws) -> Process:
    return Process(
        ("services.health",),
        Settings(
            kafka_bootstrap_servers=kafka,
            redis_url=valkey_url,
            surefoot_http_port=0,
            surefoot_instance="a",
            shutdown_timeout=3,
        ),
    )


async def test_a_process_is_not_ready_until_the_other_one_of_its_name_has_ended(
    kafka: str, valkey_url: str, redis: Any, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_name, "KEEP_SECONDS", 0.02)
    for name, value in (("ENDPOINT_URL", aws.url), ("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    first, second = process_of(kafka, valkey_url, aws), process_of(kafka, valkey_url, aws)
    stops = asyncio.Event(), asyncio.Event()
    working = [asyncio.create_task(first.run(stops[0]))]
    await until(lambda: first.started, 30)
    working.append(asyncio.create_task(second.run(stops[1])))
    await until(lambda: "SUREFOOT_INSTANCE" in second.readiness.missing.get("name", ""), 30)
    assert (second.started, second.transports) == (False, []), "it reads nothing yet"
    stops[0].set()
    await asyncio.wait_for(working[0], 30)
    await until(lambda: second.started, 30)
    assert second.readiness.missing == {}
    stops[1].set()
    await asyncio.wait_for(working[1], 30)
    assert await redis.exists("{health}:replica:health-a") == 0, "the next one need not wait"
