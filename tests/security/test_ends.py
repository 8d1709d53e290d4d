"""No alert suppresses a command, and an end that was announced is never more than what recovery and AWS show."""

from typing import Any, Literal

import pytest

from contracts.base import Event, joined
from contracts.deployment import DeploymentFinished, DeployRequested, ImageChange, Outcome, run_id_of
from contracts.envelope import from_message
from contracts.gates import Verdict
from contracts.monitor import CriticalAlert
from contracts.recovery import RollbackFinished, RollbackStarted
from contracts.results import answer_id
from contracts.topics import DEPLOYMENT_EVENTS, RECOVERY_EVENTS
from services._chassis.clock import moment
from services.orchestrator.domain.course import Course, course_key
from services.recovery.decisions.triggers import rollback_id
from tests.properties.answerers import ARN
from tests.properties.test_restored import SHORT, Lenient
from tests.properties.world import TARGET, World, finished

RUN = run_id_of(TARGET, "ci", "1")


def begun(rounds: int) -> World:
    """Return a deployment after so many rounds of messages; after six recovery is armed and has made the change."""
    world = World()
    world.ledger = Lenient()  # type: ignore[assignment]  # after a restoration events are published again
    event = DeployRequested(target=TARGET, change=ImageChange(reference="shop/web:2"), actor="ada", config=SHORT)
    world.publish_outside(event, "1", "ci")
    for _ in range(rounds):
        world.flow()
    return world


def told(world: World, topic: str, kind: type[Any]) -> list[Any]:
    events = (from_message(record.headers, record.value).event for record in world.topics[topic])
    return [event for event in events if isinstance(event, kind)]


def ends(world: World) -> set[Outcome]:
    return {end.outcome for end in told(world, DEPLOYMENT_EVENTS.name, DeploymentFinished)}


def alert(world: World, alert_id: str, state: Literal["raised", "resolved"]) -> Event:
    return CriticalAlert(
        target=TARGET,
        alert_id=alert_id,
        rule="error_rate",
        state=state,
        value=0,
        comparison=">",
        threshold=10,
        samples=40,
        began_at=moment(world.clock.now()),
        detail="much fails",
    )


COLLISIONS = ("the command's", "the inbox's", "the rollback's", "its answer's")


@pytest.mark.parametrize("collision", COLLISIONS)
@pytest.mark.parametrize("state", ["resolved", "raised"])
async def test_no_alert_suppresses_a_command(collision: str, state: Literal["raised", "resolved"]) -> None:
    """A genuine alert in the orchestrator's name, under an id that was computed from the run's, before the command."""
    world = begun(8)
    course = Course.from_bytes(finished(world.orchestrator.store.load(course_key(TARGET))))
    assert course.active is not None
    command = course.active.id_of(f"{course.active.phase}:roll-back:1")
    disarm = course.active.id_of(f"{course.active.phase}:disarm:1")
    for id_ in (command, disarm):
        chosen = {
            "the command's": id_,
            "the inbox's": joined("recovery.commands.v1", str(TARGET), "surefoot/orchestrator", id_),
            "the rollback's": rollback_id(RUN),
            "its answer's": answer_id(id_),
        }[collision]
        world.publish_outside(alert(world, chosen, "resolved"), chosen, "surefoot/orchestrator")
    if state == "raised":
        world.publish_outside(alert(world, rollback_id(RUN), "raised"), command, "surefoot/orchestrator")
    world.flow(Verdict.FAIL)
    world.come_to_rest()
    rollbacks = told(world, RECOVERY_EVENTS.name, RollbackFinished)
    assert [(found.run_id, found.result) for found in rollbacks] == [(RUN, "restored")]
    assert ends(world) == {Outcome.ROLLED_BACK}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("rounds", [6, 8, 10, 13])
async def test_what_has_succeeded_is_not_rolled_back_by_a_restored_recovery(rounds: int, *, backwards: bool) -> None:
    """The copy is from when recovery was armed; an alert of after the end may be read before the disarming."""
    world = begun(rounds)
    copy = world.copy()
    while not ends(world):
        if not world.flow():
            world.clock.time += 31
            for timer in world.due(world.orchestrator):
                world.go(world.firing(world.orchestrator, timer))
    assert ends(world) == {Outcome.SUCCEEDED}
    world.clock.time += 5
    world.publish_outside(alert(world, "later", "raised"))
    world.flow()
    world.restore(copy, backwards=backwards)
    world.come_to_rest()
    assert ends(world) == {Outcome.SUCCEEDED}
    assert told(world, RECOVERY_EVENTS.name, RollbackStarted) == []
    assert world.account.live == f"{ARN}:2"
