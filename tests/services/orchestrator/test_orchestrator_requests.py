"""Who may start, who waits, who is told no."""

import pytest

from contracts.deployment import Cause, DeploymentFinished, DeploymentQueued, DeploymentStarted, Outcome
from services.orchestrator.domain.limits import QUEUE, REQUEST_LIFETIME
from services.orchestrator.domain.policy import Policy
from tests.services.orchestrator.harness import START, World, asked, at, run_id_of


@pytest.fixture
def world() -> World:
    return World()


def test_the_runs_id_derives_from_source_and_id(world: World) -> None:
    assert world.request("build-7") == run_id_of("build-7") == world.run.run_id


@pytest.mark.parametrize("age", [REQUEST_LIFETIME, REQUEST_LIFETIME + 86400])
def test_a_stale_request_is_refused(world: World, age: float) -> None:
    run_id = world.request("1", time=START - age)
    assert (world.end.run_id, world.end.outcome, world.end.cause) == (run_id, Outcome.BLOCKED, Cause.REFUSED)
    assert "had expired" in world.end.reason
    assert world.sent == []
    assert world.told(DeploymentStarted) == []
    assert world.view(run_id).status == "finished"
    assert world.course.last_run_id == run_id


def test_a_request_may_say_how_long_it_lives(world: World) -> None:
    world.request("1", asked(expires_at=at(START)))
    assert world.end.outcome is Outcome.BLOCKED
    world.request("2", asked(expires_at=at(START + 3600)), time=START - 2 * REQUEST_LIFETIME)
    assert world.active is not None


def test_a_target_on_which_nobody_may_act_is_told_so() -> None:
    world = World(Policy(refusal="shop/web is not listed in the policy."))
    world.request("1")
    assert (world.end.outcome, world.end.cause) == (Outcome.BLOCKED, Cause.USAGE)
    assert world.end.reason == "shop/web is not listed in the policy."


def test_the_same_request_is_the_same_run(world: World) -> None:
    world.request("1")
    world.request("2")
    said, state = len(world.emitted), world.state
    world.request("1")
    world.request("2")
    assert (len(world.emitted), world.state) == (said, state)


def test_who_does_not_want_to_wait_is_refused(world: World) -> None:
    first = world.request("1")
    second = world.request("2", asked(on_conflict="refuse"))
    assert (world.end.run_id, world.end.outcome, world.end.cause) == (second, Outcome.BLOCKED, Cause.REFUSED)
    assert first in world.end.reason
    assert world.run.run_id == first
    assert world.view(second).outcome is Outcome.BLOCKED
    assert world.course.last_run_id is None, "the run that matters is the active one"


def test_the_next_run_starts_when_the_active_one_ends(world: World) -> None:
    first, second, third = world.request("1"), world.request("2"), world.request("3")
    assert [(event.run_id, event.position) for event in world.told(DeploymentQueued)] == [(second, 1), (third, 2)]
    assert world.view(second).status == "queued"
    world.to_the_end()
    assert world.run.run_id == second
    assert world.view(first).status == "finished"
    assert world.view(second).status == "running"
    assert world.view(third).progress == "Waiting, number 1 in the queue."
    assert world.to_the_end().run_id == second
    assert world.to_the_end().run_id == third
    assert world.active is None
    assert world.timers == {}


def test_who_waited_too_long_is_refused_and_the_next_one_starts(world: World) -> None:
    world.request("1")
    stale = world.request("2", asked(expires_at=at(START + 10)))
    fresh = world.request("3")
    world.passes(20)
    world.to_the_end()
    assert [(end.outcome, end.cause) for end in world.ends(stale)] == [(Outcome.BLOCKED, Cause.REFUSED)]
    assert world.run.run_id == fresh


def test_a_waiting_run_can_be_aborted(world: World) -> None:
    world.request("1")
    second = world.request("2")
    world.abort(second)
    assert (world.end.run_id, world.end.outcome) == (second, Outcome.ABORTED)
    assert world.view(second).status == "finished"
    assert world.course.queue == ()
    world.to_the_end()
    assert world.active is None
    assert len(world.told(DeploymentFinished)) == 2


def test_the_queue_is_bounded(world: World) -> None:
    for number in range(QUEUE + 1):
        world.request(str(number))
    refused = world.request("one more")
    assert (world.end.run_id, world.end.cause) == (refused, Cause.REFUSED)
    assert len(world.course.queue) == QUEUE
