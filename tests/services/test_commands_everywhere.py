"""Every command that the catalogue gives to a service, as that service takes it."""

from importlib import import_module
from typing import Any

import pytest

from contracts.base import Event
from contracts.catalogue import CATALOGUE
from contracts.deployment import DeploymentFinished, Outcome
from contracts.envelope import Meta
from contracts.publish import examples_of
from contracts.recovery import RollbackStarted
from contracts.results import StepFinished, answer_id
from contracts.topics import COMMAND_TOPICS
from sandbox.virtual.redis import MemoryRedis
from services._chassis.clock import Pace, PacedClock, moment
from services._chassis.commands import Command
from services._chassis.jobs import Executor, Running
from services._chassis.reasons import Impossible
from services._chassis.service import Platform, Service
from services._chassis.store import RedisStore
from services._chassis.transition import Transition
from tests.kit import ScriptedAws

COMMANDS = [entry for entry in CATALOGUE if entry.topic in COMMAND_TOPICS]


def created(name: str) -> tuple[Service, RedisStore]:
    """A service as it is built, without an AWS."""
    clock = PacedClock(Pace())
    store = RedisStore(MemoryRedis(), name, clock)
    aws = ScriptedAws()
    settings = import_module(f"services.{name}.settings").Settings(
        aws_account="123456789012", backup_bucket="snapshots"
    )
    service: Service = import_module(f"services.{name}.app").create_app(settings, Platform(store, clock, aws))
    return service, store


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
async def test_a_command_is_answered_at_once_or_by_a_job_that_knows_whom_to_answer(entry: Any) -> None:
    service, store = created(COMMAND_TOPICS[entry.topic])
    event = entry.contract.model_validate_json(examples_of(entry.type)[0])
    meta = Meta(id="command-1", source="surefoot/orchestrator", time=moment(store.clock.now()), run_id=event.run_id)
    transition = await service.handlers[type(event)](event, meta)
    assert transition is not None
    decision = (await store.apply(transition, cause="test", cause_id=meta.id)).decision
    answers = [emission for emission in decision.emit if isinstance(emission.event, StepFinished)]
    jobs = [job for job in decision.jobs if job.id == meta.id]
    assert answers or jobs or decision.state, "nothing came of the command"
    assert {emission.id for emission in answers} <= {answer_id(meta.id)}
    assert {Command.read(job.asked_by, job.id) for job in jobs} <= {Command.of(event, meta)}


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
async def test_a_command_whose_job_failed_is_answered_once_and_not_again_by_the_end_of_its_run(entry: Any) -> None:
    service, store = created(COMMAND_TOPICS[entry.topic])
    event = entry.contract.model_validate_json(examples_of(entry.type)[0])
    now = moment(store.clock.now())
    meta = Meta(id="command-1", source="surefoot/orchestrator", time=now, run_id=event.run_id)
    transition = await service.handlers[type(event)](event, meta)
    assert transition is not None
    await store.apply(transition, cause="asked", cause_id=meta.id)

    async def impossible(_: Running) -> Transition:
        raise Impossible("It cannot be done.")

    executor = Executor(store, dict.fromkeys(service.jobs, impossible), service.failures, lease=30, slots=1)
    jobs = 0
    while job := await executor.claim():
        await executor.work(job)
        jobs += job.id == meta.id
    ends: tuple[Event, ...] = (
        RollbackStarted(target=event.target, run_id=event.run_id, rollback_id="r", trigger="t", snapshot_id="s"),
        DeploymentFinished(
            target=event.target, run_id=event.run_id, outcome=Outcome.FAILED, reason="It failed.", seconds=1
        ),
    )
    for number, end in enumerate(ends):
        if (handler := service.handlers.get(type(end))) and (over := await handler(end, meta)):
            await store.apply(over, cause=f"end {number}")
    outbox = [fields[b"value"] for _, fields in await store.redis.xrange(store.key("outbox"))]
    answers = [value for value in outbox if b'"command_id":"command-1"' in value and b'"verdict"' in value]
    assert len(answers) == 1
    assert not jobs or b"It cannot be done" in answers[0]
