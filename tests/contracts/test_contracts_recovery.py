"""Why a rollback began: as a type, also where the previous version wrote a text."""

import json

import pytest

from contracts.base import Target
from contracts.recovery import AlertTrigger, CommandTrigger, ManualTrigger, RollbackStarted, Trigger

TARGET = Target(account="123456789012", region="us-west-2", cluster="CourtCaseCluster", service="BackendService")
TRIGGERS = (
    AlertTrigger(rule="error_rate", alert_id="a-1", detail="error_rate: 30%, limit > 10%"),
    CommandTrigger(reason="healthy_tasks, error_rate"),
    ManualTrigger(actor="alice", reason="customers call"),
)


@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda trigger: trigger.kind)
def test_a_trigger_is_read_as_what_it_was_written_as(trigger: Trigger) -> None:
    event = RollbackStarted(
        target=TARGET,
        run_id="run",
        rollback_id="rb",
        trigger=trigger.summary,
        snapshot_id="s",
        triggered_by=trigger,
    )
    again = RollbackStarted.model_validate_json(event.model_dump_json())
    assert again.triggered_by == again.cause == trigger


@pytest.mark.parametrize(
    ("run_id", "text", "detail", "trigger"),
    [
        ("run", "critical-alert: error_rate", "30%", AlertTrigger(rule="error_rate", detail="30%")),
        ("run", "error_rate", "", CommandTrigger(reason="error_rate")),
        ("run", "aborted by bob", "", CommandTrigger(reason="aborted by bob")),
        (None, "asked for over the API", "", ManualTrigger()),
    ],
)
def test_what_the_previous_version_wrote_has_its_type(
    run_id: str | None, text: str, detail: str, trigger: Trigger
) -> None:
    body = {
        "target": TARGET.model_dump(),
        "run_id": run_id,
        "rollback_id": "rb",
        "trigger": text,
        "snapshot_id": "s",
        "detail": detail,
    }
    event = RollbackStarted.model_validate_json(json.dumps(body))
    assert event.triggered_by is None
    assert event.cause == trigger
    assert event.cause.summary == text


@pytest.mark.parametrize(
    ("trigger", "summary"),
    [
        (ManualTrigger(), "asked for over the API"),
        (ManualTrigger(actor="alice"), "asked for by alice"),
        (ManualTrigger(actor="alice", reason="customers call"), "asked for by alice: customers call"),
        (ManualTrigger(reason="customers call"), "asked for over the API: customers call"),
    ],
)
def test_a_rollback_by_hand_names_who_asked_and_why(trigger: ManualTrigger, summary: str) -> None:
    assert trigger.summary == summary
