"""Snapshots as they are listed and named, and a rollback as it is planned."""

from typing import Any, cast

import pytest

from surefoot.arguments import Place, Requester
from surefoot.client import Surefoot
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo
from surefoot.rollback import listed, planned, roll_back
from surefoot.snapshots import compared, drifted, ways_back

REQUESTER = Requester("ada", "much fails since tonight")
KNOWN = ("20261125_140350_1a2b3c4d", "20261125_140350_99999999", "20261124_090000_00000000")

PLAN = {
    "changes": [
        {"setting": "taskDefinition", "from": "arn:aws:ecs:us-west-2:1:task-definition/web:3", "to": "arn/web:2"},
        {"setting": "desiredCount", "from": 2, "to": 3},
    ],
    "task_definition": "used as it is",
    "images": {"web": "registry/web@sha256:0123456789abcdef0123"},
}


class Api:
    def __init__(self, *known: str) -> None:
        self.known = known
        self.asked = ""
        self.requester = Requester("")

    def snapshots(self, _place: Place) -> dict[str, Any]:
        return {"snapshots": [{"snapshot_id": id_} for id_ in self.known]}

    def roll_back(
        self, _place: Place, snapshot_id: str | None, requester: Requester, *, dry_run: bool, force: bool
    ) -> dict[str, Any]:
        assert (dry_run, force) == (True, False)
        self.asked, self.requester = snapshot_id or "latest proven", requester
        return PLAN | {"snapshot_id": snapshot_id}


def asked(snapshot: str | None, *known: str) -> str:
    api = Api(*known)
    code = roll_back(cast("Surefoot", api), Place("c", "s"), snapshot, REQUESTER, dry_run=True, as_json=True)
    assert (code, api.requester) == (Exit.SUCCEEDED, REQUESTER)
    return api.asked


@pytest.mark.parametrize("snapshot", [KNOWN[1], "20261125_140350_9"])
def test_the_whole_id_or_its_beginning(snapshot: str) -> None:
    assert asked(snapshot, *KNOWN) == KNOWN[1]


def test_the_newest_proven_one_need_not_be_named() -> None:
    assert asked(None) == "latest proven", "the API knows what was taken back, and what would change nothing"


@pytest.mark.parametrize(
    ("snapshot", "known", "said"),
    [
        ("20261125", KNOWN, "20261125 begins several snapshots: 20261125_140350_1a2b3c4d, 20261125_140350_99999999"),
        ("ID", KNOWN, "s has no snapshot ID; there are 20261125_140350_1a2b3c4d, "),
        ("ID", (), "s has no snapshot ID; there is none at all"),
    ],
)
def test_what_names_none_or_several_is_told(snapshot: str, known: tuple[str, ...], said: str) -> None:
    with pytest.raises(CannotDo, match=said):
        asked(snapshot, *known)


def test_snapshots_are_listed_with_what_tells_them_apart() -> None:
    container = {"name": "web", "image": "1.dkr.ecr.us-west-2.amazonaws.com/web@sha256:0123456789abcdef0123"}
    one = {"snapshot_id": KNOWN[0], "proven": True, "task_definition": "arn/web:2", "containers": [container]}
    assert listed({"snapshots": [one | {"purpose": "before-change"}]}).splitlines() == [
        "SNAPSHOT                  PROVEN  TASK DEFINITION  IMAGES                   TAKEN",
        "20261125_140350_1a2b3c4d  yes     web:2            web@sha256:0123456789ab  before-change",
    ]
    assert listed({"snapshots": []}) == "no snapshots"


def test_what_is_not_used_is_listed_with_the_reason() -> None:
    unusable = [{"snapshot_id": KNOWN[0], "why": "it was changed after it was stored"}]
    assert listed({"snapshots": [], "unusable": unusable, "unread": 3}).splitlines() == [
        "no snapshots",
        f"not used: {KNOWN[0]}: it was changed after it was stored",
        "not looked at: 3 more objects",
    ]


