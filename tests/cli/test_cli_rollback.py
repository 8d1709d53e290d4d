"""Snapshots as they are listed and named, and a rollback as it is planned."""

from typing import Any, cast

import pytest

from surefoot.arguments import Place, Requester
from surefoot.client import Surefoot
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo
from surefoot.rollback import listed, planned, roll_back
from surefoot.snapshots import compared, drifted

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
    def __init__(self, *known: str, proven: tuple[str, ...] = ()) -> None:
        self.known = known
        self.proven = proven
        self.asked = ""
        self.requester = Requester("")

    def snapshots(self, _place: Place) -> dict[str, Any]:
        return {"snapshots": [{"snapshot_id": id_, "proven": id_ in self.proven} for id_ in self.known]}

    def roll_back(self, _place: Place, snapshot_id: str, requester: Requester, *, dry_run: bool) -> dict[str, Any]:
        assert dry_run
        self.asked, self.requester = snapshot_id, requester
        return PLAN | {"snapshot_id": snapshot_id}


def asked(snapshot: str | None, *known: str, proven: tuple[str, ...] = ()) -> str:
    api = Api(*known, proven=proven)
    code = roll_back(cast("Surefoot", api), Place("c", "s"), snapshot, REQUESTER, dry_run=True, as_json=True)
    assert (code, api.requester) == (Exit.SUCCEEDED, REQUESTER)
    return api.asked


@pytest.mark.parametrize("snapshot", [KNOWN[1], "20261125_140350_9"])
def test_the_whole_id_or_its_beginning(snapshot: str) -> None:
    assert asked(snapshot, *KNOWN) == KNOWN[1]


def test_the_newest_proven_one_need_not_be_named() -> None:
    assert asked(None, *KNOWN, proven=KNOWN[1:]) == KNOWN[1]
    with pytest.raises(CannotDo, match="s has no proven snapshot: choose one of `surefoot snapshots c s`"):
        asked(None, *KNOWN)


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
