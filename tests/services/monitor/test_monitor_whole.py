"""The monitor on the chassis: real Valkey, real timers and jobs, the simulated AWS, at two hundred times the pace."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import orjson
import pytest

from contracts.base import Target
from contracts.envelope import Meta, from_message
from contracts.gates import Verdict
from contracts.monitor import EvaluateRules, WatchClosely
from contracts.results import StepFinished
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import CLUSTER, SERVICE
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services._chassis.clock import Pace, PacedClock, moment
from services._chassis.compact import expand_answer
from services._chassis.jobs import Executor
from services._chassis.redis_keys import ANSWER
from services._chassis.service import Platform, Service
from services._chassis.store import RedisStore
from services._chassis.tasks import end
from services._chassis.timers import Timers
from services.monitor.app import create_app
from services.monitor.settings import Settings

TARGET = Target(account=ACCOUNT, region=REGION, cluster=CLUSTER, service=SERVICE)
LONGEST = 30.0
"""Real seconds that a test waits."""


class Running:
    """A monitor that runs, with its store and its clock."""

    def __init__(self, service: Service, store: RedisStore, clock: PacedClock) -> None:
        self.service, self.store, self.clock = service, store, clock

    async def send(self, command: Any, id_: str) -> None:
        meta = Meta(id=id_, source="test", time=moment(self.clock.now()), run_id=command.run_id)
        transition = await self.service.handlers[type(command)](command, meta)
        assert transition is not None
        await self.store.apply(transition, cause=id_)

    async def answer_to(self, id_: str) -> StepFinished:
        deadline = time.monotonic() + LONGEST
        while time.monotonic() < deadline:
            kept = await self.store.redis.get(self.store.key(ANSWER, id_))
            if kept:
                fields = expand_answer(kept)
                headers = tuple((name, value.encode()) for name, value in orjson.loads(fields[b"headers"]))
                event = from_message(headers, fields[b"value"]).event
                assert isinstance(event, StepFinished)
                return event
            await asyncio.sleep(0.05)
        raise AssertionError(f"{id_} was not answered within {LONGEST:g} s")


@pytest.fixture
async def monitor(redis: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    clock = PacedClock(Pace(200, time.time()))
    with SimulatedAws(clock=clock.now) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        connection = AwsConnection(REGION)
        store = RedisStore(redis, "monitor", clock)
        service = create_app(Settings(aws_account=ACCOUNT), Platform(store, clock, Aws(connection, "monitor")))
        executor = Executor(store, service.jobs, lease=5, slots=4)
        loops = [asyncio.create_task(loop) for loop in (Timers(store, clock, service.timers).run(), executor.run())]
        yield Running(service, store, clock)
        await end(loops)
        connection.close()


async def test_a_run_is_watched_and_its_evidence_is_gathered(monitor: Running) -> None:
    now = moment(monitor.clock.now())
    await monitor.send(WatchClosely(target=TARGET, run_id="run-1", until=now + timedelta(hours=2)), "watch-1")
    watching = await monitor.answer_to("watch-1")
    assert watching.verdict is Verdict.PASS, watching.summary
    deadline = now + timedelta(hours=2)
    await monitor.send(EvaluateRules(target=TARGET, run_id="run-1", since=now, deadline=deadline), "evaluate-1")
    judged = await monitor.answer_to("evaluate-1")
    assert judged.verdict is Verdict.PASS, judged.summary
    assert {gate.name for gate in judged.gates} == {
        "healthy_tasks",
        "error_rate",
        "response_time_p95",
        "database_connections",
        "tasks_stay_up",
        *(f"{metric}_compared" for metric in ("error_rate", "response_time", "cpu", "memory", "throughput")),
    }
    assert all(gate.samples >= 2 or gate.not_applicable for gate in judged.gates)
    assert await monitor.store.redis.zscore(monitor.store.key("timers"), "deadline:evaluate-1") is None
    # the same answer again for who asks again
    before = await monitor.store.redis.xlen(monitor.store.key("outbox"))
    await monitor.store.answer_again("evaluate-1")
    assert await monitor.store.redis.xlen(monitor.store.key("outbox")) == before + 1
