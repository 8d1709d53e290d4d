"""Pauses and approvals: what is held, what is never held, how a hold ends, and what counts."""

from dataclasses import replace
from typing import Any

import pytest

from contracts.base import Target
from contracts.deployment import Cause, CheckUp, Observe, Outcome, Phase, PhaseFinished, PhaseStarted
from contracts.gates import Gate, Verdict
from contracts.monitor import WatchClosely
from contracts.policy_holds import Approval, Pause
from contracts.recovery import Arm
from contracts.results import ArmedOutput, PreflightOutput
from contracts.run_verbs import ApprovalGate, RunHeld, Verb, VerbAnswered
from services.orchestrator.domain.limits import ARM_MARGIN, CHECKS_HOLD, GRACE
from services.orchestrator.domain.policy import Policy
from services.orchestrator.domain.verbs import VerbAsked
from tests.services.orchestrator.harness import SERVICE_POLICY, TARGET, World, asked, at

BEFORE, LAST = Phase.PRE_DEPLOYMENT_VALIDATION, Phase.BAKING
TWO = Approval(needed=2)
ONE = Approval(needed=1)


def world_of(**sections: Any) -> World:
    return World(Policy.of(SERVICE_POLICY.model_copy(update=sections), progress_every=300))


def ask(world: World, verb: Verb, run_id: str, actor: str = "bob", **more: Any) -> VerbAnswered:
    """Ask something of a run, and return the answer."""
    number = len(world.told(VerbAnswered))
    question = VerbAsked(f"request-{number}", TARGET, run_id, verb, actor, "", world.now)
    world.happens(replace(question, **more))
    answers = world.told(VerbAnswered)
    assert len(answers) == number + 1, "each request has one answer"
    return answers[-1]


def plan(world: World) -> str:
    """Return the plan that the run waits with, as its readers see it."""
    approval = world.view(world.run.run_id).approval
    assert approval is not None
    return approval.plan


def approve(world: World, actor: str, **more: Any) -> VerbAnswered:
    return ask(world, Verb.APPROVE, world.run.run_id, actor, **{"plan": plan(world), **more})


def answer_checks(world: World, output: PreflightOutput | None = None) -> None:
    """Answer what is open in the checks before the change."""
    world.now += 1
    for step in world.run.open_steps:
        if step.answer is None:
            world.answer(step.name, output=output if step.name == "run-preflight" else None)


def jump(world: World, seconds: float) -> None:
    """Let time pass in which nothing else happens; what is due then fires once."""
    world.now += seconds
    for timer in sorted(world.timers.values(), key=lambda timer: timer.due):
        if timer.due <= world.now and timer.id in world.timers:
            world.fire(timer)


# pauses


def test_a_pause_holds_the_next_phase_and_a_resumed_run_goes_on() -> None:
    world = World()
    run_id = world.request()
    assert ask(world, Verb.PAUSE, run_id, minutes=5).accepted
    answer_checks(world)
    assert world.verdicts() == {BEFORE: Verdict.PASS}
    assert "arm" not in world.names()
    assert world.view(run_id).held == f"Paused by bob until {at(world.now + 299):%H:%M} UTC"
    (held,) = world.told(RunHeld)
    assert (held.paused_by, held.gate, held.phase) == ("bob", None, BEFORE)
    assert ask(world, Verb.RESUME, run_id, "ada").accepted
    assert world.names()[-1] == "arm"
    assert world.view(run_id).held == ""
    assert world.to_the_end().outcome is Outcome.SUCCEEDED


def test_a_paused_run_that_has_changed_nothing_is_aborted_when_its_time_is_over() -> None:
    world = World()
    run_id = world.request()
    ask(world, Verb.PAUSE, run_id, minutes=20)
    answer_checks(world)
    jump(world, 20 * 60)
    assert (world.end.outcome, world.end.cause) == (Outcome.ABORTED, Cause.TIMEOUT)
    assert world.end.reason.startswith("Nothing was changed: it was paused by bob")
    assert "arm" not in world.names()
    assert world.timers == {}


