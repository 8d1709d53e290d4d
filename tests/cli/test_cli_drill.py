"""A drill as it is asked for, followed, ended and shown."""

from typing import Any, ClassVar

import pytest

from surefoot.arguments import Place, Requester
from surefoot.drill import drill, drills_of
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo

PAST = {
    "finished_at": "2026-11-20T10:04:10Z", "plan": "rollback", "result": "measured",
    "sentence": "It took 6 min 2 s.", "finding": "The plan rollback takes 6 min 2 s.",
}  # fmt: skip


class Api:
    """Answers as the API does."""

    end: ClassVar[dict[str, Any]] = {}
    asked: ClassVar[list[dict[str, Any]]] = []

    def drill(self, _place: Place, body: dict[str, Any], requester: Requester) -> dict[str, Any]:
        self.asked.append(body | {"actor": requester.actor})
        return {"operation_id": "drill:1", "sentence": "Deploys backend:1 once more."}

    def end_drill(self, _place: Place, requester: Requester) -> dict[str, Any]:
        self.asked.append({"ended_by": requester.actor})
        return {"operation_id": "drill:1"}

    def drills(self, _place: Place) -> dict[str, Any]:
        return {"drill": None, "past": [PAST]}

    def operation(self, _id: str, _place: Place) -> dict[str, Any]:
        return self.end


@pytest.fixture(autouse=True)
def api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surefoot.client.Surefoot", Api)
    Api.asked.clear()


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ({"state": "finished", "result": "measured"}, Exit.SUCCEEDED),
        ({"state": "finished", "result": "measured", "finding": "too slow"}, Exit.FAILED),
        ({"state": "failed", "result": "stopped"}, Exit.FAILED),
        ({"state": "failed", "result": "refused"}, Exit.BLOCKED),
        ({"state": "failed"}, Exit.FAILED),
    ],
)
def test_its_end_decides_the_exit_code(end: dict[str, Any], code: Exit, capsys: pytest.CaptureFixture[str]) -> None:
    Api.end = {"sentence": "over."} | end
    assert drill("c", "s", plan="rollback", override=("keeps_serving=it has a twin",), actor="ada") == code
    [asked] = Api.asked
    assert (asked["plan"], asked["actor"]) == ("rollback", "ada")
    assert asked["overrides"] == [{"gate": "keeps_serving", "reason": "it has a twin"}]
    out, err = capsys.readouterr()
    assert out.startswith(f"{end.get('result', 'failed')}: over.\n")
    assert ("FINDING: too slow" in out, "Deploys backend:1" in err) == ("finding" in end, True)


def test_a_dry_run_is_shown_and_not_followed(capsys: pytest.CaptureFixture[str]) -> None:
    assert drill("c", "s", plan="rollback", dry_run=True) == Exit.SUCCEEDED
    assert capsys.readouterr().out == "Deploys backend:1 once more. Nothing was changed.\n"


def test_it_is_ended_by_name() -> None:
    Api.end = {"state": "failed", "result": "stopped", "sentence": "Ended early."}
    assert drill("c", "s", stop=True, actor="bob") == Exit.FAILED
    assert Api.asked == [{"ended_by": "bob"}]
    with pytest.raises(CannotDo, match="name one of"):
        drill("c", "s", stop=True, plan="rollback")


def test_without_a_plan_the_last_ones_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert drill("c", "s") == Exit.SUCCEEDED
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-20 10:04:10  rollback  measured: It took 6 min 2 s.", "  FINDING: The plan rollback takes 6 min 2 s.",
    ]  # fmt: skip
    under_way = {"started_at": "2026-11-20T10:00:00Z", "doing": ""}
    assert drills_of({"drill": under_way, "past": []}) == (
        "under way since 2026-11-20 10:00:00: recovery looks at the service."
    )
    assert drills_of({"drill": None, "past": []}) == "no plan was tried on it yet"
