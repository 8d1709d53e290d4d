"""A newer request takes the place of older ones: who gives way, how each ends, and when the newer one begins."""

from typing import Any

import pytest

from contracts.deployment import (
    Cause,
    CheckUp,
    DeploymentFinished,
    DeploymentQueued,
    DeploymentStarted,
    ImageChange,
    Observe,
    Outcome,
    Phase,
)
from contracts.policy import Requests
from contracts.policy_holds import Approval
from contracts.recovery import RollBack
from contracts.results import ChangeOutput
from contracts.run_verbs import Verb
from services.orchestrator.domain.limits import QUEUE
from services.orchestrator.domain.policy import Policy
from tests.services.orchestrator.harness import SERVICE_POLICY, START, World, asked, at
from tests.services.orchestrator.test_orchestrator_holds import answer_checks, approve, ask, plan

NEWER = asked(ImageChange(reference="shop/web:3"), on_conflict="supersede")
AFTER_THE_CHANGE = tuple(Phase)[1:]


def world_of(**sections: Any) -> World:
    return World(Policy.of(SERVICE_POLICY.model_copy(update=sections), progress_every=300))


def supersede(world: World, id_: str = "newer", event: Any = NEWER) -> str:
    world.now += 1
    return world.request(id_, event)


def ended(world: World, run_id: str) -> tuple[Outcome, Cause | None]:
    (end,) = world.ends(run_id)
    return end.outcome, end.cause


def test_what_has_changed_nothing_is_aborted_and_the_newer_run_begins_at_once() -> None:
    world = World()
    old = world.request("old")
    new = supersede(world)
    assert ended(world, old) == (Outcome.ABORTED, Cause.SUPERSEDED)
    assert world.ends(old)[0].reason == f"Superseded by the run {new}, which ada has asked for."
    assert world.run.run_id == new
    assert world.told(DeploymentQueued) == []
    assert "roll-back" not in world.names()
    assert world.view(old).status == "finished"
    assert world.to_the_end().run_id == new


def test_what_is_armed_and_has_changed_nothing_is_disarmed_first() -> None:
    world = World()
    old = world.request("old")
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    new = supersede(world)
    assert world.names()[-1] == "disarm"
    assert world.run.run_id == old
    world.answer("disarm")
    assert ended(world, old) == (Outcome.ABORTED, Cause.SUPERSEDED)
    assert world.run.run_id == new


@pytest.mark.parametrize("phase", AFTER_THE_CHANGE)
def test_what_was_changed_is_rolled_back_before_the_newer_run_begins(phase: Phase) -> None:
    world = World()
    old = world.request("old")
    world.through(tuple(Phase)[tuple(Phase).index(phase) - 1])
    if phase is Phase.DEPLOYMENT_MONITORING:
        world.answer("arm")
    new = supersede(world)
    assert [event.trigger for event in world.told(RollBack)] == [f"superseded by the run {new}"]
    assert world.view(new).progress == "Waiting, number 1 in the queue. The run before it is being rolled back."
    world.rollback_starts(old)
    assert world.run.run_id == old
    assert [event.run_id for event in world.told(DeploymentStarted)] == [old]
    world.rollback_ends(old)
    assert ended(world, old) == (Outcome.ROLLED_BACK, Cause.SUPERSEDED)
    assert world.run.run_id == new
    assert world.run.stages[0].phase is Phase.PRE_DEPLOYMENT_VALIDATION, "its way back is a snapshot of its own"
    assert world.to_the_end().outcome is Outcome.SUCCEEDED


def test_where_the_rollback_fails_the_newer_run_does_not_begin() -> None:
    world = World()
    old = world.request("old")
    world.through(Phase.DEPLOYMENT_MONITORING)
    middle, new = supersede(world, "middle"), supersede(world, "newest")
    assert ended(world, middle) == (Outcome.ABORTED, Cause.SUPERSEDED)
    waiting = supersede(world, "waits", asked(Observe()))
    world.rollback_starts(old)
    world.rollback_ends(old, "failed")
    assert ended(world, old) == (Outcome.ROLLBACK_FAILED, Cause.SUPERSEDED)
    assert ended(world, new) == (Outcome.BLOCKED, Cause.REFUSED)
    assert "could not be rolled back" in world.ends(new)[0].reason
    assert world.run.run_id == waiting