@pytest.mark.parametrize("phase", [Phase.DEPLOYMENT_MONITORING, Phase.POST_DEPLOYMENT_VALIDATION, Phase.BAKING])
def test_a_paused_run_whose_change_is_live_goes_on_when_its_time_is_over(phase: Phase) -> None:
    world = World()
    run_id = world.request()
    world.through(Phase(list(Phase)[list(Phase).index(phase) - 1]))
    ask(world, Verb.PAUSE, run_id, minutes=60)
    world.through(phase)
    before = world.run.deadline
    world.answer_others()
    jump(world, 59 * 60)
    assert world.run.hold is not None
    jump(world, 2 * 60)
    assert world.run.hold is None
    assert world.run.deadline > before + 58 * 60, "the time of a hold counts towards no deadline"
    assert world.to_the_end().outcome is Outcome.SUCCEEDED


def test_arm_and_watch_outlast_a_pause_and_all_that_follows() -> None:
    world = World()
    run_id = world.request()
    world.through(BEFORE)
    ask(world, Verb.PAUSE, run_id, minutes=120)
    world.through(Phase.DEPLOYMENT_MONITORING)
    arms = [emit.event for emit in world.sent if isinstance(emit.event, Arm)]
    watches = [emit.event for emit in world.sent if isinstance(emit.event, WatchClosely)]
    assert len({emit.id for emit in world.sent if isinstance(emit.event, Arm)}) == 2
    assert arms[0].snapshot_id == arms[-1].snapshot_id
    needed = world.run.pause.until + world.run.deadline - world.now  # type: ignore[union-attr]
    assert arms[-1].expires_at == at(needed + ARM_MARGIN)
    assert watches[-1].until == at(needed)


def test_a_pause_ends_where_recovery_does_not_confirm_that_it_stands_ready() -> None:
    world = World()
    run_id = world.request()
    world.through(BEFORE)
    ask(world, Verb.PAUSE, run_id, minutes=60)
    world.through(Phase.DEPLOYMENT_MONITORING)
    jump(world, GRACE + 1)
    assert world.run.phase is Phase.POST_DEPLOYMENT_VALIDATION
    assert any("has not confirmed" in message for message in world.messages())


@pytest.mark.parametrize("way", ["recovery", "gate", "abort"])
def test_a_pause_holds_no_rollback(way: str) -> None:
    world = World()
    run_id = world.request()
    world.through(BEFORE)
    ask(world, Verb.PAUSE, run_id, minutes=60)
    if way == "gate":
        world.answer("arm")
        world.answer("apply-change")
        world.answer("watch-closely")
        world.answer("watch-deployment", Verdict.FAIL, gates=(Gate.true("healthy", False),))
    else:
        world.through(Phase.DEPLOYMENT_MONITORING)
        world.rollback_starts(run_id) if way == "recovery" else world.abort(run_id)
    assert world.view(run_id).rolling_back
    assert (world.run.hold, world.run.pause, world.view(run_id).held) == (None, None, "")
    assert not ask(world, Verb.PAUSE, run_id).accepted
    assert not ask(world, Verb.RESUME, run_id).accepted
    world.rollback_ends(run_id)
    assert world.end.outcome is Outcome.ROLLED_BACK
    assert world.timers == {}


def test_a_pause_that_is_over_before_its_phase_holds_nothing() -> None:
    world = World()
    run_id = world.request()
    ask(world, Verb.PAUSE, run_id, minutes=1)
    jump(world, 61)
    answer_checks(world)
    assert world.names()[-1] == "arm"


def test_what_is_asked_twice_too_long_or_too_late_changes_nothing_and_says_why() -> None:
    world = world_of(pause=Pause(default_minutes=30, maximum_minutes=10))
    run_id = world.request()
    assert "at most 10 minutes" in ask(world, Verb.PAUSE, run_id, minutes=11).sentence
    late = ask(world, Verb.PAUSE, run_id, asked_at=world.now - 600, minutes=10)
    assert (late.accepted, "so late" in late.sentence) == (False, True)
    assert "not paused" in ask(world, Verb.RESUME, run_id).sentence
    assert ask(world, Verb.PAUSE, run_id).accepted
    assert world.run.pause is not None
    assert world.run.pause.until == world.now + 600, "never longer than the longest"
    again = ask(world, Verb.PAUSE, run_id, "eve")
    assert (again.accepted, "already by bob" in again.sentence) == (False, True)
    never = world_of(pause=Pause(maximum_minutes=0))
    assert "can be paused" in ask(never, Verb.PAUSE, never.request()).sentence


