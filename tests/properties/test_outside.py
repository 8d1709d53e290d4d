"""An alert outside a run, and an executor that dies at any of its round trips: one rollback for a deployment."""

import pytest

from contracts.deployment import DeployRequested, ImageChange, Outcome
from contracts.recovery import RollbackDecided
from services.recovery.domain.protection import Protection, key_of
from tests.properties.answerers import ARN
from tests.properties.test_deployments import SHORT, run_of
from tests.properties.world import LEASE, TARGET, World, finished

SOME = frozenset({2, 6, 11, 15})
TRIPS = [pytest.param(trips, marks=() if trips in SOME else pytest.mark.slow) for trips in range(17)]
"""More round trips than a look takes; the suite plays some."""


def bad_version_is_live() -> World:
    """Return a world in which a run has succeeded, and a person has deployed another version ten minutes ago."""
    world = World()
    ask(world, "a")
    world.come_to_rest()
    assert world.ledger.ends[run_of("a")].outcome is Outcome.SUCCEEDED
    world.clock.time += 4000
    world.account.deploy(f"{ARN}:99")
    world.clock.time += 600
    return world


def ask(world: World, id_: str) -> None:
    request = DeployRequested(target=TARGET, change=ImageChange(reference="shop/web:2"), actor="a", config=SHORT)
    world.publish_outside(request, id_, "ci")


def decisions(world: World) -> list[str]:
    published = [event for event, _ in world.ledger.published.values()]
    return [event.reason for event in published if isinstance(event, RollbackDecided) and event.run_id is None]


@pytest.mark.parametrize("trips", TRIPS)
def test_an_executor_that_dies_in_its_look_is_replaced_and_one_rollback_comes_of_it(trips: int) -> None:
    world = bad_version_is_live()
    accused = world.account.deployment_id
    world.alert("alert", of_live=True)
    world.deliver()
    world.go(world.working(world.recovery), trips)
    for step in world.left:
        step.coroutine.close()
    world.left.clear()
    world.clock.time += LEASE + 1
    world.alert("alert", of_live=True)
    world.come_to_rest()
    assert list(world.ledger.outside) == [accused]
    assert len(world.ledger.outside_over) == 1
    assert decisions(world)[0] == "alert"
    assert world.account.live == f"{ARN}:1"
    assert Protection.from_bytes(finished(world.recovery.store.load(key_of(TARGET)))).rollback is None


@pytest.mark.parametrize("trips", TRIPS)
def test_a_run_that_arms_at_any_moment_of_the_look_and_a_rollback_exclude_each_other(trips: int) -> None:
    """The ledger asserts that no rollback outside runs starts while a run is armed."""
    world = bad_version_is_live()
    world.alert("alert", of_live=True)
    world.deliver()
    looking = world.working(world.recovery)
    over = looking.advance(trips)
    ask(world, "b")
    for _ in range(8):
        world.flow()
    if not over:
        looking.advance(None)
    world.note()
    world.come_to_rest()
    assert run_of("b") in world.ledger.ends
    assert len(world.ledger.outside) <= 1
    assert world.ledger.outside_over.keys() == {event.rollback_id for event in world.ledger.outside.values()}


def test_what_a_rollback_has_brought_back_is_left_alone() -> None:
    world = bad_version_is_live()
    for name in ("first", "second"):
        world.alert(name, of_live=True)
        world.come_to_rest()
    assert len(world.ledger.outside) == 1
    assert decisions(world) == ["alert", "not-mended", "brought-back"]


def test_a_restored_redis_neither_repeats_a_rollback_nor_takes_back_what_it_brought() -> None:
    world = bad_version_is_live()
    copy = world.copy()
    world.alert("first", of_live=True)
    world.come_to_rest()
    deployed = world.account.number
    world.restore(copy)
    world.come_to_rest()
    assert world.account.number == deployed
    world.alert("second", of_live=True)
    world.come_to_rest()
    assert world.account.number == deployed
    assert decisions(world)[-1] == "brought-back"
