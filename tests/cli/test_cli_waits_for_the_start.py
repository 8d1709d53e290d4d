"""A command that comes while Surefoot starts waits for it, and asks for what it asks for once."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from surefoot import client
from surefoot.arguments import Place
from surefoot.client import Refused, Surefoot


class Starting(ThreadingHTTPServer):
    """Answers ``refusals`` first, and then what was asked for."""

    daemon_threads = True

    def __init__(self, refusals: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.refusals = refusals
        self.keys: list[str | None] = []
        self.form = "text/html"


class Answer(BaseHTTPRequestHandler):
    server: Starting

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.keys.append(self.headers["Idempotency-Key"])
        self.do_GET()

    def do_GET(self) -> None:
        refused = self.server.refusals.pop(0) if self.server.refusals else 0
        body = b'{"detail": "The service is starting; try again."}' if refused else b'{"run_id": "a-run"}'
        self.send_response(refused or 202)
        self.send_header("Content-Type", self.server.form if refused else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


PLACE = Place("c", "s")


@pytest.fixture
def refusals() -> list[int]:
    return []


@pytest.fixture
def server(refusals: list[int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Starting]:
    monkeypatch.setattr(client, "AGAIN_SECONDS", 0.01)
    with Starting(refusals) as starting:
        threading.Thread(target=starting.serve_forever, args=(0.01,), daemon=True).start()
        yield starting
        starting.shutdown()


def deploy(server: Starting) -> str:
    return Surefoot(f"http://127.0.0.1:{server.server_port}").orchestrate(PLACE, {"image": "i", "actor": "a"})


def test_it_is_sent_again_with_the_same_key(server: Starting, refusals: list[int]) -> None:
    refusals += [502, 503, 503]
    assert deploy(server) == "a-run"
    assert len(server.keys) == 4
    assert len(set(server.keys)) == 1
    assert server.keys[0]


def test_the_next_call_is_another_request(server: Starting) -> None:
    assert deploy(server) == deploy(server)
    assert len(set(server.keys)) == 2


def test_patience_ends_and_says_what_the_answer_was(server: Starting, refusals: list[int]) -> None:
    refusals += [503]
    with pytest.raises(Refused, match="starting") as refused:
        Surefoot(f"http://127.0.0.1:{server.server_port}").status(PLACE, patience=0)
    assert refused.value.status == 503
    assert refusals == []


def test_what_is_wrong_is_not_sent_again(server: Starting, refusals: list[int]) -> None:
    refusals += [422]
    with pytest.raises(Refused):
        deploy(server)
    assert len(server.keys) == 1


def test_what_aws_denies_is_told_at_once(server: Starting, refusals: list[int]) -> None:
    """A 502 of Surefoot itself is an answer; one of a gateway is none."""
    server.form = "application/problem+json; charset=utf-8"
    refusals += [502, 502]
    with pytest.raises(Refused, match="try again") as refused:
        deploy(server)
    assert refused.value.status == 502
    assert refusals == [502]


def test_a_service_without_redis_is_waited_for(server: Starting, refusals: list[int]) -> None:
    server.form = "application/problem+json"
    refusals += [503]
    assert deploy(server) == "a-run"
    assert len(server.keys) == 2