def test_of_a_run_that_waits_or_is_over_or_never_was_nothing_can_be_asked_but_an_abort_of_what_waits() -> None:
    world = World()
    world.request("1")
    waiting = world.request("2")
    for verb in Verb:
        answer = ask(world, verb, waiting)
        assert ("the queue" in answer.sentence, answer.accepted) == (True, verb is Verb.ABORT)
        assert "does not go on" in ask(world, verb, "nobody's").sentence
    first = world.run.run_id
    world.to_the_end()
    for verb in Verb:
        answer = ask(world, verb, first)
        assert (answer.accepted, "has ended" in answer.sentence) == (False, True)


def test_who_waits_behind_a_held_run_is_told_for_what() -> None:
    world = World()
    run_id = world.request()
    ask(world, Verb.PAUSE, run_id)
    answer_checks(world)
    assert "paused by bob until" in world.view(world.request("2")).progress


def test_what_somebody_else_deploys_is_armed_before_it_is_held() -> None:
    world = world_of(approval_before_change=ONE)
    run_id = world.request(event=asked(Observe()))
    ask(world, Verb.PAUSE, run_id)
    answer_checks(world, PreflightOutput())
    assert world.names()[-1] == "arm"
    world.through(Phase.DEPLOYMENT_MONITORING)
    assert world.run.hold is not None


def test_a_check_up_can_be_paused_and_needs_no_approval() -> None:
    world = world_of(approval_before_change=ONE, approval_before_success=ONE)
    run_id = world.request(event=asked(CheckUp()))
    ask(world, Verb.PAUSE, run_id, minutes=20)
    answer_checks(world, PreflightOutput(live_deployment="ecs-svc/1"))
    assert world.view(run_id).approval is None
    jump(world, 21 * 60)
    assert world.run.phase is Phase.DEPLOYMENT_MONITORING
    while world.active is not None:
        world.answer_others()
    assert world.end.outcome is Outcome.SUCCEEDED
    assert "arm" not in world.names()


# approvals


def test_without_a_policy_nobody_is_waited_for() -> None:
    world = World()
    run_id = world.request()
    answer = ask(world, Verb.APPROVE, run_id, plan="0" * 32)
    assert (answer.accepted, "does not wait" in answer.sentence) == (False, True)
    assert world.to_the_end().outcome is Outcome.SUCCEEDED
    assert world.told(RunHeld) == []


def test_a_run_waits_for_so_many_persons_before_its_change() -> None:
    world = world_of(approval_before_change=TWO)
    run_id = world.request()
    answer_checks(world)
    assert "arm" not in world.names()
    shown = world.view(run_id)
    assert shown.held.startswith("Waits for 2 of 2 approvals before the change until")
    assert shown.approval is not None
    assert "shop/web@sha256:2222" in shown.approval.shown
    assert approve(world, "bob").sentence == "Approved: 1 of 2."
    again = approve(world, "Bob ")
    assert (again.accepted, "counts once" in again.sentence) == (False, True)
    own = approve(world, "ada")
    assert (own.accepted, "requester_may_approve" in own.sentence) == (False, True)
    assert [held.given for held in world.told(RunHeld)] == [(), ("bob",)]
    assert "arm" not in world.names()
    assert approve(world, "eve").accepted
    assert world.names()[-1] == "arm"
    late = ask(world, Verb.APPROVE, run_id, "joe", plan=shown.approval.plan)
    assert (late.accepted, "does not wait" in late.sentence) == (False, True)
    end = world.to_the_end()
    assert (end.outcome, "Approved by bob, eve." in end.reason) == (Outcome.SUCCEEDED, True)


def test_of_one_proven_person_one_approval_counts_for_whomever_it_is_given() -> None:
    world = world_of(approval_before_change=Approval(needed=2, approvers=("key:lead", "key:ops", "ci:team")))
    world.request()
    answer_checks(world)
    assert approve(world, "key:lead for ann").accepted
    assert not approve(world, "key:lead for ben").accepted
    for stranger in ("key:eve", "lead", "key:lea", "anybody for key:ops", "ci for key:ops"):
        answer = approve(world, stranger)
        assert (answer.accepted, "none of those" in answer.sentence) == (False, True)
    assert approve(world, "ci:team for key:lead").accepted


