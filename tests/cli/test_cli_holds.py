"""Showing and releasing what is held by command."""

import pytest

from surefoot import cli
from surefoot.exit_codes import Exit
from surefoot.holds import holds_of
from tests.cli.test_cli_runs import Orchestrator, orchestrator

__all__ = ["orchestrator"]  # the fixture
HOLD = {
    "hold_id": "rollback:1",
    "version": {"task_definition": "arn:x:task-definition/web:2", "images": {"web": "sha256:" + "b" * 64}},
    "sentence": "Since ann went back, CI's deployments of the version that was taken back are held.",
}


def test_a_release_names_its_hold_and_reason(orchestrator: Orchestrator, capsys: pytest.CaptureFixture[str]) -> None:
    orchestrator.answer = {"released": ["rollback:1"], "answer": "The hold has ended."}
    arguments = ["shop", "web", "--hold", "rollback:1", "--reason", "mended", "--actor", "bob"]
    assert cli.run(["release", *arguments]) == Exit.SUCCEEDED
    body = {"hold_id": "rollback:1", "actor": "bob", "reason": "mended"}
    assert orchestrator.asked == [("POST", "/api/v1/deployment-orchestration/release/shop/web", body)]
    assert capsys.readouterr().out == "The hold has ended.\n"


def test_holds_are_shown_with_what_is_held(orchestrator: Orchestrator, capsys: pytest.CaptureFixture[str]) -> None:
    orchestrator.looks = [{"holds": [HOLD]}]
    assert cli.run(["holds", "shop", "web"]) == Exit.SUCCEEDED
    assert capsys.readouterr().out == f"rollback:1  web sha256:bbbbbbbbbbbb\n  {HOLD['sentence']}\n"
    assert holds_of({"holds": []}) == "nothing is held"
    assert holds_of({"holds": [{**HOLD, "version": {"task_definition": "x/web:2", "images": {}}}]}).startswith(
        "rollback:1  web:2\n"
    )
