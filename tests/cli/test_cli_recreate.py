"""``surefoot recreate``: the plan in lines, and what the exit code says."""

from typing import Any

import pytest

from surefoot import recreation
from surefoot.arguments import Place, Requester
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo
from surefoot.recreate import names_of
from surefoot.recreation import ask, planned

ANSWER: dict[str, Any] = {
    "target": "1/us-west-2/court/backend",
    "source": "1/us-west-2/court/backend",
    "names": {},
    "snapshot_id": "20260112_143000_aaaaaaaa",
    "desired_count": 6,
    "parts": [
        {"kind": "log group", "name": "/ecs/backend", "state": "there"},
        {"kind": "target group", "name": "web", "state": "differs"},
        {"kind": "service", "name": "backend", "state": "missing"},
        {"kind": "alarm", "name": "busy", "state": "unknown"},
    ],
    "warnings": ["The target group web is there with another Port; it is left as it is."],
    "by_hand": ["aws ec2 authorize-security-group-ingress …"],
    "blocked": [],
    "sentence": "1 of 4 parts are missing and would be made, in this order.",
}


def test_a_plan_is_shown_part_by_part_in_the_order_in_which_they_are_made() -> None:
    assert planned(ANSWER).splitlines() == [
        "from the snapshot 20260112_143000_aaaaaaaa, 6 tasks",
        "  there    log group /ecs/backend",
        "  differs  target group web",
        "+ missing  service backend",
        "? unknown  alarm busy",
        "warning: The target group web is there with another Port; it is left as it is.",
        "Afterwards, by whoever owns the other security groups:",
        "aws ec2 authorize-security-group-ingress …",
        "1 of 4 parts are missing and would be made, in this order.",
    ]


def test_from_where_it_comes_and_what_stands_for_what_is_shown_to_whoever_approves() -> None:
    there = planned(ANSWER | {"source": "1/us-west-2/old/backend", "names": {"subnet-1": "subnet-2"}})
    assert there.splitlines()[:2] == [
        "from the snapshot 20260112_143000_aaaaaaaa of 1/us-west-2/old/backend, 6 tasks",
        "subnet-2 stands for subnet-1",
    ]


def test_a_name_that_stands_for_another_is_given_as_a_pair() -> None:
    assert names_of(["arn:a=arn:b", "x=y=z"]) == {"arn:a": "arn:b", "x": "y=z"}
    for text in ("subnet-1", "=subnet-2", "subnet-1="):
        with pytest.raises(CannotDo, match="OLD=NEW"):
            names_of([text])


def test_a_daemon_has_no_count() -> None:
    assert planned(ANSWER | {"desired_count": None}).startswith("from the snapshot 20260112_143000_aaaaaaaa\n")


class Api:
    """The routes of making a service again; ``ends`` are what the operation is at each look."""

    def __init__(self, answer: dict[str, Any], ends: list[dict[str, Any]]) -> None:
        self.answer, self.ends, self.asked = answer, ends, list[tuple[Any, ...]]()

    def recreate(self, place: Place, body: dict[str, Any], requester: Requester) -> dict[str, Any]:
        self.asked.append((body, requester.actor))
        return self.answer

    def decide_recreation(self, verb: str, place: Place, plan: str, requester: Requester) -> dict[str, Any]:
        self.asked.append((verb, plan, requester.actor))
        return {"operation_id": "recreation:1"}

    def operation(self, id_: str, place: Place) -> dict[str, Any]:
        return self.ends.pop(0)


PLACE = Place("court", "backend")
ANN, BOB = Requester("ann", ""), Requester("bob", "")


def asked_of(answer: dict[str, Any]) -> int:
    api: Any = Api(answer, [])
    return ask(api, PLACE, {}, ANN, as_json=False)


def test_who_asks_is_told_how_somebody_else_approves_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked_of(ANSWER | {"recreation_id": "recreation:1", "plan": "0f" * 32}) == Exit.SUCCEEDED
    assert f"surefoot recreate court backend --approve {'0f' * 32}" in capsys.readouterr().err


def test_what_is_blocked_exits_as_blocked(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked_of(ANSWER | {"blocked": ["The cluster court is not there: make it first."]}) == Exit.BLOCKED
    assert "--approve" not in capsys.readouterr().err


@pytest.mark.parametrize(("state", "code"), [("finished", Exit.SUCCEEDED), ("failed", Exit.FAILED)])
def test_who_approves_sees_it_go_on_until_its_end(
    state: str, code: Exit, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recreation, "LOOK_SECONDS", 0)
    going = {"state": "running", "sentence": "1 of 4 parts are made."}
    api: Any = Api({}, [going, going, {"state": state, "result": "recreated", "sentence": "It serves again."}])
    assert recreation.approve(api, PLACE, "0f" * 32, BOB, as_json=False) == code
    told = capsys.readouterr()
    assert told.err.count("1 of 4 parts are made.") == 1
    assert told.out == "recreated: It serves again.\n"
    assert api.asked == [("approve", "0f" * 32, "bob")]


def test_a_rejection_says_that_nothing_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    api: Any = Api({}, [])
    assert recreation.reject(api, PLACE, "0f" * 32, BOB, as_json=False) == Exit.SUCCEEDED
    assert capsys.readouterr().out == "rejected: nothing is made\n"
