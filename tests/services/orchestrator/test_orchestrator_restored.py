"""The state is older than what was told: Redis was restored from a copy, and our own word comes back to us."""

import pytest

from contracts.deployment import (
    Cause,
    CheckUp,
    DeploymentFinished,
    DeploymentStarted,
    DeployRequested,
    OnConflict,
    Outcome,
    Phase,
    PhaseProgressed,
    PhaseStarted,
)
from contracts.envelope import Meta
from contracts.gates import Gate, Verdict
from contracts.recovery import CHANGE_ACCEPTED, RollBack
from contracts.results import PreflightOutput
from contracts.run_verbs import VerbAnswered
from contracts.validator import Baseline, TestBefore, ValidateDeployment
from services.orchestrator.decisions import QUEUE, turn
from services.orchestrator.domain.replay import OwnEvent
from services.orchestrator.handlers import Handlers
from tests.services.orchestrator.harness import IMAGE, POLICY, START, TARGET, FixedPolicies, World, asked, at, run_id_of

META = Meta(id="1", source="ci", time=at(START), read_again=True)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def handlers(world: World) -> Handlers:
    return Handlers(world, world.clock, FixedPolicies(), 300)


async def hear(world: World, handlers: Handlers, event: OwnEvent | DeployRequested) -> None:
    heard = handlers.on_request if isinstance(event, DeployRequested) else handlers.on_own_event
    transition = await heard(event, META)  # type: ignore[arg-type]  # each its own
    if transition is not None:
        world.write(transition)


def finished(run_id: str, outcome: Outcome = Outcome.SUCCEEDED) -> DeploymentFinished:
    return DeploymentFinished(target=TARGET, run_id=run_id, outcome=outcome, reason="As it was told.", seconds=70)


def started(run_id: str) -> DeploymentStarted:
    return DeploymentStarted(target=TARGET, run_id=run_id, actor="ada", change=IMAGE)


def phase_started(run_id: str, phase: Phase = Phase.DEPLOYMENT_MONITORING) -> PhaseStarted:
    return PhaseStarted(target=TARGET, run_id=run_id, phase=phase, deadline=at(START + 600))


def fail_the_checks(world: World) -> None:
    """Answer as AWS's refusal made the checks answer at first, before they were asked again and passed."""
    for step in ("capture-snapshot", "run-diagnostics", "run-preflight"):
        world.answer(step, Verdict.INCONCLUSIVE, cause=Cause.ERROR, summary="AccessDeniedException")
    for step in ("assess-health", "check-alarms"):
        world.answer(step)


async def test_an_active_run_ends_as_it_was_told_and_nothing_is_told_again(world: World, handlers: Handlers) -> None:
    run_id = world.request()
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    said = len(world.emitted)
    await hear(world, handlers, finished(run_id))
    assert (world.active, world.timers, world.course.last_run_id) == (None, {}, run_id)
    assert len(world.emitted) == said
    view = world.view(run_id)
    assert (view.status, view.outcome, view.reason, view.seconds) == ("finished", "succeeded", "As it was told.", 70)
    assert view.phases[1].verdict is Verdict.PASS, "no phase goes on"
    world.abort(run_id)
    world.passes(7200)
    (answer,) = world.emitted[said:]
    assert isinstance(answer.event, VerbAnswered)
    assert not answer.event.accepted


async def test_what_waits_is_not_started_before_its_own_end_was_read(world: World, handlers: Handlers) -> None:
    first, second, third = (world.request(id_) for id_ in "123")
    said = len(world.emitted)
    world.now += 86400  # the requests would have expired by now
    await hear(world, handlers, finished(first))
    assert [timer.kind for timer in world.timers.values()] == [QUEUE]
    await hear(world, handlers, finished(second, Outcome.ROLLED_BACK))
    assert len(world.emitted) == said
    assert world.view(second).outcome is Outcome.ROLLED_BACK
    world.passes(1)
    assert world.view(third).outcome is Outcome.BLOCKED
    assert (world.course.queue, world.timers) == ((), {})


async def test_who_comes_meanwhile_waits_behind_the_others(world: World, handlers: Handlers) -> None:
    first, second = (world.request(id_) for id_ in "12")
    await hear(world, handlers, finished(first))
    third = world.request("3")
    refused = world.request("4", asked(on_conflict="refuse"))
    assert world.view(refused).outcome is Outcome.BLOCKED
    assert second in world.view(refused).reason
    world.passes(1)
    assert world.run.run_id == second
    assert [request.run_id for request in world.course.queue] == [third]


async def test_a_run_of_which_only_the_end_is_known_is_not_run_again(world: World, handlers: Handlers) -> None:
    run_id = run_id_of(META.id)
    await hear(world, handlers, finished(run_id, Outcome.ROLLED_BACK))
    await hear(world, handlers, asked())
    assert (world.active, world.emitted) == (None, [])
    view = world.view(run_id)
    assert (view.outcome, view.actor) == (Outcome.ROLLED_BACK, "ada")