def test_a_run_whose_version_was_live_already_is_aborted_and_not_rolled_back() -> None:
    world = World()
    old = world.request("old")
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    world.answer("arm")
    same = ChangeOutput(deployment_id="ecs-svc/0", task_definition="web:1", applied_at=at(world.now), changed=False)
    world.answer("apply-change", output=same)
    supersede(world)
    world.answer("disarm")
    assert ended(world, old) == (Outcome.ABORTED, Cause.SUPERSEDED)
    assert "roll-back" not in world.names()


def test_a_rollback_is_never_superseded() -> None:
    world = World()
    old = world.request("old")
    world.through(Phase.DEPLOYMENT_MONITORING)
    world.rollback_starts(old)
    before = world.run
    new = supersede(world)
    assert world.run == before
    assert "roll-back" not in world.names()
    world.rollback_ends(old)
    assert ended(world, old) == (Outcome.ROLLED_BACK, Cause.GATE)
    assert world.run.run_id == new


def test_a_run_that_ends_already_ends_as_it_was_going_to() -> None:
    world = World()
    old = world.request("old")
    world.through(Phase.BAKING)
    new = supersede(world)
    world.answer("disarm")
    assert ended(world, old) == (Outcome.SUCCEEDED, None)
    assert world.run.run_id == new


def test_all_that_waits_is_superseded_and_the_queue_has_room() -> None:
    world = World()
    world.request("0")
    older = [world.request(str(number)) for number in range(1, QUEUE + 1)]
    new = supersede(world)
    assert [ended(world, run_id) for run_id in older] == [(Outcome.ABORTED, Cause.SUPERSEDED)] * QUEUE
    assert "Nothing was changed" in world.ends(older[0])[0].reason
    assert world.run.run_id == new
    assert world.course.queue == ()


def test_what_was_asked_for_later_is_not_superseded() -> None:
    world = World()
    world.now += 60
    newer = world.request("newer")
    older = world.request("older", NEWER, time=START)
    assert ended(world, older) == (Outcome.ABORTED, Cause.SUPERSEDED)
    assert newer in world.ends(older)[0].reason
    assert world.run.run_id == newer


def test_what_waits_and_was_asked_for_later_is_not_superseded_either() -> None:
    world = World()
    active = world.request("active")
    world.now += 60
    newer = world.request("newer")
    older = world.request("older", NEWER, time=START + 30)
    assert ended(world, older) == (Outcome.ABORTED, Cause.SUPERSEDED)
    assert [request.run_id for request in world.course.queue] == [newer]
    assert world.run.run_id == active


def test_the_same_request_supersedes_once() -> None:
    world = World()
    world.request("old")
    supersede(world)
    said, state = len(world.emitted), world.state
    supersede(world)
    assert (len(world.emitted), world.state) == (said, state)


@pytest.mark.parametrize("change", [Observe(), CheckUp()])
def test_what_changes_nothing_takes_nobodys_place(change: Any) -> None:
    world = World()
    old = world.request("old")
    waits = supersede(world, event=asked(change, on_conflict="supersede"))
    assert world.run.run_id == old
    assert world.view(waits).status == "queued"


def test_what_somebody_else_deploys_stays_watched() -> None:
    world = World()
    observing = world.request("old", asked(Observe()))
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    new = supersede(world)
    assert world.run.run_id == observing
    assert world.run.ending is None
    assert world.to_the_end().outcome is Outcome.SUCCEEDED
    assert world.run.run_id == new


def test_a_paused_run_is_not_superseded() -> None:
    world = World()
    old = world.request("old")
    ask(world, Verb.PAUSE, old, minutes=5)
    new = supersede(world)
    assert world.run.run_id == old
    assert "paused by bob" in world.view(new).progress


