"""Two services that name one database: its migrations go on one after the other, whatever dies, ends or is lost."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import httpx2
import pytest

from contracts.base import Target, caused_id
from contracts.deployment import Cause
from contracts.gates import Verdict
from contracts.migration import Migrate, MigrationFinished, MigrationStarted
from contracts.migration_asked import MigrationAsked
from contracts.policy import Monitoring, ServicePolicy
from contracts.policy import Recovery as RecoverySection
from contracts.recovery import Disarm, ManualTrigger
from services._chassis.jobs import FailedJob
from services._chassis.transition import Decision, Transition
from services.recovery.decisions.migrate import begin_migration
from services.recovery.domain.migration.database import WAIT, DatabaseHeld, database_key
from services.recovery.domain.migration.migration import MigrateWork, Migration
from services.recovery.domain.protection import Protection, key_of
from tests.services.recovery.deaths import Deaths
from tests.services.recovery.harness import OTHER, TARGET, Crash, Recovery

HERE = "CourtCaseCluster/BackendService"
WORKER = Target(account=TARGET.account, region=TARGET.region, cluster="Batch", service="Worker")
"""A service without a load balancer, in another cluster."""
FIRST = "migration:first"
BUSY = f"{FIRST} of Worker in Batch is under way on the database court-cases"
AT_START = (
    "migrates court-cases when its tasks start (recovery.migrates_at_start): that is not kept apart from this "
    "migration."
)


def names(recovery: Recovery, here: str | None, there: str | None, there_at: Target = WORKER, **values: Any) -> None:
    """Have the policy name the databases of the two services."""
    for target, database in ((TARGET, here), (there_at, there)):
        recovery.policies.held[target] = ServicePolicy(
            target=target, monitoring=Monitoring(database=database), recovery=RecoverySection(**values)
        )


@pytest.fixture
def recovery() -> Recovery:
    mine = Recovery()
    service, sleep = mine.ecs.service, mine.clock.sleep

    async def of_both(_target: Target) -> Any:
        return await service(TARGET)

    async def sleeps(seconds: float) -> None:
        await sleep(seconds)
        await asyncio.sleep(0)  # so that the other job has its turn

    mine.ecs.service = of_both  # type: ignore[assignment, method-assign]
    mine.clock.sleep = sleeps  # type: ignore[method-assign]
    mine.one_off.seconds = 120
    names(mine, "court-cases", "court-cases")
    return mine


def begins(recovery: Recovery, target: Target, migration_id: str) -> None:
    asked = Migration(
        migration_id=migration_id,
        trigger=ManualTrigger(actor="ada"),
        command=("alembic", "upgrade", "head"),
        minutes=30,
        asked_at=recovery.now,
    )

    def decide(state: bytes | None) -> Decision:
        return begin_migration(Protection.from_bytes(state), target, asked)

    recovery.store.write(Transition(key_of(target), decide))


async def work(recovery: Recovery, *ids: str) -> None:
    """Work on the jobs of migrations side by side; whoever dies leaves the rest to the next, who begins at once."""

    async def to_its_end(id_: str) -> None:
        held = recovery.store.jobs[id_]
        while held.state == "queued":
            await recovery.attempt(held)

    await asyncio.gather(*map(to_its_end, ids))


def apart(recovery: Recovery) -> bool:
    """Return whether no task began before the one before it had ended."""
    began = sorted(at for _, _, at in recovery.one_off.started.values())
    return all(later >= earlier + recovery.one_off.seconds for earlier, later in pairwise(began))


def results(recovery: Recovery) -> dict[str, str]:
    return {finished.migration_id: finished.result for finished in recovery.published(MigrationFinished)}


async def run_asks(recovery: Recovery) -> None:
    await recovery.arm(minutes=120)
    command = Migrate(target=TARGET, run_id="run-1", migration=MigrationAsked(), images={"backend": OTHER})
    await recovery.send(command, "migrate")


async def has_begun(recovery: Recovery) -> None:
    """Let the others work until a task has begun."""
    for _ in range(1000):
        if recovery.one_off.started:
            return
        await asyncio.sleep(0)
    raise AssertionError("no task has begun")


async def test_the_second_one_waits_and_says_for_whom(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    seen: set[str] = set()
    sleep = recovery.clock.sleep

    async def look(seconds: float) -> None:
        await sleep(seconds)
        shown = (await web.get(f"/migrations/{HERE}")).json()["migration"]
        seen.add(shown["sentence"] if shown else "")

    begins(recovery, WORKER, FIRST)
    begins(recovery, TARGET, "migration:second")
    recovery.clock.sleep = look  # type: ignore[method-assign]
    await work(recovery, FIRST, "migration:second")
    assert results(recovery) == {FIRST: "succeeded", "migration:second": "succeeded"}
    assert apart(recovery)
    assert seen == {f"It waits, since {BUSY}.", ""}
    assert {started.database for started in recovery.published(MigrationStarted)} == {"court-cases"}


async def test_a_run_waits_for_it_too_and_goes_on(recovery: Recovery) -> None:
    begins(recovery, WORKER, FIRST)
    await run_asks(recovery)
    await work(recovery, FIRST, "migrate")
    answer = recovery.answer("migrate")
    assert answer is not None
    assert (answer.verdict, apart(recovery), len(recovery.one_off.started)) == (Verdict.PASS, True, 2)


async def test_what_lasts_too_long_leaves_the_run_blocked_before_its_migration(recovery: Recovery) -> None:
    recovery.one_off.seconds = 2400
    await run_asks(recovery)
    begins(recovery, WORKER, FIRST)
    begun = recovery.now
    task = asyncio.create_task(work(recovery, FIRST))
    await has_begun(recovery)
    await work(recovery, "migrate")
    answer = recovery.answer("migrate")
    assert answer is not None
    assert (answer.cause, [gate.name for gate in answer.gates]) == (Cause.REFUSED, ["migration_begun"])
    why = f"It did not start, because {BUSY}, and has not ended within 10 minutes. Nothing was migrated."
    assert answer.summary == why
    assert WAIT <= recovery.now - begun <= WAIT + timedelta(seconds=20)
    assert len(recovery.one_off.started) == 1
    await task


async def test_a_run_that_ends_while_it_waits_migrates_nothing(recovery: Recovery) -> None:
    begins(recovery, WORKER, FIRST)
    await run_asks(recovery)
    task = asyncio.create_task(work(recovery, FIRST, "migrate"))
    await has_begun(recovery)
    await recovery.send(Disarm(target=TARGET, run_id="run-1"), "disarm")
    await task
    assert results(recovery) == {FIRST: "succeeded", "migrate": "did_not_start"}
    assert len(recovery.one_off.started) == 1


async def test_by_hand_it_is_refused_with_the_name_of_the_first(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    begins(recovery, WORKER, FIRST)
    task = asyncio.create_task(work(recovery, FIRST))
    await has_begun(recovery)
    recovery.one_off.seconds = 10_000  # the other's job has its turns while this one asks
    for body in ({}, {"dry_run": True}):
        refused = await web.post(f"/migrate/{HERE}", json=body)
        assert (refused.status_code, f"Nothing was migrated, because {BUSY}." in refused.text) == (409, True)
    recovery.one_off.seconds = 120
    await task
    assert (await web.post(f"/migrate/{HERE}", json={})).status_code == 202


@pytest.mark.parametrize(
    ("here", "there", "there_at", "kept_apart"),
    [
        ("court-cases", "Court-Cases", WORKER, True),
        ("court-cases", "invoices", WORKER, False),
        ("court-cases", None, WORKER, False),
        (None, None, WORKER, False),
        ("court-cases", "court-cases", WORKER.model_copy(update={"region": "eu-west-1"}), False),
        ("court-cases", "court-cases", WORKER.model_copy(update={"account": "210987654321"}), False),
    ],
)
async def test_only_one_database_of_one_account_and_region_is_the_same(
    recovery: Recovery, here: str | None, there: str | None, there_at: Target, kept_apart: bool
) -> None:
    names(recovery, here, there, there_at)
    begins(recovery, there_at, FIRST)
    begins(recovery, TARGET, "migration:second")
    await work(recovery, FIRST, "migration:second")
    assert (apart(recovery), len(recovery.one_off.started)) == (kept_apart, 2)


async def test_who_else_may_migrate_it_is_told_before(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    names(recovery, "court-cases", "court-cases", migrates_at_start=True)
    plan = (await web.post(f"/migrate/{HERE}", json={"dry_run": True})).json()
    assert [warning for warning in plan["warnings"] if "court-cases" in warning] == [f"Worker in Batch {AT_START}"]
    names(recovery, None, None)
    plan = (await web.post(f"/migrate/{HERE}", json={"dry_run": True})).json()
    assert any(warning.startswith("The policy names no database (monitoring.database)") for warning in plan["warnings"])


async def test_a_first_one_whose_job_has_failed_for_good_is_in_nobodys_way(recovery: Recovery) -> None:
    begins(recovery, WORKER, FIRST)
    held = recovery.store.jobs[FIRST]
    recovery.clock.while_asleep.append(dies_once_started(recovery))
    await recovery.attempt(held)
    lost = recovery.handlers.failures["migrate"](FailedJob(FIRST, held.job.payload, "failed 5 times"))
    recovery.store.write(lost)
    begins(recovery, TARGET, "migration:second")
    await work(recovery, "migration:second")
    assert results(recovery)["migration:second"] == "succeeded"


def dies_once_started(recovery: Recovery) -> Callable[[], None]:
    left = [1]

    def die() -> None:
        if left and recovery.one_off.started:
            left.pop()
            raise Crash

    return die


async def test_nobody_has_a_database_for_ever(recovery: Recovery) -> None:
    """A state that says so of a migration whose job is gone holds nobody up after a day."""
    begins(recovery, WORKER, FIRST)
    recovery.clock.while_asleep.append(dies_once_started(recovery))
    await recovery.attempt(recovery.store.jobs[FIRST])
    names(recovery, "court-cases", None)  # and its policy names the database no more
    key = database_key(TARGET, "court-cases")
    assert DatabaseHeld.from_bytes(recovery.store.states[key]).migration_id == FIRST
    begins(recovery, TARGET, "migration:second")
    await work(recovery, "migration:second")
    assert results(recovery) == {"migration:second": "did_not_start"}
    recovery.clock.time += 25 * 3600
    begins(recovery, TARGET, "migration:third")
    await work(recovery, "migration:third")
    assert results(recovery)["migration:third"] == "succeeded"


@pytest.mark.parametrize("lost", ["everything", "the database's state"])
async def test_a_restored_redis_that_has_forgotten_the_first_one_starts_no_second(
    recovery: Recovery, lost: str
) -> None:
    recovery.one_off.seconds = 300
    begins(recovery, WORKER, FIRST)
    recovery.clock.while_asleep.append(dies_once_started(recovery))
    await recovery.attempt(recovery.store.jobs[FIRST])
    [event] = recovery.published(MigrationStarted)
    own_family = event.task_definition.replace("/backend:", "/backend-migrate:")  # as ECS names it
    started = event.model_copy(update={"task_definition": own_family})
    if lost == "everything":
        recovery.store.states.clear()
        recovery.store.jobs.clear()
    else:
        del recovery.store.states[database_key(TARGET, "court-cases")]
    await recovery.send(started, "again", again=True)
    await recovery.fire()
    begins(recovery, TARGET, "migration:second")
    await work(recovery, "migration:second", FIRST)
    assert results(recovery) == {FIRST: "succeeded", "migration:second": "succeeded"}
    assert (apart(recovery), recovery.one_off.calls) == (True, 2)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("death", range(1, 15))
async def test_whoever_dies_at_whatever_call_or_write_they_run_one_after_the_other(
    recovery: Recovery, death: int, after: bool
) -> None:
    begins(recovery, WORKER, FIRST)
    begins(recovery, TARGET, "migration:second")
    deaths = Deaths()
    deaths.count(recovery.store, "apply")
    deaths.count(recovery.one_off, "run")
    deaths.at(death, after=after)
    await work(recovery, FIRST, "migration:second")
    assert results(recovery) == {FIRST: "succeeded", "migration:second": "succeeded"}
    tokens = {caused_id(id_, "task") for id_ in (FIRST, "migration:second")}
    assert (apart(recovery), set(recovery.one_off.started)) == (True, tokens)


async def test_a_redelivered_job_of_one_that_is_over_takes_the_database_from_nobody(recovery: Recovery) -> None:
    begins(recovery, WORKER, FIRST)
    payload = recovery.store.jobs[FIRST].job.payload
    await work(recovery, FIRST)
    begins(recovery, TARGET, "migration:second")
    recovery.clock.while_asleep.append(dies_once_started(recovery))
    await recovery.attempt(recovery.store.jobs["migration:second"])
    await recovery.jobs["migrate"](recovery.work_on("migrate", payload))
    held = DatabaseHeld.from_bytes(recovery.store.states[database_key(TARGET, "court-cases")])
    assert held.migration_id == "migration:second"
    assert MigrateWork.from_bytes(payload).migration_id == FIRST
