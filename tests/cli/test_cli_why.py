"""Decisions about rollbacks, as a person reads them."""

from typing import Any

from surefoot.why import decisions_of

ALERT = {"kind": "alert", "rule": "error_rate", "alert_id": "a", "detail": "error_rate: 31.2%, limit > 10%"}


def decision(**values: Any) -> dict[str, Any]:
    return {
        "run_id": None, "decision": "people-called", "reason": "too-old", "sentence": "Did not roll back, because …",
        "trigger": ALERT, "decided_at": "2026-01-05T14:02:11Z", "deployment_id": "ecs-svc/7",
    } | values  # fmt: skip


def test_each_decision_says_when_what_who_asked_and_why() -> None:
    by_hand = {"kind": "manual", "actor": "ada", "reason": "it is slow"}
    command = {"kind": "command", "reason": "smoke failed"}
    found = [
        decision(),
        decision(decision="declined", trigger=by_hand, deployment_id=""),
        decision(decision="acted", trigger=command, run_id="0123456789"),
    ]
    assert decisions_of({"decisions": found}).splitlines() == [
        "2026-01-05 14:02:11  CALLED PEOPLE  alert error_rate: 31.2%, limit > 10% (ecs-svc/7)",
        "  Did not roll back, because …",
        "2026-01-05 14:02:11  did nothing  asked for by ada",
        "  Did not roll back, because …",
        "2026-01-05 14:02:11  rolled back  smoke failed (run 01234567)",
        "  Did not roll back, because …",
    ]


def test_a_scaling_is_told_from_a_rollback() -> None:
    scaled = decision(decision="acted", scaling_id="scaling:1", sentence="Wants 5 tasks in place of 3.")
    del scaled["run_id"]
    assert "  scaled  alert error_rate" in decisions_of({"decisions": [scaled]})


def test_where_nothing_was_decided_it_says_so() -> None:
    assert decisions_of({"decisions": []}).startswith("nothing was to be decided")


def test_what_a_newer_version_decides_is_shown_as_it_is() -> None:
    newer = decision(decision="postponed", trigger={"kind": "clock"})
    assert "postponed" in decisions_of({"decisions": [newer]})
