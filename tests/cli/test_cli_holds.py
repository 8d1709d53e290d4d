"""Showing and releasing what is held by command."""

import json

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


def test_a_policy_denies_each_held_revision_of_this_service_alone(
    orchestrator: Orchestrator, capsys: pytest.CaptureFixture[str]
) -> None:
    arns = [f"arn:aws:ecs:us-west-2:123456789012:task-definition/web:{revision}" for revision in (2, 3)]
    held = [{**HOLD, "version": {"task_definition": arn, "images": {}}} for arn in [*reversed(arns), ""]]
    orchestrator.looks = [{"target": "123456789012/us-west-2/shop/web", "holds": held}] * 2
    for arguments in (["--deny"], ["--deny", "--json"]):
        assert cli.run(["holds", "shop", "web", *arguments]) == Exit.SUCCEEDED
        [statement] = json.loads(capsys.readouterr().out)["Statement"]
        assert statement == {
            "Sid": "HeldBySurefoot",
            "Effect": "Deny",
            "Action": "ecs:UpdateService",
            "Resource": "arn:aws:ecs:us-west-2:123456789012:service/shop/web",
            "Condition": {"ArnEquals": {"ecs:task-definition": arns}},
        }


def test_where_no_revision_is_held_there_is_nothing_to_deny(orchestrator: Orchestrator) -> None:
    orchestrator.looks = [{"target": "123456789012/us-west-2/shop/web", "holds": []}]
    assert cli.run(["holds", "shop", "web", "--deny"]) != Exit.SUCCEEDED