async def test_a_run_that_has_started_does_not_expire_while_it_is_read_again(world: World, handlers: Handlers) -> None:
    run_id = run_id_of(META.id)
    world.now += 86400
    await hear(world, handlers, started(run_id))
    await hear(world, handlers, asked())
    assert world.run.run_id == run_id


async def test_nor_does_one_that_waits_for_its_turn_again(world: World, handlers: Handlers) -> None:
    first, second = (world.request(id_) for id_ in "12")
    world.now += 86400
    await hear(world, handlers, finished(first))
    await hear(world, handlers, started(second))
    world.passes(1)
    assert world.run.run_id == second
    assert await handlers.on_own_event(started(second), META) is None


@pytest.mark.parametrize("first_read", ["its request", "its start"])
@pytest.mark.parametrize("on_conflict", ["queue", "refuse"])
async def test_a_run_that_has_started_is_neither_refused_nor_too_late_however_long_another_is_before_it(
    world: World, handlers: Handlers, first_read: str, on_conflict: OnConflict
) -> None:
    """The copy holds the run before it, whose end was not published yet, and which has no time left by then."""
    world.request("before")
    run_id, request = run_id_of(META.id), asked().model_copy(update={"on_conflict": on_conflict})
    if first_read == "its request" and on_conflict == "queue":
        await hear(world, handlers, request)
        await hear(world, handlers, started(run_id))
    else:
        await hear(world, handlers, started(run_id))
        await hear(world, handlers, request)
    world.now += 7200
    world.to_the_end()
    assert [end.outcome for end in world.ends(run_id)] == [Outcome.SUCCEEDED]


async def test_its_own_word_tells_it_nothing_while_nothing_was_restored(world: World, handlers: Handlers) -> None:
    world.request()
    end = world.to_the_end()
    assert await handlers.on_own_event(end, META) is None


def test_an_answer_that_comes_before_its_question_is_not_remembered(world: World) -> None:
    """Topics are read again in no order: the inbox would swallow the answer when it is repeated."""
    later = World()
    later.request()
    later.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    world.request()
    assert world.answer("arm", command=later.last("arm")).ignore_once
    assert not world.answer("check-alarms").ignore_once
    assert run_id_of("1") == world.run.run_id


def test_a_timer_always_goes(world: World) -> None:
    world.request()
    timer = world.timers[f"run:{world.run.run_id}"]
    assert not world.fire(timer).ignore_once
    assert turn(None, TARGET, finished("unknown"), POLICY, START, at(START)).records, "and an end is kept"


async def test_a_run_whose_change_may_be_live_is_not_blocked_by_the_first_answers(
    world: World, handlers: Handlers
) -> None:
    """Read again at once, the answers of before the second attempt would end the run, and recovery would stay armed."""
    run_id = world.request()
    await hear(world, handlers, phase_started(run_id))
    fail_the_checks(world)
    assert world.run.phase is Phase.PRE_DEPLOYMENT_VALIDATION, "blocked without that event"
    world.passes(61)
    assert world.last("capture-snapshot").id == world.run.id_of("pre_deployment_validation:capture-snapshot:2")
    for step in ("capture-snapshot", "run-diagnostics", "run-preflight"):
        world.answer(step)
    assert world.last("arm")


async def test_without_that_event_the_same_answers_block_it(world: World) -> None:
    world.request()
    fail_the_checks(world)
    assert world.end.outcome is Outcome.BLOCKED


async def test_where_the_checks_do_not_pass_again_recovery_stands_down_and_the_run_fails(
    world: World, handlers: Handlers
) -> None:
    run_id = world.request()
    await hear(world, handlers, phase_started(run_id))
    fail_the_checks(world)
    world.passes(1800)
    world.answer("disarm")
    assert (world.end.outcome, world.end.cause) == (Outcome.FAILED, Cause.TIMEOUT)
    assert "look at the service" in world.end.reason


async def test_aborting_a_run_whose_change_may_be_live_rolls_back(world: World, handlers: Handlers) -> None:
    run_id = world.request()
    await hear(world, handlers, phase_started(run_id))
    world.abort(run_id)
    assert world.last("roll-back")


async def test_so_it_is_for_a_request_that_is_read_again_after_that_event(world: World, handlers: Handlers) -> None:
    run_id = run_id_of(META.id)
    for event in (started(run_id), phase_started(run_id), asked()):
        await hear(world, handlers, event)
    fail_the_checks(world)
    assert world.run.request.past_checks
    assert world.run.phase is Phase.PRE_DEPLOYMENT_VALIDATION


