"""A held version that somebody brings in past Surefoot is told with its mover, and not fought."""

from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.monitor import WarningAlert
from contracts.moves import ServiceMoved
from contracts.policy_holds import Holds
from contracts.recovery import KnownVersion
from services.orchestrator.domain.course import Course
from tests.services.orchestrator.harness import TARGET
from tests.services.orchestrator.test_version_holds import BACK, BAD, GOOD, goes_back, release, world_of

AGAIN = KnownVersion(task_definition="web:7", images={"web": BAD})
OTHER = KnownVersion(task_definition="web:8", images={"web": "sha256:" + "3" * 64})


def moved(version: KnownVersion | None = AGAIN, **what: Any) -> ServiceMoved:
    usual: dict[str, Any] = {
        "move_id": "m-1", "what": "version", "before": "web:1", "after": "web:7", "by": "unknown",
        "sure": "not-known-yet", "sentence": "Somebody has changed its version from web:1 to web:7.",
        "moved_at": datetime(2026, 1, 12, tzinfo=UTC), "version": version,
    }  # fmt: skip
    return ServiceMoved(target=TARGET, **usual | what)


def alerts(world: Any) -> list[tuple[str, str]]:
    return [(alert.rule, alert.state) for alert in world.told(WarningAlert)]


def test_the_same_digest_under_another_revision_is_told_and_nothing_is_done() -> None:
    world = world_of()
    goes_back(world)
    world.happens(moved())
    [alert] = world.told(WarningAlert)
    assert (alert.rule, alert.state) == ("held_version", "raised")
    assert "A held version is live again. Somebody has changed its version" in alert.detail
    assert "surefoot rollback shop web --latest-proven" in alert.detail
    assert [name for name in world.names() if name in {"roll-back", "arm", "apply-change"}] == []


def test_it_is_told_again_once_its_mover_is_known_and_no_more() -> None:
    world = world_of()
    goes_back(world)
    world.happens(moved())
    known = moved(by="tool", sure="certain", sentence="Terraform has changed its version from web:1 to web:7.")
    world.happens(known)
    world.happens(known)
    first, second = world.told(WarningAlert)
    assert (first.alert_id, first.state) == (second.alert_id, second.state)
    assert "Terraform has changed" in second.detail


def test_it_is_over_when_another_version_comes_in() -> None:
    world = world_of()
    goes_back(world)
    world.happens(moved())
    world.happens(moved(BACK, move_id="m-2"))
    assert alerts(world) == [("held_version", "raised"), ("held_version", "resolved")]
    world.happens(moved(move_id="m-3"))
    assert alerts(world)[2:] == [("held_version", "raised")]
    assert len({alert.alert_id for alert in world.told(WarningAlert)}) == 2


def test_it_is_over_when_its_hold_is_released() -> None:
    world = world_of()
    goes_back(world)
    world.happens(moved())
    release(world)
    assert alerts(world)[-1] == ("held_version", "resolved")
    world.happens(moved(move_id="m-2"))
    assert len(alerts(world)) == 2


@pytest.mark.parametrize(
    ("event", "holds"),
    [
        (moved(OTHER), Holds()),
        (moved(None), Holds()),
        (moved(by="ours", sure="certain"), Holds()),
        (moved(what="count", before="3", after="2"), Holds()),
        (moved(KnownVersion(task_definition="web:9", images={"web": GOOD})), Holds()),
        (moved(), Holds(versions="none")),
    ],
)
def test_nothing_is_told_of_what_is_not_held(event: ServiceMoved, holds: Holds) -> None:
    world = world_of(holds)
    goes_back(world)
    world.happens(event)
    assert alerts(world) == []


def test_without_any_hold_a_move_changes_nothing() -> None:
    world = world_of()
    world.happens(moved())
    assert alerts(world) == []
    assert Course().is_idle