@pytest.mark.parametrize(
    ("requester", "own", "other"),
    [
        ("ci:team-a for ann", "key:ann", "key:ben"),
        ("ci:team-a for Ann ", "ann", "ben"),
        ("ci:team-a for key:ann", "key:ann", "key:team-a"),
        ("key:ann", "ci:team-a for ann", "ci:team-a for ben"),
        ("key:lead for root", "key:root for ann", "key:ops for root"),
        ("anybody for key:ann", "key:ann", "key:ben"),
    ],
)
def test_whoever_says_to_act_for_another_is_that_one_where_a_request_is_approved(
    requester: str, own: str, other: str
) -> None:
    world = world_of(approval_before_change=Approval(needed=1))
    world.request(event=asked(actor=requester))
    answer_checks(world)
    answer = approve(world, own)
    assert (answer.accepted, "requester_may_approve" in answer.sentence) == (False, True)
    assert approve(world, other).accepted


def test_the_policy_may_let_the_requester_approve() -> None:
    world = world_of(approval_before_change=Approval(needed=1, requester_may_approve=True))
    world.request()
    answer_checks(world)
    assert approve(world, "ada").accepted


def test_an_approval_is_of_what_was_shown_and_of_nothing_else() -> None:
    world = world_of(approval_before_change=TWO)
    run_id = world.request()
    early = ask(world, Verb.APPROVE, run_id, plan="0" * 32)
    assert not early.accepted
    answer_checks(world)
    first = plan(world)
    other = ask(world, Verb.APPROVE, run_id, plan="0" * 32)
    assert (other.accepted, "look at its status again" in other.sentence) == (False, True)
    ask(world, Verb.APPROVE, run_id, "bob", plan=first)
    jump(world, CHECKS_HOLD + 1)
    ask(world, Verb.APPROVE, run_id, "eve", plan=first)
    assert world.run.phase is BEFORE, "checks that are old by now are made once more"
    assert len([event for event in world.told(PhaseStarted) if event.phase is BEFORE]) == 2
    answer_checks(world, PreflightOutput(images={"web": "shop/web@sha256:" + "3" * 64}))
    assert "arm" not in world.names(), "a moved tag is another plan"
    assert plan(world) != first
    assert not ask(world, Verb.APPROVE, run_id, "bob", plan=first).accepted
    assert approve(world, "bob").accepted
    assert approve(world, "eve").accepted
    assert world.names()[-1] == "arm"
    assert world.to_the_end().outcome is Outcome.SUCCEEDED


def test_checks_that_are_made_once_more_need_no_new_approval_where_nothing_has_changed() -> None:
    world = world_of(approval_before_change=ONE)
    world.request()
    answer_checks(world)
    jump(world, CHECKS_HOLD + 1)
    approve(world, "bob")
    sent = [emit.id for emit in world.sent]
    assert len(sent) == len(set(sent)), "each is a command of its own"
    answer_checks(world)
    assert world.names()[-1] == "arm"
    finished = [event for event in world.told(PhaseFinished) if event.phase is BEFORE]
    assert len(finished) == 2
    assert len({emit.id for emit in world.emitted if isinstance(emit.event, PhaseFinished)}) == 2


def test_checks_that_fail_the_second_time_block_the_run() -> None:
    world = world_of(approval_before_change=ONE)
    world.request()
    answer_checks(world)
    jump(world, CHECKS_HOLD + 1)
    approve(world, "bob")
    world.answer("assess-health", Verdict.FAIL, gates=(Gate.true("health_score", False),))
    answer_checks(world)
    assert world.end.outcome is Outcome.BLOCKED
    assert "--override health_score" in world.end.reason


def test_a_rejection_before_the_change_blocks_the_run() -> None:
    world = world_of(approval_before_change=ONE)
    run_id = world.request()
    answer_checks(world)
    assert ask(world, Verb.REJECT, run_id, plan=plan(world), reason="not on a Friday").accepted
    assert (world.end.outcome, world.end.cause) == (Outcome.BLOCKED, Cause.REFUSED)
    assert world.end.reason == "Nothing was changed. Rejected by bob: not on a Friday."
    assert world.timers == {}


