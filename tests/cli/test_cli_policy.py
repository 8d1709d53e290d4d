"""``surefoot policy``: check, show, schema; ``status`` is asked of processes that serve."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread, Timer
from typing import Any, ClassVar

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
    with pytest.raises(CannotDo) as cannot:
        run("show", "prod", service, "--file", str(file))
    assert any(sentence in line for line in (str(cannot.value), *cannot.value.faults))
    assert cannot.value.code == Exit.USAGE


def test_a_service_that_is_not_listed_is_called_so(
    run: Run, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCOUNT", raising=False)
    code = app(("show", "prod", "apii", "--file", str(file)), exit_on_error=False, result_action="return_value")
    assert code == Exit.SUCCEEDED
    assert capsys.readouterr().err == "prod/apii is not listed and has the defaults; did you mean prod/api?\n"
    file.write_text(GOOD.replace("version: 1", "version: 1\nunlisted: refuse"))
    with pytest.raises(CannotDo, match=r"^us-west-2/prod/apii is not listed in .*; did you mean prod/api\?$"):
        run("show", "prod", "apii", "--file", str(file))


def test_a_broken_file_of_settings_is_told_and_not_passed_over(
    run: Run, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(GOOD)
    config = tmp_path / "surefoot.yaml"
    config.write_text("auto_recovry_enabled: false\n")
    monkeypatch.setenv("SUREFOOT_CONFIG", str(config))
    with pytest.raises(CannotDo, match="did you mean auto_recovery_enabled"):
        run("show", "prod", "api", "--file", str(file))


def test_the_schema_is_printed(run: Run) -> None:
    code, said = run("schema")
    assert code == Exit.SUCCEEDED
    assert orjson.loads(said) == schema()


class Replica(BaseHTTPRequestHandler):
    """Answers as a service does that has this policy in force."""

    told: ClassVar[dict[str, Any]] = {}
    asked: ClassVar[list[dict[str, Any]]] = []
    """Bodies of the reloads that were asked for."""

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/api/v1/policy" and self.told else 404, self.told)

    def do_POST(self) -> None:
        self.asked.append(orjson.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        if self.path != "/api/v1/policy/reload":
            self._answer(404, {})
        elif "detail" in self.told:
            self._answer(409, self.told)
        else:
            self._answer(200, {"needs_restart": [], **self.told})

    def _answer(self, status: int, told: dict[str, Any]) -> None:
        body = orjson.dumps(told)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


TOLD = {
    "location": "/etc/surefoot/policy",
    "digest": "a" * 64,
    "effective_digest": "b" * 64,
    "looked_at_seconds_ago": 3.2,
    "fault": None,
}


@pytest.fixture
def serve() -> Iterator[Callable[[dict[str, Any]], str]]:
    servers = []

    def serve(told: dict[str, Any]) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Told", (Replica,), {"told": told}))
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_replicas_with_one_policy_are_listed_with_its_digest_path_and_age(
    run: Run, serve: Callable[[dict[str, Any]], str]
) -> None:
    one, other = serve(TOLD), serve(TOLD)
    code, said = run("status", one, f"{other}/")
    assert code == Exit.SUCCEEDED
    assert said.splitlines() == [
        f"{url}  aaaaaaaaaaaa  /etc/surefoot/policy  last looked at 3 s ago" for url in (one, other)
    ]


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({**TOLD, "digest": "c" * 64}, "the replicas have different policies in force"),
        ({**TOLD, "effective_digest": "c" * 64}, "the replicas have different policies in force"),
        ({**TOLD, "fault": "a.yaml:1:1: version: must be 1"}, "the policy on disk is not the one in force"),
        ({}, "no policy is known of"),
    ],
)
def test_replicas_that_differ_longer_than_two_polls_are_exit_code_1(
    run: Run, serve: Callable[[dict[str, Any]], str], told: dict[str, Any], problem: str
) -> None:
    """Field point 12."""
    code, said = run("status", serve(TOLD), serve(told), "--settle", "0.05", "--json")
    assert code == Exit.FAILED
    assert problem in orjson.loads(said)["problem"]


def test_a_replica_that_does_not_answer_is_exit_code_1(run: Run) -> None:
    code, said = run("status", "http://127.0.0.1:1", "--settle", "0")
    assert code == Exit.FAILED
    assert "does not answer" in said


def test_replicas_that_agree_in_time_are_well(run: Run, serve: Callable[[dict[str, Any]], str]) -> None:
    changing = {**TOLD, "digest": "c" * 64}
    one, other = serve(TOLD), serve(changing)
    Timer(0.1, changing.update, [TOLD]).start()
    assert run("status", one, other, "--settle", "30")[0] == Exit.SUCCEEDED


def test_a_reload_waits_for_the_answer_of_each_replica(run: Run, serve: Callable[[dict[str, Any]], str]) -> None:
    """Field point 13."""
    Replica.asked.clear()
    one, other = serve(TOLD), serve(TOLD)
    code, said = run("reload", one, f"{other}/", "--actor", "ada", "--reason", "new thresholds")
    assert code == Exit.SUCCEEDED
    assert [line.split()[:2] for line in said.splitlines()] == [[one, "aaaaaaaaaaaa"], [other, "aaaaaaaaaaaa"]]
    assert Replica.asked == [{"actor": "ada", "reason": "new thresholds"}] * 2


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({"detail": "aaaaaaaaaaaa stays in force: a.yaml:1:1: version: must be 1."}, "was not taken over at http"),
        ({**TOLD, "digest": "c" * 64}, "the replicas have different policies in force"),
        ({**TOLD, "needs_restart": ["job_slots"]}, "changed settings need a restart: JOB_SLOTS"),
    ],
)
def test_a_reload_that_is_not_whole_is_exit_code_1(
    run: Run, serve: Callable[[dict[str, Any]], str], told: dict[str, Any], problem: str
) -> None:
    """Field point 13."""
    code, said = run("reload", serve(TOLD), serve(told), "--json")
    assert code == Exit.FAILED
    assert problem in orjson.loads(said)["problem"]
    assert told.get("detail", "") in said


def test_a_reload_of_a_replica_that_does_not_answer_is_exit_code_1(run: Run) -> None:
    code, said = run("reload", "http://127.0.0.1:1")
    assert code == Exit.FAILED
    assert "does not answer" in said
