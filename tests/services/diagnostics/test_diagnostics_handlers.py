"""The command, its job, and what they tell."""

from contracts.base import caused_id
from contracts.deployment import Cause
from contracts.diagnostics import IssueFound, IssueGone, RunDiagnostics
from contracts.gates import Verdict
from contracts.results import StepFinished
from services._chassis.transition import Decision
from services.diagnostics import handlers
from services.diagnostics.domain.evidence import Evidence, Unasked
from services.diagnostics.ports import Unavailable
from tests.services.diagnostics.harness import (
    META,
    SHORT,
    TARGET,
    FakeInspector,
    FakeRunning,
    FixedClock,
    MemoryStore,
    events,
    evidence,
)

COMMAND = RunDiagnostics(target=TARGET, run_id="run-1")


async def run(store: MemoryStore, found: Evidence | Exception, command_id: str = META.id) -> Decision:
    running = FakeRunning(COMMAND.model_dump_json().encode(), id=command_id)
    return store.decide(await handlers.diagnose_target(running, inspector=FakeInspector(found), clock=FixedClock()))


def answer_of(decision: Decision) -> StepFinished:
    (answer,) = (event for event in events(decision) if isinstance(event, StepFinished))
    return answer


async def test_the_command_becomes_a_job_of_its_own_id() -> None:
    decision = MemoryStore().decide(await handlers.run_diagnostics(COMMAND, META))
    (job,) = decision.jobs
    assert (job.id, job.kind) == (META.id, "diagnose")
    assert RunDiagnostics.model_validate_json(job.payload) == COMMAND


async def test_no_issue_passes() -> None:
    decision = await run(MemoryStore(), evidence())
    answer = answer_of(decision)
    assert (answer.verdict, answer.cause, answer.summary) == (Verdict.PASS, None, "No issue found.")
    assert (answer.step, answer.command_id) == ("run-diagnostics", META.id)
    assert decision.emit[-1].id == caused_id(META.id, "finished")


async def test_issues_are_told_once_and_their_end_as_well() -> None:
    store = MemoryStore()
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
    ids = [emission.id for one in store.decisions for emission in one.emit]
    assert len(set(ids)) == len(ids) == 5


async def test_without_aws_nobody_can_tell_and_nothing_is_gone() -> None:
    store = MemoryStore()
    await run(store, evidence(service=SHORT))
    before = dict(store.states)
    answer = answer_of(await run(store, Unavailable("ecs.describe_services: AccessDeniedException"), "command-2"))
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.ERROR)
    assert answer.gates[0].detail == "ecs.describe_services: AccessDeniedException"
    assert store.states == before


async def test_a_part_that_cannot_be_seen_makes_it_inconclusive() -> None:
    dark = Unasked("elbv2.describe_target_health: Throttling")
    answer = answer_of(await run(MemoryStore(), evidence(targets=dark)))
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.ERROR)
    assert answer.summary == f"No issue found. Not seen: {dark.why}."


async def test_a_service_that_is_not_there_fails() -> None:
    answer = answer_of(await run(MemoryStore(), Evidence(None)))
    assert (answer.verdict, answer.summary) == (
        Verdict.FAIL,
        "Issues found (1 critical): ECS knows no such active service.",
    )