def test_without_approvals_in_time_the_run_is_blocked() -> None:
    world = world_of(approval_before_change=TWO)
    run_id = world.request()
    answer_checks(world)
    approve(world, "bob")
    jump(world, 60 * 60)
    assert (world.end.outcome, world.end.cause) == (Outcome.BLOCKED, Cause.TIMEOUT)
    assert world.end.reason == "Nothing was changed: 1 of 2 approvals came in time (by bob)."
    assert world.view(run_id).approval is None
    assert world.timers == {}


def test_a_run_may_need_an_approval_before_it_succeeds() -> None:
    world = world_of(approval_before_success=ONE)
    run_id = world.request()
    world.through(LAST)
    assert "disarm" not in world.names()
    wanted = world.view(run_id).approval
    assert wanted is not None
    assert (wanted.gate, wanted.shown.startswith("Keep web:2 live")) == (ApprovalGate.BEFORE_SUCCESS, True)
    assert approve(world, "bob").accepted
    world.answer("disarm")
    assert world.end.outcome is Outcome.SUCCEEDED


def test_a_rejection_before_success_rolls_back() -> None:
    world = world_of(approval_before_success=ONE)
    run_id = world.request()
    world.through(LAST)
    ask(world, Verb.REJECT, run_id, plan=plan(world), reason="wrong texts")
    assert world.names()[-1] == "roll-back"
    world.rollback_ends(run_id)
    assert (world.end.outcome, world.end.cause) == (Outcome.ROLLED_BACK, None)
    assert "Rejected by bob: wrong texts." in world.end.reason


def test_without_an_approval_before_success_the_version_stays_live() -> None:
    world = world_of(approval_before_success=ONE)
    world.request()
    world.through(LAST)
    world.answer_others()
    jump(world, 60 * 60 + 1)
    world.answer("disarm")
    assert (world.end.outcome, world.end.cause) == (Outcome.FAILED, Cause.TIMEOUT)
    assert "0 of 1 approvals came in time (by nobody). The new version was left live" in world.end.reason
    assert "roll-back" not in world.names()


def test_an_approval_is_not_waited_for_longer_than_recovery_stands_ready() -> None:
    world = world_of(approval_before_success=Approval(needed=1, minutes=1440))
    run_id = world.request()
    world.through(LAST)
    armed_until = world.run.armed_until
    jump(world, armed_until - world.now + 1)
    assert world.run.ending is not None, "nobody has confirmed a longer arm"
    other = world_of(approval_before_success=Approval(needed=1, minutes=1440))
    run_id = other.request()
    other.through(LAST)
    wanted = next(emit.event for emit in reversed(other.sent) if isinstance(emit.event, Arm))
    other.answer("arm", output=ArmedOutput(expires_at=wanted.expires_at, snapshot_id="snapshot-1"))
    jump(other, armed_until - other.now + 1)
    assert other.view(run_id).approval is not None


def test_a_pause_while_approvals_are_waited_for_holds_the_run_after_them() -> None:
    world = world_of(approval_before_change=ONE)
    run_id = world.request()
    answer_checks(world)
    assert ask(world, Verb.PAUSE, run_id, minutes=30).accepted
    assert world.view(run_id).held.startswith("Paused by bob")
    assert "waits for 1 of 1 approval before the change" in world.view(run_id).held
    approve(world, "eve")
    assert "arm" not in world.names()
    ask(world, Verb.RESUME, run_id)
    assert world.names()[-1] == "arm"


def test_an_abort_ends_a_held_run_as_one_that_changed_nothing() -> None:
    world = world_of(approval_before_change=ONE)
    run_id = world.request()
    answer_checks(world)
    world.abort(run_id)
    assert world.end.outcome is Outcome.ABORTED
    assert world.timers == {}


def test_the_same_plan_of_another_run_is_another_plan() -> None:
    plans = set()
    for number, service in enumerate(("web", "web", "api")):
        world = world_of(approval_before_change=ONE)
        target = Target(**{**TARGET.model_dump(), "service": service})
        world.request(str(number), asked(target=target) if service != "web" else None)
        answer_checks(world)
        plans.add(plan(world))
    assert len(plans) == 3


def test_what_a_hold_waits_for_is_kept_with_the_state() -> None:
    world = world_of(approval_before_change=TWO)
    world.request()
    answer_checks(world)
    approve(world, "bob")
    assert world.course.to_bytes() == world.state
    assert world.run.approvals[0].actor == "bob"