def test_a_plan_tells_each_setting_from_and_to() -> None:
    assert planned(PLAN | {"snapshot_id": KNOWN[0]}).splitlines() == [
        f"{KNOWN[0]} would be brought back; nothing was changed",
        "  taskDefinition: web:3 → web:2",
        "  desiredCount: 2 → 3",
        "  the task definition is used as it is",
        "  image of web: registry/web@sha256:0123456789abcdef0123",
    ]
    role = {"setting": "taskRoleArn", "from": None, "to": "arn:aws:iam::1:role/admin"}
    assert "  taskRoleArn: null → admin" in planned(PLAN | {"snapshot_id": KNOWN[0], "definition": [role]})
    assert "no setting differs" in planned(PLAN | {"snapshot_id": KNOWN[0], "changes": []})


def test_what_differs_is_told_line_by_line() -> None:
    found = {"differences": ["cpu was 256, and is 512."], "not_compared": ["ECS did not answer: not compared"]}
    assert compared(found) == "  cpu was 256, and is 512.\n  ECS did not answer: not compared"
    assert compared({"differences": [], "not_compared": []}) == "nothing differs"
    assert drifted(found | {"sentence": "It differs."}).splitlines()[:2] == [
        "It differs.",
        "  cpu was 256, and is 512.",
    ]


def test_the_ways_back_are_told_line_by_line() -> None:
    way = {
        "snapshot_id": KNOWN[0], "version": "web:2", "live": True, "proven": True,
        "sentence": "You can go back to it.", "beware": ["It would run on Spot alone."],
    }  # fmt: skip
    plan = {"plan": "scaling", "rto_minutes": 3, "rpo_minutes": 0, "sentence": "Surefoot does not carry it out yet."}
    assert ways_back({"sentence": "You can go back.", "snapshots": [way], "plans": [plan]}).splitlines() == [
        "You can go back.",
        f"  {KNOWN[0]}  web:2 (live): You can go back to it.",
        "    but it would run on Spot alone.",
        "  plan scaling (RTO 3 min, RPO 0 min): Surefoot does not carry it out yet.",
    ]


class Followed(Api):
    """An API whose rollback goes on from look to look."""

    def __init__(self, *operations: dict[str, Any]) -> None:
        super().__init__(*KNOWN)
        self.operations = list(operations)

    def roll_back(
        self, _place: Place, snapshot_id: str | None, requester: Requester, *, dry_run: bool, force: bool
    ) -> dict[str, Any]:
        assert (dry_run, force, requester) == (False, True, REQUESTER)
        return {"rollback_id": "rollback:1", "snapshot_id": snapshot_id}

    def operation(self, _id: str, _place: Place) -> dict[str, Any]:
        return self.operations.pop(0)


def test_the_five_steps_are_shown_as_they_come(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("surefoot.rollback.LOOK_SECONDS", 0)

    def at(reached: int, **more: Any) -> dict[str, Any]:
        states = ["done"] * (reached - 1) + ["running"] + ["waiting"] * (5 - reached)
        steps = [
            {"number": number, "name": f"Step {number}", "state": state, "sentence": "Seen." if number == 2 else ""}
            for number, state in enumerate(states, 1)
        ]
        return {"state": "running", "steps": steps} | more

    end = at(5, state="finished", result="restored", sentence="It is live again.")
    api = Followed(at(3), at(4), at(4), end)
    place = Place("c", "s")
    code = roll_back(cast("Surefoot", api), place, KNOWN[0], REQUESTER, dry_run=False, as_json=False, force=True)
    written = capsys.readouterr()
    assert code == Exit.SUCCEEDED
    assert [line.strip() for line in written.err.splitlines()] == [
        f"rolling s back to {KNOWN[0]} …",
        "1/5 Step 1: done", "2/5 Step 2: done. Seen.", "3/5 Step 3: running",
        "3/5 Step 3: done", "4/5 Step 4: running",
        "4/5 Step 4: done", "5/5 Step 5: running",
    ]  # fmt: skip
    assert written.out.strip() == "restored: It is live again."
