"""``surefoot policy``: check, show, schema; ``status`` is asked of processes that serve."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from contracts.policy_file import schema
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo
from surefoot.policy import app

Run = Callable[..., tuple[int, str]]
GOOD = """\
version: 1
defaults:
  rules: {cpu: off}
services:
  - cluster: prod
    service: api
    recovery:
      keep: 3
"""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*command: str) -> tuple[int, str]:
        code = app(command, exit_on_error=False, result_action="return_value")
        return int(code), capsys.readouterr().out

    return run


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SUREFOOT_POLICY", raising=False)
    path = tmp_path / "policy.yaml"
    path.write_text(GOOD)
    return path


def test_a_good_file_is_told_by_its_digest_and_the_number_of_services(run: Run, file: Path) -> None:
    code, said = run("check", str(file))
    digest, text = said.split("  ")
    assert (code, len(digest), text) == (Exit.SUCCEEDED, 64, "1 service\n")
    told = orjson.loads(run("check", str(file), "--json")[1])
    assert told == {"digest": digest, "services": 1, "faults": []}


def test_each_fault_is_told_with_its_line(run: Run, file: Path) -> None:
    file.write_text("version: 1\ndefaults:\n  recovery: {keeep: 3, retention_days: 0}\n")
    code, said = run("check", str(file))
    assert code == Exit.USAGE
    assert said.splitlines() == [
        f"{file}:3:14: defaults.recovery.keeep: there is no such key; did you mean keep?",
        f"{file}:3:24: defaults.recovery.retention_days: must be above 0",
        "2 faults",
    ]
    told = orjson.loads(run("check", str(file), "--json")[1])
    assert told["faults"][0] == {
        "file": str(file),
        "line": 3,
        "column": 14,
        "path": "defaults.recovery.keeep",
        "sentence": "there is no such key; did you mean keep?",
    }


def test_a_directory_is_checked_as_a_whole(run: Run, file: Path) -> None:
    (file.parent / "more.yaml").write_text("version: 1\nservices:\n  - {cluster: prod, service: api}\n")
    code, said = run("check", str(file.parent))
    assert code == Exit.USAGE
    assert f"{file}:5:5: services[0]: prod/api is listed twice, first in {file.parent}/more.yaml:3" in said


def test_a_file_that_is_not_there_is_usage(run: Run, tmp_path: Path) -> None:
    with pytest.raises(CannotDo, match="is not there") as cannot:
        run("check", str(tmp_path / "none.yaml"))
    assert cannot.value.code == Exit.USAGE


def test_what_holds_for_a_service_is_shown_with_its_origins(
    run: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEALTH_CHECK_INTERVAL", "45")
    code, said = run("show", "prod", "api", "--file", str(file))
    lines = {line.split()[0]: line for line in said.splitlines()}
    assert code == Exit.SUCCEEDED
    assert lines["recovery.keep"].split() == ["recovery.keep", "3", f"{file}:8"]
    assert lines["rules.cpu"].split() == ["rules.cpu", "off", f"{file}:3"]
    assert lines["health.interval_seconds"].split(maxsplit=2)[1:] == [
        "45",
        "environment variable HEALTH_CHECK_INTERVAL",
    ]
    assert "built-in default (requirements, Phase 1)" in lines["gates.minimum_health_score"]
    assert "not set" in lines["monitoring.database"]
    assert "that of the credentials" in lines["account"]
    told = orjson.loads(run("show", "prod", "api", "--file", str(file), "--json")[1])
    assert told["values"]["recovery.keep"] == {"value": 3, "origin": f"{file}:8"}


def test_show_reads_the_policy_of_the_environment(run: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUREFOOT_POLICY", str(file))
    assert orjson.loads(run("show", "prod", "api", "--json")[1])["values"]["recovery.keep"]["value"] == 3
    monkeypatch.setenv("SUREFOOT_POLICY", "s3://bucket/key")
    with pytest.raises(CannotDo, match="--file"):
        run("show", "prod", "api")


@pytest.mark.parametrize(
    ("text", "service", "sentence"),
    [
        ("version: 2\n", "api", "must be 1"),
        ("version: 1\nunlisted: refuse\n", "api", "not listed"),
        ("version: 1\n", "a/b", "is no name of a service"),
    ],
)
def test_what_cannot_be_shown_says_why(run: Run, file: Path, text: str, service: str, sentence: str) -> None:
    file.write_text(text)
    with pytest.raises(CannotDo, match=sentence) as cannot:
        run("show", "prod", service, "--file", str(file))
    assert cannot.value.code == Exit.USAGE


def test_the_schema_is_printed(run: Run) -> None:
    code, said = run("schema")
    assert code == Exit.SUCCEEDED
    assert orjson.loads(said) == schema()