async def test_what_is_tested_while_the_change_may_be_live_is_no_baseline(world: World, handlers: Handlers) -> None:
    run_id = world.request()
    await hear(world, handlers, phase_started(run_id))
    seen = Baseline(tests=(TestBefore(suite="smoke", name="health", path="/health", state="failed"),))
    world.answer(
        "run-preflight", output=PreflightOutput(images={"backend": "registry/backend@sha256:2"}, baseline=seen)
    )
    world.answer_others()
    world.through(Phase.DEPLOYMENT_MONITORING)
    command = world.last("validate-deployment").event
    assert isinstance(command, ValidateDeployment)
    assert command.baseline is None


async def test_so_it_is_for_one_that_waits(world: World, handlers: Handlers) -> None:
    first, second = (world.request(id_) for id_ in "12")
    await hear(world, handlers, phase_started(second))
    await hear(world, handlers, finished(first))
    world.passes(1)
    assert (world.run.run_id, world.run.request.past_checks) == (second, True)


async def test_a_check_up_that_had_gone_on_asks_again(world: World, handlers: Handlers) -> None:
    run_id = world.request(event=asked(CheckUp()))
    await hear(world, handlers, phase_started(run_id))
    fail_the_checks(world)
    assert world.run.phase is Phase.PRE_DEPLOYMENT_VALIDATION


async def test_the_event_says_nothing_new_to_a_run_that_is_past_its_checks(world: World, handlers: Handlers) -> None:
    run_id = world.request()
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    await hear(world, handlers, phase_started(run_id))
    await hear(world, handlers, phase_started(run_id, Phase.BAKING))
    assert not world.run.request.past_checks
    assert f"past-checks:{run_id}" not in world.records


def armed(run_id: str, verdict: Verdict | None = Verdict.PASS, step: str = "arm") -> PhaseProgressed:
    phase = Phase.DEPLOYMENT_MONITORING
    return PhaseProgressed(target=TARGET, run_id=run_id, phase=phase, step=step, message="Armed.", verdict=verdict)


async def test_a_change_that_may_be_live_is_rolled_back_where_the_state_is_from_before_it(
    world: World, handlers: Handlers
) -> None:
    world.request("1")
    world.answer_others()
    await hear(world, handlers, armed(run_id_of("1")))
    world.now += 3600
    world.answer("arm")
    assert world.last("roll-back")
    assert world.run.outcome is None


@pytest.mark.parametrize(
    "event", [armed(run_id_of("1"), None), armed(run_id_of("1"), step="apply-change"), armed(run_id_of("2"))]
)
async def test_without_that_event_arming_took_too_long_and_nothing_was_changed(
    world: World, handlers: Handlers, event: PhaseProgressed
) -> None:
    world.request("1")
    world.answer_others()
    await hear(world, handlers, event)
    world.now += 3600
    world.answer("arm")
    world.answer("disarm")
    assert world.end.outcome is Outcome.BLOCKED


async def test_where_recovery_does_not_stand_ready_again_the_run_fails_and_says_that_the_change_may_be_live(
    world: World, handlers: Handlers
) -> None:
    world.request("1")
    world.answer_others()
    await hear(world, handlers, armed(run_id_of("1")))
    world.answer("arm", Verdict.FAIL, cause=Cause.REFUSED)
    world.answer("disarm")
    assert (world.end.outcome, world.end.cause) == (Outcome.FAILED, Cause.TIMEOUT)
    assert "The change may be live: look at the service." in world.end.reason


async def test_while_nothing_was_restored_that_event_tells_nothing_new(world: World, handlers: Handlers) -> None:
    world.request("1")
    world.answer_others()
    world.answer("arm")
    await hear(world, handlers, armed(run_id_of("1")))
    assert not world.run.request.past_checks


@pytest.mark.parametrize("gate", [CHANGE_ACCEPTED, "change_applied"])
async def test_a_change_that_may_be_live_is_rolled_back_though_it_is_refused_now(
    world: World, handlers: Handlers, gate: str
) -> None:
    """AWS denies what was allowed: what it shows to recovery decides, and not that nothing is remembered."""
    run_id = world.request()
    await hear(world, handlers, phase_started(run_id))
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    world.answer("arm")
    gates = (Gate.true(gate, holds=False),)
    world.answer("apply-change", Verdict.FAIL, cause=Cause.REFUSED, summary="AccessDeniedException", gates=gates)
    assert world.last("roll-back")


async def test_a_change_that_was_refused_and_never_made_is_not_rolled_back(world: World) -> None:
    world.request()
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    world.answer("arm")
    world.answer("apply-change", Verdict.FAIL, cause=Cause.REFUSED, summary="AccessDeniedException")
    world.passes(1800)
    assert not [emit for emit in world.sent if isinstance(emit.event, RollBack)]


async def test_a_request_that_is_read_again_supersedes_nobody(world: World, handlers: Handlers) -> None:
    """Whether the older run has given way to it, that run's own events say, which are read again as well."""
    old = world.request("old")
    world.now += 1
    await hear(world, handlers, asked(on_conflict="supersede"))
    assert world.run.run_id == old
    assert world.run.ending is None
    assert [request.run_id for request in world.course.queue] == [run_id_of("1")]
