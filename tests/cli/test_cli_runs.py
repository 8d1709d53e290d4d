"""Waiting for a run, stopping it, and leaving it: what is said, and the exit codes."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import orjson
import pytest

from surefoot import cli, wait
from surefoot.exit_codes import Exit

ID = "1f0e2d3c-run"


class Orchestrator:
    """Answers as the API does. ``looks`` are what a run's status is, look by look; the last one stays.

    ``away`` is how many looks are answered by 503 first.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.looks: list[dict[str, Any]] = [{}]
        self.away = 0
        self.answer: dict[str, Any] = {"run_id": ID}

    def status(self) -> dict[str, Any]:
        look = self.looks[0]
        del self.looks[: len(self.looks) > 1]
        return {"run_id": ID, "phases": [], "status": "running", "progress": "", "outcome": None, **look}


@pytest.fixture
def orchestrator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Orchestrator]:
    said = Orchestrator()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said.asked.append(("GET", self.path, None))
            if said.away:
                said.away -= 1
                self._answer({"detail": "Surefoot has not started yet."}, 503)
            else:
                self._answer(said.status())

        def do_POST(self) -> None:
            body = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
            said.asked.append(("POST", self.path, body))
            self._answer(said.answer)

        def _answer(self, document: dict[str, Any], status: int = 200) -> None:
            body = orjson.dumps(document)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("SUREFOOT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(wait, "LOOK_SECONDS", 0.0)
    yield said
    server.shutdown()
    thread.join()
    server.server_close()


def ended(outcome: str, **more: Any) -> dict[str, Any]:
    return {"status": "finished", "outcome": outcome, "seconds": 3, "reason": "", "cause": None, **more}


@pytest.mark.parametrize(
    ("outcome", "code"),
    [("aborted", 0), ("rolled_back", 0), ("superseded", 0), ("rollback_failed", 6), ("failed", 1), ("succeeded", 1)],
)
def test_an_abort_waits_for_the_end(orchestrator: Orchestrator, outcome: str, code: int) -> None:
    orchestrator.looks = [{}, ended(outcome)]
    assert cli.run(["abort", "shop", "web", "--reason", "wrong branch", "--actor", "bob"]) == code
    body = {"run_id": None, "actor": "bob", "reason": "wrong branch"}
    assert orchestrator.asked[0] == ("POST", "/api/v1/deployment-orchestration/abort/shop/web", body)
    assert f"run_id={ID}" in orchestrator.asked[1][1]


def test_an_abort_need_not_be_waited_for(orchestrator: Orchestrator, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["abort", "shop", "web", "--run-id", ID, "--no-wait"]) == Exit.SUCCEEDED
    assert (len(orchestrator.asked), orchestrator.asked[0][2]["run_id"]) == (1, ID)
    assert capsys.readouterr().out == f"{ID}\n"
    assert cli.run(["abort", "shop", "web", "--no-wait", "--json"]) == Exit.SUCCEEDED
    assert set(orjson.loads(capsys.readouterr().out)) == {"run_id", "answer"}


def test_the_place_of_an_arn_is_asked_for(orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    orchestrator.looks = [ended("succeeded")]
    cluster = "arn:aws:ecs:us-west-2:123456789012:cluster/shop"
    assert cli.run(["deploy", cluster, "web", "--image", "web:2", "--on-conflict", "refuse"]) == Exit.SUCCEEDED
    path, body = orchestrator.asked[0][1:]
    assert path == "/api/v1/deployment-orchestration/orchestrate/shop/web?account=123456789012&region=us-west-2"
    assert body == {"image": "web:2", "overrides": [], "on_conflict": "refuse", "actor": "ada", "reason": ""}


def test_whoever_interrupts_a_deployment_is_told_that_it_goes_on(
    orchestrator: Orchestrator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("surefoot.wait.time.sleep", interrupt)
    assert _exit_code(lambda: cli.run(["deploy", "shop", "web", "--image", "web:2"])) == Exit.INTERRUPTED
    err = capsys.readouterr().err
    assert f"The run {ID} goes on." in err
    assert f"`surefoot wait shop web --run-id {ID}` waits for its end" in err
    assert f"`surefoot abort shop web --run-id {ID}` stops it" in err


def test_whoever_waits_no_longer_is_told_so(orchestrator: Orchestrator, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["wait", "shop", "web", "--timeout", "0.01", "--json"]) == Exit.TIMED_OUT
    out, err = capsys.readouterr()
    assert orjson.loads(out)["run_id"] == ID
    assert f"`surefoot wait shop web --run-id {ID}` waits for its end" in err


def test_whoever_waits_outlasts_a_restart(orchestrator: Orchestrator) -> None:
    orchestrator.away = 3
    orchestrator.looks = [ended("rolled_back")]
    assert cli.run(["wait", "shop", "web"]) == Exit.ROLLED_BACK


def test_whoever_loses_sight_of_a_run_is_told_that_it_goes_on(
    orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wait, "PATIENCE_SECONDS", 0.0)
    orchestrator.away = 1_000
    assert cli.run(["wait", "shop", "web", "--run-id", ID]) == Exit.FAILED
    err = capsys.readouterr().err
    assert "Surefoot has not started yet." in err
    assert f"`surefoot wait shop web --run-id {ID}` waits for its end" in err


def _exit_code(call: Callable[[], int]) -> int:
    try:
        return call()
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except SystemExit as left:
        return int(left.code or 0)
