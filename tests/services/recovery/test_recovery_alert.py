"""Which alerts are the change's: by their window, by what the monitor attributes them to, and by the deployment."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.base import Target
from contracts.monitor import CriticalAlert
from services.recovery.domain.outside.alert import judged_by_a_run, why_not_while_armed
from services.recovery.domain.protection import Armed, OurChange, Protection
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry

TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")
ARMED_AT = datetime(2026, 1, 5, 14, 0, tzinfo=UTC)
BEGUN_AT = ARMED_AT + timedelta(seconds=30)
NOW = ARMED_AT + timedelta(minutes=10)
OLD, NEW = "ecs-svc/old", "ecs-svc/new"


def protection(*firing: str) -> Protection:
    held = Armed(
        run_id="run-1",
        snapshot_id="s1",
        armed_at=ARMED_AT,
        expires_at=ARMED_AT + timedelta(hours=1),
        auto_recovery=True,
        already_firing=frozenset(firing),
        change=OurChange(job="apply-1", begun_at=BEGUN_AT, deployment_id=NEW),
    )
    entry = SnapshotEntry(snapshot_id="s1", task_definition="api:1", deployment_id=OLD, taken_at=ARMED_AT)
    return Protection(arm=held, snapshots=(entry,))


def alert(window: float | None = 60, **values: Any) -> CriticalAlert:
    """Return an alert whose window of two minutes began ``window`` seconds after the change; None: it tells none."""
    begins = None if window is None else BEGUN_AT + timedelta(seconds=window)
    told = {
        "target": TARGET,
        "alert_id": "alert-1",
        "rule": "error_rate",
        "state": "raised",
        "value": 30,
        "comparison": ">",
        "threshold": 10,
        "samples": 100,
        "began_at": ARMED_AT + timedelta(minutes=5),
        "detail": "seen",
        "window_from": begins,
        "window_until": begins + timedelta(minutes=2) if begins else None,
        "attribution": None if window is None else "new-version",
        "deployment_id": NEW,
    }
    return CriticalAlert.model_validate({**told, **values})


def rolls_back(told: CriticalAlert, *firing: str) -> bool:
    held = protection(*firing)
    ours = judged_by_a_run(held, NOW)
    return ours is not None and why_not_while_armed(held, told, ours) is None


def test_a_window_that_lies_wholly_after_the_change_rolls_it_back() -> None:
    assert rolls_back(alert(0))
    assert not rolls_back(alert(-1))


@pytest.mark.parametrize("attribution", ["neither", "version-before"])
def test_what_is_not_the_new_version_s_does_not(attribution: str) -> None:
    assert not rolls_back(alert(attribution=attribution))


def test_what_the_running_version_does_before_the_new_one_is_there_does_not() -> None:
    assert not rolls_back(alert(deployment_id=OLD))
    assert rolls_back(alert(deployment_id="")), "ECS lists no deployment"


def test_an_alert_that_fired_before_counts_only_where_it_is_known_to_have_got_worse() -> None:
    assert rolls_back(alert(attribution="new-version", began_at=ARMED_AT - timedelta(hours=1)), "alert-1")
    assert not rolls_back(alert(attribution=None), "alert-1")
    assert rolls_back(alert(attribution=None)), "nothing is known of the time before, and it did not fire then"


def test_a_database_alert_counts_only_if_it_began_after_the_change() -> None:
    rule = "database_connections"
    assert rolls_back(alert(rule=rule))
    assert not rolls_back(alert(rule=rule, began_at=BEGUN_AT))


def test_what_the_previous_version_of_the_monitor_tells_is_judged_as_it_was() -> None:
    assert rolls_back(alert(None))
    assert not rolls_back(alert(None), "alert-1")
    assert not rolls_back(alert(None, began_at=ARMED_AT))
    assert rolls_back(alert(None, began_at=ARMED_AT + timedelta(seconds=1)))
    assert not rolls_back(alert(None, rule="database_connections", began_at=BEGUN_AT))
