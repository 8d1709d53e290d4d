"""Each scenario that ships, rehearsed under the virtual clock: it ends as it says that it must."""

from typing import Any

import pytest

from sandbox.aws.server.incidents import Impossible
from sandbox.scenarios.load import shipped
from sandbox.scenarios.model import Scenario
from surefoot.rehearsal import rehearse as rehearsing
from surefoot.rehearsal.actors import OutsideActors
from surefoot.rehearsal.judge import mismatches
from surefoot.rehearsal.rehearse import rehearse
from surefoot.rehearsal.stage import NeverEnds

LONG = frozenset({
    "alarm-already-firing", "approved", "blue-green", "check-up-of-a-deployment", "database-away", "drift",
    "ecs-goes-back", "failing-migration", "full-subnets", "late-and-slow", "late-decline",
    "late-decline-when-old", "late-metrics", "memory-leak", "migrated-and-rolled-back", "migrates-by-policy",
    "moved-by-others", "moved-tag", "no-capacity", "noisy", "paused-and-unhealthy", "spot-stop", "superseded",
    "superseded-in-migration", "migration-leaves-an-alarm",
})  # fmt: skip
"""Scenarios that take more than two seconds, as much product time passes: ``make test-slow`` plays them. Each kind of
end has one that does not."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in shipped()]
)
def test_it_ends_as_it_must(name: str) -> None:
    scenario = shipped()[name]
    rehearsal = rehearse(scenario)
    assert mismatches(rehearsal, scenario.expect) == [], rehearsal.finished.reason


def test_the_same_seed_is_the_same_rehearsal() -> None:
    first, second = (rehearse(shipped()["slow"], seed=3) for _ in range(2))
    assert first.finished == second.finished
    assert [event.meta.id for event in first.events] == [event.meta.id for event in second.events]
    assert first.seconds == second.seconds


def test_one_that_never_ends_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsing, "LONGEST", 60.0)
    with pytest.raises(NeverEnds, match="has not ended within"):
        rehearse(shipped()["healthy"])


def test_what_cannot_happen_is_told() -> None:
    late: Any = {"at": 1, "deploys": "healthy"}
    world: Any = {"strategy": "BLUE_GREEN", "happenings": [late]}
    scenario = Scenario(name="mine", teaches="-", world=world, expect={"outcome": "blocked", "watch": 30})
    with pytest.raises(Impossible, match="ECS refuses it"):
        rehearse(scenario)


def test_what_aws_refuses_in_a_rehearsal_is_not_done() -> None:
    refused: Any = [{"kind": "deny", "service": "ecs", "operation": "UpdateService"}]
    own: Any = {"happenings": [{"at": -300, "deploys": "noisy"}]}
    scenario = Scenario(name="mine", teaches="-", world=own, harm=refused, expect={"outcome": "blocked"})
    rehearsal = rehearse(scenario)
    assert rehearsal.finished.outcome != "succeeded"
    assert rehearsal.live == "noisy"
    assert "UpdateService" not in {call.operation for call in rehearsal.calls}


def test_a_fault_beside_it_ends_the_rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaks(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(OutsideActors, "happen", breaks)
    with pytest.raises(ExceptionGroup) as broken:
        rehearse(shipped()["healthy"])
    assert broken.group_contains(ZeroDivisionError)
