"""The command, its job, and what they tell."""

import pytest

from contracts.base import caused_id
from contracts.deployment import Cause
from contracts.diagnostics import IssueFound, IssueGone, RunDiagnostics
from contracts.gates import Verdict
from contracts.results import StepFinished
from services._aws.errors import AwsError
from services._chassis.commands import becomes_job
from services._chassis.store import RedisStore
from services._chassis.transition import Decision
from services.diagnostics.domain.evidence import Evidence, NotObserved
from services.diagnostics.domain.known_issues import issues_key
from services.diagnostics.jobs.diagnose import DIAGNOSE, Diagnose
from tests.kit import FakeClock, FakeRunning, events, memory_store, published
from tests.services.diagnostics.harness import (
    META,
    NOW,
    SHORT,
    TARGET,
    FakeInspector,
    evidence,
)

COMMAND = RunDiagnostics(target=TARGET, run_id="run-1")


CLOCK = FakeClock(NOW)


@pytest.fixture
def store() -> RedisStore:
    return memory_store("diagnostics", CLOCK)


async def run(store: RedisStore, found: Evidence | Exception, command_id: str = META.id) -> Decision:
    running = FakeRunning(COMMAND.model_dump_json().encode(), id=command_id)
    transition = await Diagnose(FakeInspector(found), CLOCK)(running)
    return (await store.apply(transition, cause=f"job {command_id}")).decision


def answer_of(decision: Decision) -> StepFinished:
    (answer,) = (event for event in events(decision) if isinstance(event, StepFinished))
    return answer


async def test_the_command_becomes_a_job_of_its_own_id(store: RedisStore) -> None:
    written = await store.apply(await becomes_job(DIAGNOSE)(COMMAND, META), cause=META.id)
    (job,) = written.decision.jobs
    assert (job.id, job.kind) == (META.id, "diagnose")
    assert RunDiagnostics.model_validate_json(job.payload) == COMMAND


async def test_no_issue_passes(store: RedisStore) -> None:
    decision = await run(store, evidence())
    answer = answer_of(decision)
    assert (answer.verdict, answer.cause, answer.summary) == (Verdict.PASS, None, "No issue found.")
    assert (answer.step, answer.command_id) == ("run-diagnostics", META.id)
    assert decision.emit[-1].id == caused_id(META.id, "finished")


async def test_issues_are_told_once_and_their_end_as_well(store: RedisStore) -> None:
    decision = await run(store, evidence(service=SHORT))
    found, answer = events(decision)
    assert isinstance(found, IssueFound)
    assert (found.issue.kind, found.run_id) == ("below_desired_count", "run-1")
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.GATE)
    assert answer.gates[0].name == "critical_issues"
    assert answer.summary == "Issues found (1 critical): Fewer tasks run than are wanted."
    again = await run(store, evidence(service=SHORT), "command-2")
    assert [type(event) for event in events(again)] == [StepFinished]
    gone, answer = events(await run(store, evidence(), "command-3"))
    assert isinstance(gone, IssueGone)
    assert (gone.issue_id, gone.kind) == (found.issue.issue_id, "below_desired_count")
    ids = [envelope.meta.id for envelope in published(store)]
    assert len(set(ids)) == len(ids) == 5


async def test_without_aws_nobody_can_tell_and_nothing_is_gone(store: RedisStore) -> None:
    await run(store, evidence(service=SHORT))
    before = await store.load(issues_key(TARGET))
    answer = answer_of(await run(store, AwsError("ecs.describe_services: AccessDeniedException"), "command-2"))
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.ERROR)
    assert answer.gates[0].detail == "ecs.describe_services: AccessDeniedException"
    assert before is not None
    assert await store.load(issues_key(TARGET)) == before


async def test_a_part_that_cannot_be_seen_makes_it_inconclusive(store: RedisStore) -> None:
    dark = NotObserved("elbv2.describe_target_health: Throttling")
    answer = answer_of(await run(store, evidence(targets=dark)))
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.ERROR)
    assert answer.summary == f"No issue found. Not seen: {dark.why}."


async def test_a_service_that_is_not_there_fails(store: RedisStore) -> None:
    answer = answer_of(await run(store, Evidence(None)))
    assert (answer.verdict, answer.summary) == (
        Verdict.FAIL,
        "Issues found (1 critical): ECS knows no such active service.",
    )
