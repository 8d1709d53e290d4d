"""Runs and services as lists, and how the command line asks for them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from surefoot.arguments import Place, Where
from surefoot.cli import run
from surefoot.client import Surefoot
from surefoot.exit_codes import Exit
from surefoot.listing import moment, runs_of, services_of
from surefoot.output import CannotDo

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
TARGET = {"account": "123456789012", "region": "us-west-2", "cluster": "shop", "service": "web"}
RUN: dict[str, Any] = {
    "run_id": "6f4841da-b345-53cb-b9bb-054072ce8fb1",
    "target": TARGET,
    "status": "finished",
    "phase": "baking",
    "outcome": "rolled_back",
    "actor": "ada",
    "asked_at": "2026-11-27T11:00:00Z",
    "finished_at": "2026-11-27T11:05:00Z",
    "seconds": 288.4,
    "image": "123456789012.dkr.ecr.us-west-2.amazonaws.com/shop/web:2",
    "change": {"kind": "image"},
}
QUIET: dict[str, Any] = {"armed": None, "alerts": [], "score": None}
SERVICE: dict[str, Any] = {"target": TARGET, "active_run": None, "last_run": RUN, "queued": 0, "condition": QUIET}


def test_a_run_is_a_line() -> None:
    head, line = runs_of([RUN]).splitlines()
    assert head.split()[0] == "RUN"
    assert line.split() == [
        *("6f4841da", "shop/web", "rolled_back", "2026-11-27", "11:00", "288", "s", "ada", "web:2"),
    ]


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"outcome": None, "status": "running", "seconds": None}, "running"),
        ({"image": None, "change": {"kind": "check_up"}}, "check-up"),
        ({"image": None, "change": {"kind": "task_definition", "task_definition": "web:7"}}, "web:7"),
    ],
)
def test_what_a_run_has_not_is_left_out(fields: dict[str, Any], shown: str) -> None:
    assert shown in runs_of([RUN | fields])


def test_a_service_for_which_people_are_called_says_so() -> None:
    called = {"sentence": "Did not roll back, because it is old."}
    _, line = services_of([SERVICE | {"condition": SERVICE["condition"] | {"called": called}}]).splitlines()
    assert "people are called" in line


def test_a_service_is_a_line() -> None:
    _, line = services_of([SERVICE]).splitlines()
    assert line.endswith("idle  rolled_back 2026-11-27 11:05  no     none    unknown")
    condition = {
        "armed": {"run_id": "r"},
        "alerts": [{"rule": "error_rate"}, {"rule": "cpu"}],
        "score": {"low": 71.2, "high": 88.0},
    }
    active = {**RUN, "outcome": None, "status": "running"}
    busy = SERVICE | {"active_run": active, "last_run": None, "queued": 2, "condition": condition}
    _, line = services_of([busy]).splitlines()
    assert line.endswith("baking, 2 waiting  none      yes    error_rate, cpu  71-88")


def test_nothing_is_said() -> None:
    assert runs_of([]) == "no runs"
    assert services_of([]).startswith("no services")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("90m", "2026-11-27T10:30:00+00:00"),
        ("2h", "2026-11-27T10:00:00+00:00"),
        ("7d", "2026-11-20T12:00:00+00:00"),
        ("2026-11-01T00:00+01:00", "2026-10-31T23:00:00+00:00"),
        (None, None),
    ],
)
def test_a_time_is_so_long_ago_or_a_moment(text: str | None, read: str | None) -> None:
    assert moment(text, NOW) == read


@pytest.mark.parametrize("text", ["yesterday", "3w", "-2h", ""])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(CannotDo, match="is no time"):
        moment(text, NOW)


class Pages:
    """An API that lists five runs, two a page at most."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    def call(self, _method: str, _path: str, *, params: dict[str, str]) -> dict[str, Any]:
        self.asked.append(params)
        first = int(params.get("cursor", "0"))
        last = min(first + min(int(params["limit"]), 2), 5)
        return {
            "deployments": [{"run_id": str(n)} for n in range(first, last)],
            "cursor": str(last) if last < 5 else None,
        }


def test_pages_are_read_until_there_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    api, pages = Surefoot("http://127.0.0.1:1"), Pages()
    monkeypatch.setattr(api, "_call", pages.call)
    place = Place("shop", "web", account="123456789012")
    found = api.deployments(place, {"outcome": "failed", "actor": None}, 3)
    assert [one["run_id"] for one in found] == ["0", "1", "2"]
    assert pages.asked[0] == {
        "outcome": "failed",
        "cluster_name": "shop",
        "service_name": "web",
        "account": "123456789012",
        "limit": "3",
    }
    assert [asked["limit"] for asked in pages.asked] == ["3", "1"]
    assert len(api.deployments(None, {}, 100)) == 5


def test_account_and_region_may_be_named_and_must_not_contradict_an_arn() -> None:
    where = Where(account="123456789012", region="us-west-2")
    assert Place.of("shop", "web", where).query == {"account": "123456789012", "region": "us-west-2"}
    with pytest.raises(CannotDo, match="region"):
        Place.of("arn:aws:ecs:eu-south-1:123456789012:cluster/shop", "web", where)


def test_a_policy_that_cannot_be_used_stops_a_rehearsal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\ndefaults:\n  rules:\n    error_rat: off\n")
    assert run(["sandbox", "run", "healthy", "--policy", str(policy)]) == Exit.USAGE
    said = capsys.readouterr().err
    assert "policy.yaml:4" in said
    assert "error_rate" in said
    assert run(["sandbox", "run", "healthy", "--policy", str(tmp_path / "none.yaml")]) == Exit.USAGE