def test_an_invalid_request_supersedes_nobody() -> None:
    world = World()
    old = world.request("old")
    stale = world.request("stale", NEWER, time=START - 86400)
    assert ended(world, stale) == (Outcome.BLOCKED, Cause.REFUSED)
    assert world.run.run_id == old


def test_what_is_past_its_checks_only_from_before_a_restoration_is_waited_for() -> None:
    world = World()
    old = world.request("old")
    course = world.course
    past = world.run.replace(request=world.run.request.replace(past_checks=True))
    world.state = course.replace(active=past).to_bytes()
    supersede(world)
    assert world.run.run_id == old
    assert world.run.ending is None


@pytest.mark.parametrize(
    ("policy", "own", "superseded"),
    [
        ("queue", None, False),
        ("supersede", None, True),
        ("supersede", "queue", False),
        ("queue", "supersede", True),
        ("refuse", "supersede", True),
    ],
)
def test_the_request_says_what_it_does_else_the_policy(policy: str, own: str | None, superseded: bool) -> None:
    world = world_of(requests=Requests.model_validate({"on_conflict": policy}))
    old = world.request("old")
    supersede(world, event=asked() if own is None else asked(on_conflict=own))
    assert (world.run.run_id != old) is superseded


def test_a_policy_may_refuse() -> None:
    world = world_of(requests=Requests(on_conflict="refuse"))
    world.request("old")
    assert ended(world, supersede(world, event=asked())) == (Outcome.BLOCKED, Cause.REFUSED)


def test_a_run_that_waits_for_its_first_approval_gives_way() -> None:
    world = world_of(approval_before_change=Approval(needed=2))
    old = world.request("old")
    answer_checks(world)
    shown = plan(world)
    new = supersede(world, event=asked(ImageChange(reference="shop/web:3")))
    assert ended(world, old) == (Outcome.ABORTED, Cause.SUPERSEDED)
    answer_checks(world)
    assert world.run.run_id == new
    assert plan(world) != shown
    assert not ask(world, Verb.APPROVE, new, "bob", plan=shown).accepted, "it is an approval of the old one"
    assert not ask(world, Verb.APPROVE, old, "bob", plan=shown).accepted


def test_a_run_that_somebody_has_approved_is_waited_for() -> None:
    world = world_of(approval_before_change=Approval(needed=2))
    old = world.request("old")
    answer_checks(world)
    approve(world, "bob")
    supersede(world, event=asked())
    assert world.run.run_id == old


def test_a_request_that_wants_to_wait_waits_for_approvals_too() -> None:
    world = world_of(approval_before_change=Approval(needed=1))
    old = world.request("old")
    answer_checks(world)
    new = supersede(world, event=asked(on_conflict="queue"))
    assert world.run.run_id == old
    assert "waits for 1 of 1 approval" in world.view(new).progress


def test_approvals_of_the_superseded_run_do_not_count_for_the_newer_one() -> None:
    world = world_of(approval_before_change=Approval(needed=2))
    world.request("old")
    answer_checks(world)
    approve(world, "bob")
    new = supersede(world)
    answer_checks(world)
    approve(world, "eve")
    assert world.run.run_id == new
    assert world.run.hold is not None, "bob has approved another run"
    assert len(world.told(DeploymentFinished)) == 1


@pytest.mark.parametrize("by", ["a person", "a newer request"])
def test_what_was_stopped_before_it_reached_the_service_is_aborted(by: str) -> None:
    world = World()
    old = world.request("old")
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    world.answer("arm")
    if by == "a person":
        world.abort(old)
    else:
        supersede(world)
    world.rollback_starts(old)
    world.rollback_ends(old, untouched=True)
    assert ended(world, old) == (Outcome.ABORTED, None if by == "a person" else Cause.SUPERSEDED)
    assert world.ends(old)[0].rollback is None


def test_what_a_gate_has_ended_counts_as_rolled_back_though_it_never_reached_the_service() -> None:
    world = World()
    old = world.request("old")
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    world.answer("arm")
    world.rollback_starts(old)
    world.rollback_ends(old, untouched=True)
    assert ended(world, old) == (Outcome.ROLLED_BACK, Cause.GATE)
