"""An emergency scaling as it is asked for, followed and ended."""

from typing import Any, cast

import pytest

from surefoot.arguments import Place, Requester
from surefoot.client import Surefoot
from surefoot.deployments import scale as command
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo
from surefoot.scale import end, planned, scale

PLACE, ADA = Place("c", "s"), Requester("ada", "much load")
PLAN = {
    "sentence": "10 were asked for, and 6 is the most. Wants 6 tasks in place of 3.",
    "target_count": 6,
    "before": {"desired": 3, "low": 2, "high": 6},
    "raised": {"desired": 6, "low": 6, "high": None},
    "until": "2026-01-05T15:02:11Z",
    "warnings": ["The service runs on Spot alone."],
}


class Api:
    """Answers as the API does; ``result`` is how the operation ends."""

    def __init__(self, result: str = "scaled") -> None:
        self.result = result
        self.body: dict[str, Any] = {}
        self.looks = 0

    def scale(self, _place: Place, body: dict[str, Any], requester: Requester) -> dict[str, Any]:
        self.body = body | {"actor": requester.actor}
        return PLAN | {"operation_id": "scaling:1"}

    def end_scaling(self, _place: Place, _requester: Requester) -> dict[str, Any]:
        return {"operation_id": "scaling:1:end"}

    def operation(self, id_: str, _place: Place) -> dict[str, Any]:
        self.looks += 1
        if self.looks == 1:
            return {"state": "running"}
        state = "failed" if self.result in {"failed", "refused"} else "finished"
        return {"state": state, "result": self.result, "sentence": f"{id_} is over"}


def asked(api: Api, *overrides: str, dry_run: bool = False) -> int:
    surefoot = cast("Surefoot", api)
    return scale(surefoot, PLACE, 10, ADA, minutes=30, overrides=overrides, dry_run=dry_run, as_json=False)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surefoot.scale.LOOK_SECONDS", 0)


@pytest.mark.parametrize(
    ("result", "code"), [("scaled", Exit.SUCCEEDED), ("refused", Exit.BLOCKED), ("failed", Exit.FAILED)]
)
def test_a_scaling_is_followed_to_its_end(result: str, code: Exit, capsys: pytest.CaptureFixture[str]) -> None:
    api = Api(result)
    assert asked(api, "database_headroom=the pool is larger") == code
    assert api.body["overrides"] == [{"gate": "database_headroom", "reason": "the pool is larger"}]
    assert (api.body["target_count"], api.body["minutes"], api.body["actor"]) == (10, 30, "ada")
    out, err = capsys.readouterr()
    assert out == f"{result}: scaling:1 is over\n"
    assert "warning: The service runs on Spot alone." in err
    assert "6 is the most" in err, "that it is capped stands before its end"


def test_a_plan_names_what_would_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(Api(), dry_run=True) == Exit.SUCCEEDED
    assert capsys.readouterr().out == planned(PLAN) + "\n"
    assert planned(PLAN).splitlines()[1:] == [
        "  desired count: 3 → 6", "  the autoscaler's minimum: 2 → 6", "  until 2026-01-05T15:02:11Z",
    ]  # fmt: skip


def test_it_is_ended_and_that_is_followed(capsys: pytest.CaptureFixture[str]) -> None:
    assert end(cast("Surefoot", Api("restored")), PLACE, ADA, as_json=False) == Exit.SUCCEEDED
    assert capsys.readouterr().out == "restored: scaling:1:end is over\n"


def test_what_is_no_override_and_what_names_neither_is_told() -> None:
    with pytest.raises(CannotDo, match="an override is CHECK=REASON"):
        asked(Api(), "database_headroom")
    for count, ends in ((None, False), (5, True)):
        with pytest.raises(CannotDo, match="exactly one of COUNT and --end"):
            command("c", "s", count, end=ends)
