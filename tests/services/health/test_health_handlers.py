"""Commands, jobs and timers of health, with fakes of its ports."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.base import caused_id
from contracts.deployment import Cause
from contracts.gates import Verdict
from contracts.health import AssessHealth, HealthScored, WatchDeployment
from contracts.policy import Application, Health, ServicePolicy
from contracts.policy_parts import HealthPolicy
from contracts.recovery import RollbackStarted
from contracts.results import StepFinished, StepProgressed
from contracts.rollout_pace import RolloutPace
from services._chassis.clock import moment
from services._chassis.commands import becomes_job
from services._chassis.transition import Cancelled
from services.health import handlers
from services.health.domain.observed import Evidence, NotObserved
from services.health.domain.watch.memory import Observed
from services.health.jobs.assess import ASSESS, Assess
from services.health.jobs.watch import ASK_SECONDS, Watch
from tests.kit import FakeClock, FakePolicies, FakeRunning, events
from tests.services.health.harness import (
    META,
    NOW,
    OLD,
    OURS,
    TARGET,
    Decided,
    FakeDatabases,
    FakeExaminer,
    FakeObserver,
    deployment,
    evidence,
    failed_task,
    look,
    service,
    targets,
)

ROLLING = look(deployment(running=1, rollout_state="IN_PROGRESS"), deployment(OLD, status="ACTIVE"))
WATCH = WatchDeployment(target=TARGET, run_id="run-1", deployment_id=OURS, deadline=moment(NOW) + timedelta(minutes=10))
ROLLBACK = RollbackStarted(target=TARGET, run_id="run-1", rollback_id="rb-1", trigger="alert", snapshot_id="s-1")


async def assessed(
    found: Evidence, minimum: float = 70, in_force: ServicePolicy | None = None, carried: HealthPolicy | None = None
) -> tuple[HealthScored, StepFinished]:
    command = AssessHealth(target=TARGET, run_id="run-1", minimum_score=minimum, policy=carried)
    policies = FakePolicies(in_force or ServicePolicy(target=TARGET))
    begun = await Decided().apply(await becomes_job(ASSESS)(command, META))
    (job,) = begun.jobs
    assert (job.id, job.kind, begun.emit) == (META.id, "assess", ())
    running = FakeRunning(job.payload, kind="assess")
    decision = await Decided().apply(await Assess(FakeExaminer(found), policies)(running))
    assert decision.emit[-1].id == caused_id(META.id, "finished")
    scored, answer = events(decision)
    return scored, answer


async def test_a_good_score_passes() -> None:
    scored, answer = await assessed(evidence())
    assert (scored.low, scored.high, scored.rating) == (100, 100, "excellent")
    assert (answer.verdict, answer.cause, answer.command_id, answer.step) == (
        Verdict.PASS,
        None,
        META.id,
        "assess-health",
    )
    assert answer.gates[0].name == "health_score"
    assert answer.gates[0].arithmetic == "100 >= 70 (12 samples)"


async def test_a_service_that_wants_no_task_has_no_score_to_judge() -> None:
    _, answer = await assessed(evidence(service=service(desired=0, running=0), targets=()))
    assert (answer.verdict, answer.gates[0].not_applicable) == (
        Verdict.PASS,
        "of no meaning, since the service wants no task",
    )


async def test_a_bad_score_fails_and_says_what_is_wrong() -> None:
    _, answer = await assessed(evidence(targets=targets("unhealthy", "unhealthy", "unhealthy")))
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.GATE)
    assert "targets: 0 of 3 targets healthy" in answer.summary


async def test_a_score_of_which_too_much_is_unknown_is_inconclusive() -> None:
    dark = NotObserved("cloudwatch.get_metric_data: Throttling")
    _, answer = await assessed(evidence(measurements=dark))
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.ERROR)
    assert "between 65 and 100" in answer.summary
    assert dark.why in answer.summary
    assert (await assessed(evidence(measurements=dark), minimum=65))[1].verdict is Verdict.PASS


STRICT = Health(cpu_percent=20)
IN_FORCE, CARRIED = "1" * 64, "2" * 64


async def test_each_service_is_scored_by_its_own_limits() -> None:
    _, lenient = await assessed(evidence(), minimum=100)
    _, strict = await assessed(evidence(), 100, ServicePolicy(target=TARGET, digest=IN_FORCE, health=STRICT))
    assert (lenient.verdict, strict.verdict, strict.policy_digest) == (Verdict.PASS, Verdict.FAIL, IN_FORCE)
    assert "cpu: 35%, at most 20%" in strict.summary


async def test_an_assessment_keeps_the_policy_of_its_run() -> None:
    kept = HealthPolicy(digest=CARRIED, application=Application(), health=Health())
    in_force = ServicePolicy(target=TARGET, digest=IN_FORCE, health=STRICT)
    _, answer = await assessed(evidence(), 100, in_force, kept)
    assert (answer.verdict, answer.policy_digest) == (Verdict.PASS, CARRIED)


async def begun_watch(store: Decided, command: WatchDeployment = WATCH) -> FakeRunning:
    decision = await store.apply(await handlers.watch_deployment(command, META))
    (job,) = decision.jobs
    assert (job.id, job.kind, decision.emit) == (META.id, "watch", ())
    return FakeRunning(job.payload, id=job.id, kind="watch")


async def test_a_watch_by_the_pace_tells_until_when_it_may_stay_silent() -> None:
    """The old task that has stopped is progress which the sentence does not show."""
    store, clock, pace = Decided(), FakeClock(NOW), RolloutPace(tasks=3)
    running = await begun_watch(store, WATCH.model_copy(update={"pace": pace}))
    alone = look(deployment(running=1, rollout_state="IN_PROGRESS"), seen=())
    await Watch(FakeObserver([replace(ROLLING, targets=()), ROLLING, alone, alone, look()]), FakeDatabases(), clock)(
        running
    )
    told = [emission.event for emission in running.emitted if isinstance(emission.event, StepProgressed)]
    assert {event.message for event in told} == {"1 of 3 tasks running, 0 of 3 targets healthy"}
    assert [event.silent_until for event in told] == [moment(NOW + after + pace.silence) for after in (0, 10)]
    assert len({emission.id for emission in running.emitted}) == len(told)


async def test_a_watch_with_a_fixed_time_says_nothing_of_silence() -> None:
    running = await begun_watch(Decided())
    await Watch(FakeObserver([ROLLING, look()]), FakeDatabases(), FakeClock(NOW))(running)
    told = [emission.event for emission in running.emitted if isinstance(emission.event, StepProgressed)]
    assert [event.silent_until for event in told] == [None]


async def test_a_watch_tells_its_progress_and_ends_with_one_answer() -> None:
    store, clock = Decided(), FakeClock(NOW)
    running = await begun_watch(store)
    observer = FakeObserver([ROLLING, ROLLING, None, ROLLING, look()])
    decision = await store.apply(await Watch(observer, FakeDatabases(), clock)(running))
    (answer,) = events(decision)
    assert isinstance(answer, StepFinished)
    assert (answer.verdict, answer.step, answer.cause) == (Verdict.PASS, "watch-deployment", None)
    assert decision.emit[0].id == caused_id(META.id, "finished")
    assert clock.time == NOW + 20
    published = [emission.event for emission in running.emitted]
    assert [event.message for event in published if isinstance(event, StepProgressed)] == [
        "1 of 3 tasks running, 0 of 3 targets healthy",
        "AWS could not be asked",
        "1 of 3 tasks running, 0 of 3 targets healthy",
    ]
    assert [emission.id for emission in running.emitted] == [
        caused_id(META.id, f"progress:{number}") for number in (1, 2, 3)
    ]


async def test_a_watch_that_sees_a_failure_fails() -> None:
    store = Decided()
    running = await begun_watch(store)
    stopped = tuple(failed_task(number) for number in range(3))
    observer = FakeObserver([look(deployment(running=0, rollout_state="IN_PROGRESS"), stopped=stopped)])
    (answer,) = events(await store.apply(await Watch(observer, FakeDatabases(), FakeClock(NOW))(running)))
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.GATE)


@pytest.mark.parametrize(
    ("seen", "verdict", "cause"), [(ROLLING, Verdict.FAIL, Cause.TIMEOUT), (None, Verdict.INCONCLUSIVE, Cause.ERROR)]
)
async def test_a_watch_ends_at_its_deadline(seen: Any, verdict: Verdict, cause: Cause) -> None:
    store, clock = Decided(), FakeClock(NOW)
    running = await begun_watch(store)
    decision = await store.apply(await Watch(FakeObserver([seen]), FakeDatabases(), clock)(running))
    (answer,) = events(decision)
    assert (answer.verdict, answer.cause) == (verdict, cause)
    assert clock.time == WATCH.deadline.timestamp()


async def test_a_restarted_executor_goes_on_with_what_the_first_one_knew() -> None:
    store, clock = Decided(), FakeClock(NOW)
    first = await begun_watch(store)
    first.is_cancelled = lambda: len(first.checkpoints) == 1
    stopped = (failed_task(1), failed_task(2))
    rolling = look(deployment(running=0, rollout_state="IN_PROGRESS"), stopped=stopped)
    with pytest.raises(Cancelled):
        await Watch(FakeObserver([rolling]), FakeDatabases(), clock)(first)
    second = FakeRunning(first.payload, kind="watch", saved=first.saved, attempt=2)
    third_failure = look(deployment(running=0, rollout_state="IN_PROGRESS"), stopped=(failed_task(3),))
    decision = await store.apply(await Watch(FakeObserver([third_failure]), FakeDatabases(), clock)(second))
    (answer,) = events(decision)
    assert "3 tasks of the deployment failed" in answer.summary


BY_DATABASE = WATCH.model_copy(update={"database": "court-case-db"})
FAILING: list[Observed | None] = [
    look(deployment(running=0, rollout_state="IN_PROGRESS"), stopped=(failed_task(n),)) for n in range(6)
]


async def test_tasks_that_fail_while_the_database_is_away_fail_no_watch() -> None:
    store, clock, databases = Decided(), FakeClock(NOW), FakeDatabases(away_until=NOW + 25)
    running = await begun_watch(store, BY_DATABASE)
    (answer,) = events(await store.apply(await Watch(FakeObserver([*FAILING, look()]), databases, clock)(running)))
    assert (answer.verdict, answer.cause) == (Verdict.PASS, None)
    told = [emission.event.message for emission in running.emitted if isinstance(emission.event, StepProgressed)]
    assert any("1 of them while the database court-case-db is failed" in message for message in told)


async def test_at_the_deadline_the_database_is_the_cause_and_nothing_is_condemned() -> None:
    store, databases = Decided(), FakeDatabases(away_until=NOW + 1e6)
    running = await begun_watch(store, BY_DATABASE)
    (answer,) = events(await store.apply(await Watch(FakeObserver(FAILING), databases, FakeClock(NOW))(running)))
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.DEPENDENCY)
    assert "the database court-case-db is failed" in answer.summary
    assert Verdict.FAIL not in {gate.verdict for gate in answer.gates}
    assert len(databases.asked) <= 6 + 600 / ASK_SECONDS + 1


@pytest.mark.parametrize(
    ("databases", "command"),
    [
        ({"away_until": NOW}, BY_DATABASE),
        ({"away_until": NOW + 1e6}, WATCH),
        ({"refused": True}, BY_DATABASE),
    ],
    ids=["it is well", "nobody names one", "rds does not answer"],
)
async def test_what_is_not_known_excuses_nothing(databases: dict[str, Any], command: WatchDeployment) -> None:
    store = Decided()
    running = await begun_watch(store, command)
    watch = Watch(FakeObserver(FAILING), FakeDatabases(**databases), FakeClock(NOW))
    (answer,) = events(await store.apply(await watch(running)))
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.GATE)


async def test_what_fails_once_the_database_is_back_is_held_against_the_version() -> None:
    store, databases = Decided(), FakeDatabases(away_until=NOW + 3)
    running = await begun_watch(store, BY_DATABASE)
    late = [ROLLING] * 40 + FAILING[1:]
    (answer,) = events(
        await store.apply(await Watch(FakeObserver([FAILING[0], *late]), databases, FakeClock(NOW))(running))
    )
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.GATE)
    assert "3 tasks of the deployment failed" in answer.summary


async def test_a_rollback_ends_the_watch_and_answers_its_command_once() -> None:
    store = Decided()
    running = await begun_watch(store)
    decision = await store.apply(await handlers.rollback_started(ROLLBACK, META))
    (answer,) = events(decision)
    assert decision.cancel_jobs == (META.id,)
    assert (answer.verdict, answer.cause, answer.command_id) == (Verdict.INCONCLUSIVE, Cause.SUPERSEDED, META.id)
    late = await Watch(FakeObserver([look()]), FakeDatabases(), FakeClock(NOW))(running)
    assert (await store.apply(late)).emit == ()


async def test_a_watch_that_was_asked_for_after_its_rollback_began_is_answered_at_once() -> None:
    store = Decided()
    assert (await store.apply(await handlers.rollback_started(ROLLBACK, META))).emit == ()
    decision = await store.apply(await handlers.watch_deployment(WATCH, META))
    assert decision.jobs == ()
    assert events(decision)[0].cause is Cause.SUPERSEDED


async def test_a_rollback_of_another_run_ends_nothing() -> None:
    store = Decided()
    running = await begun_watch(store)
    other = ROLLBACK.model_copy(update={"run_id": "run-2"})
    assert (await store.apply(await handlers.rollback_started(other, META))).cancel_jobs == ()
    assert await handlers.rollback_started(ROLLBACK.model_copy(update={"run_id": None}), META) is None
    ended = await Watch(FakeObserver([look()]), FakeDatabases(), FakeClock(NOW))(running)
    assert len((await store.apply(ended)).emit) == 1
