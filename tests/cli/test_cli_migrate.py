"""A migration as it is asked for and followed."""

from typing import Any, cast

import pytest

from surefoot.arguments import Place, Requester
from surefoot.client import Surefoot
from surefoot.deploy import migration_asked
from surefoot.exit_codes import Exit
from surefoot.migrate import asked, ended
from surefoot.output import CannotDo

PLACE, ADA = Place("c", "s"), Requester("ada", "the new column")
PLAN = {
    "sentence": "Runs alembic upgrade head in the container backend with r@sha256:a, once.",
    "warnings": ["On Spot."],
}


class Api:
    """Answers as the API does; ``result`` is how the operation ends, empty where it goes on beyond its time."""

    def __init__(self, result: str = "succeeded") -> None:
        self.result = result
        self.body: dict[str, Any] = {}
        self.looks = 0

    def migrate(self, _place: Place, body: dict[str, Any], requester: Requester) -> dict[str, Any]:
        self.body = body | {"actor": requester.actor}
        return PLAN | {"operation_id": "migration:1"}

    def operation(self, id_: str, _place: Place) -> dict[str, Any]:
        self.looks += 1
        running = {"state": "running", "phase": "running", "log": [], "sentence": ""}
        if self.looks <= 3:
            return running | {"sentence": ("", "It is likely to hold locks.", "")[self.looks - 1]}
        if not self.result:
            return running | {"overdue": True, "sentence": f"{id_} goes on"}
        state = "finished" if self.result == "succeeded" else "failed"
        return {"state": state, "result": self.result, "log": ["a -> b"], "sentence": f"{id_} is over"}


def run(api: Api, *, dry_run: bool = False) -> int:
    body = {"command": ["alembic", "upgrade", "head"], "dry_run": dry_run}
    return asked(cast("Surefoot", api), PLACE, body, ADA, as_json=False)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surefoot.migrate.LOOK_SECONDS", 0)


@pytest.mark.parametrize(
    ("result", "code", "shown"),
    [
        ("succeeded", Exit.SUCCEEDED, "  a -> b\nsucceeded: migration:1 is over\n"),
        ("did_not_start", Exit.BLOCKED, "  a -> b\ndid not start: migration:1 is over\n"),
        ("failed", Exit.FAILED, "  a -> b\nfailed: migration:1 is over\n"),
        ("unknown", Exit.FAILED, "  a -> b\nunknown: migration:1 is over\n"),
        ("", Exit.TIMED_OUT, "still running: migration:1 goes on\n"),
    ],
)
def test_a_migration_is_followed_to_its_end(
    result: str, code: Exit, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    api = Api(result)
    assert run(api) == code
    assert api.body["actor"] == "ada"
    out, err = capsys.readouterr()
    assert out == shown
    assert "warning: On Spot." in err
    assert err.count("warning: It is likely to hold locks.\nWhat was warned of is over.\n") == 1


def test_a_plan_starts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    api = Api()
    assert run(api, dry_run=True) == Exit.SUCCEEDED
    assert (api.looks, capsys.readouterr().out) == (0, f"{PLAN['sentence']} Nothing was started.\n")


def test_the_schema_before_and_after_is_shown() -> None:
    operation = {"sentence": "Over.", "result": "succeeded", "log": ["a -> b"]}
    told = {"schema_before": {"revisions": ["a1e0"]}, "schema_after": {"revisions": ["b2f1", "c3a2"]}}
    assert ended(operation | told) == "  a -> b\n  schema: a1e0 before, b2f1, c3a2 after\nsucceeded: Over."
    untold: dict[str, Any] = {"schema_before": {"revisions": []}, "schema_after": None}
    assert "schema" not in ended(operation | untold)


@pytest.mark.parametrize(
    ("command", "compatible", "without", "expected"),
    [
        (None, False, False, {}),
        (None, False, True, {"without_migration": True}),
        ("flask db upgrade", True, False, {"migration": {"command": ["flask", "db", "upgrade"], "compatible": True}}),
    ],
)
def test_a_deployment_names_a_migration_or_none_or_leaves_it_to_the_policy(
    command: str | None, compatible: bool, without: bool, expected: dict[str, Any]
) -> None:
    assert migration_asked(command, compatible=compatible, without=without) == expected


@pytest.mark.parametrize(
    ("command", "compatible", "without"), [("x", False, True), (None, True, True), (None, True, False)]
)
def test_what_contradicts_itself_is_refused(command: str | None, compatible: bool, without: bool) -> None:
    with pytest.raises(CannotDo):
        migration_asked(command, compatible=compatible, without=without)


def test_an_operation_that_its_service_gave_up_has_failed() -> None:
    assert ended({"sentence": "Its job was lost.", "log": []}) == "failed: Its job was lost."
