"""Pausing, resuming, approving and rejecting a run by command."""

from typing import Any

import pytest

from surefoot import cli, decide
from surefoot.exit_codes import Exit
from tests.cli.test_cli_runs import ID, Orchestrator, orchestrator

__all__ = ["orchestrator"]  # the fixture
PLAN = "0" * 32
WAITS: dict[str, Any] = {
    "actor": "ada",
    "held": "Waits for 1 of 2 approvals before the change until 12:00 UTC",
    "approval": {"plan": PLAN, "shown": "Deploy web:2.", "given": ["bob"]},
}


def test_a_pause_is_asked_for_with_its_time_and_reason(
    orchestrator: Orchestrator, capsys: pytest.CaptureFixture[str]
) -> None:
    orchestrator.answer = {"run_id": ID, "answer": "Paused until 12:00 UTC."}
    arguments = ["shop", "web", "--minutes", "20", "--reason", "wait", "--actor", "bob"]
    assert cli.run(["pause", *arguments]) == Exit.SUCCEEDED
    body = {"run_id": None, "minutes": 20, "actor": "bob", "reason": "wait"}
    assert orchestrator.asked == [("POST", "/api/v1/deployment-orchestration/pause/shop/web", body)]
    assert capsys.readouterr().out == f"{ID} Paused until 12:00 UTC.\n"
    assert cli.run(["resume", "shop", "web", "--run-id", ID]) == Exit.SUCCEEDED
    assert orchestrator.asked[1][1].endswith("/resume/shop/web")


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_what_waits_is_shown_and_asked_about(
    verb: str, orchestrator: Orchestrator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    orchestrator.looks, orchestrator.answer = [WAITS], {"run_id": ID, "answer": "Done."}
    assert cli.run([verb, "shop", "web"]) == Exit.USAGE
    told = capsys.readouterr().err
    assert "Deploy web:2." in told
    assert "waits for 1 of 2 approvals" in told.lower()
    assert f"surefoot {verb} shop web --run-id {ID} --plan {PLAN}" in told
    assert [method for method, _, _ in orchestrator.asked] == ["GET"]
    monkeypatch.setattr(decide, "agreed", lambda _: True)
    assert cli.run([verb, "shop", "web", "--actor", "eve"]) == Exit.SUCCEEDED
    body = {"run_id": ID, "plan": PLAN, "actor": "eve", "reason": ""}
    assert orchestrator.asked[-1] == ("POST", f"/api/v1/deployment-orchestration/{verb}/shop/web", body)


def test_a_plan_that_was_seen_elsewhere_is_decided_on_without_a_question(orchestrator: Orchestrator) -> None:
    orchestrator.looks, orchestrator.answer = [WAITS], {"run_id": ID, "answer": "Done."}
    assert cli.run(["approve", "shop", "web", "--plan", "1" * 32]) == Exit.SUCCEEDED
    assert orchestrator.asked[-1][2]["plan"] == "1" * 32


def test_a_run_that_waits_for_nobody_is_not_approved(
    orchestrator: Orchestrator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["approve", "shop", "web"]) == Exit.USAGE
    assert "waits for no approval" in capsys.readouterr().err


def test_status_tells_how_a_migration_ended_that_the_end_of_its_run_does_not_tell() -> None:
    from surefoot.listing import status_of

    run: dict[str, Any] = {"run_id": ID, "outcome": "aborted", "status": "finished", "reason": "Aborted by bob."}
    sentence = "It ended with exit code 1. The schema may have changed."
    later = {**run, "migration": {"result": "failed", "sentence": sentence}}
    assert status_of(later) == f"{ID} aborted: Aborted by bob.\n  its migration: {sentence}"
    told = {**later, "reason": f"Aborted by bob. Its migration has ended meanwhile: {sentence}"}
    assert status_of(told) == f"{ID} aborted: {told['reason']}"
    assert status_of({**run, "migration": None}) == f"{ID} aborted: Aborted by bob."


def test_status_runs_and_services_say_what_a_run_is_held_for() -> None:
    from surefoot.listing import runs_of, services_of, status_of

    held = "Paused by bob until 12:00 UTC"
    run = {"run_id": ID, "outcome": None, "status": "running", "reason": "", "progress": "an alert", "held": held}
    assert status_of(run) == f"{ID} running: {held}."
    target = {"cluster": "shop", "service": "web", "account": "1", "region": "r"}
    change = {"kind": "observe"}
    line = {**run, "target": target, "asked_at": None, "seconds": 1, "actor": "a", "image": None, "change": change}
    assert "paused by bob until 12:00 UTC" in runs_of([line])
    condition: dict[str, Any] = {"alerts": [], "armed": None, "score": None}
    service = {"target": target, "active_run": {**line, "phase": "baking"}, "last_run": None, "queued": 1}
    assert "paused by bob until 12:00 UTC, 1 waiting" in services_of([{**service, "condition": condition}])
