"""``surefoot keys``, and how every command sends its key."""

import os
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import orjson
import pytest
from redis import Redis

from services._chassis.access.api_keys import ApiKey
from surefoot import cli, credential
from surefoot.exit_codes import Exit

KEY = ApiKey.new().text


@pytest.fixture
def keys(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("REDIS_URL", valkey_url)
    with Redis.from_url(valkey_url) as redis:
        redis.flushdb()
        yield
        redis.flushdb()


def printed(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    capsys.readouterr()
    assert cli.run(command) == Exit.SUCCEEDED, capsys.readouterr().err
    return capsys.readouterr().out


@pytest.mark.usefixtures("keys")
def test_the_life_of_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert "surefoot keys create makes one" in printed(capsys, "keys", "list")
    text = printed(capsys, "keys", "create", "alice", "--role", "admin").strip()
    first = ApiKey.read(text)
    assert first is not None
    second = orjson.loads(printed(capsys, "keys", "create", "alice", "--json"))
    assert (second["role"], second["holds"], ApiKey.read(second["key"]) is None) == ("admin", True, False)
    listed = printed(capsys, "keys", "list")
    assert text not in listed
    assert listed.count("key:alice  admin  until ") == 2
    assert cli.run(["keys", "create", "alice"]) == Exit.USAGE
    assert cli.run(["keys", "forget", first.id]) == Exit.USAGE
    printed(capsys, "keys", "revoke", first.id)
    assert "was revoked" in printed(capsys, "keys", "list")
    printed(capsys, "keys", "forget", first.id)
    (left,) = orjson.loads(printed(capsys, "keys", "list", "--json"))["keys"]
    assert left["id"] == second["id"]
    assert "digest" not in left
    printed(capsys, "keys", "revoke", second["id"])
    assert cli.run(["keys", "forget", second["id"]]) == Exit.USAGE
    assert "is the last key" in capsys.readouterr().err


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["keys", "create", "Alice Cooper"], "small letters"),
        (["keys", "create", "alice", "--days", "0"], "from 1 to 366"),
        (["keys", "create", "alice", "--role", "god"], "god"),
        (["keys", "revoke", "nobody"], "there is no key nobody"),
        (["keys", "list", "--api-key-file"], "the name of a file is missing"),
    ],
)
def test_what_cannot_be_done(command: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(command) == Exit.USAGE
    assert why in capsys.readouterr().err


def test_without_redis_that_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    assert cli.run(["keys", "list"]) == Exit.FAILED
    assert "REDIS_URL" in capsys.readouterr().err


class Api:
    """Answers with a status, and keeps the headers that came."""

    def __init__(self) -> None:
        self.seen: list[str | None] = []
        self.status = 200


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    found = Api()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.seen.append(self.headers["Authorization"])
            body = orjson.dumps({"services": [], "detail": "Nobody is served without a credential."})
            self.send_response(found.status)
            self.send_header("Content-Type", "application/problem+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("SUREFOOT_URL", f"http://127.0.0.1:{server.server_port}")
    for name in (credential.KEY, credential.FILE):
        monkeypatch.delenv(name, raising=False)
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("way", ["environment", "file", "option", "option=", "file of the environment", "none"])
def test_the_key_that_is_sent(way: str, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    command = ["services"]
    if way == "environment":
        monkeypatch.setenv(credential.KEY, KEY)
    elif way == "file of the environment":
        monkeypatch.setenv(credential.FILE, str(file))
    elif way != "none":
        monkeypatch.setenv(credential.KEY, "another")  # what is named for this command wins
        monkeypatch.setenv(credential.FILE, "another")
        command = [f"--api-key-file={file}", *command] if way == "option=" else [*command, "--api-key-file", str(file)]
    assert cli.run(command) == Exit.SUCCEEDED
    assert api.seen == [None if way == "none" else f"Bearer {KEY}"]


def test_where_a_credential_is_needed_it_says_how_to_give_it(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["services"], ["policy", "status", "--settle", "0"]):
        api.status = 401
        assert cli.run(command) == Exit.FAILED
        shown = capsys.readouterr()
        said = re.sub(r"\s+", " ", shown.out + shown.err)
        assert "Nobody is served without a credential" in said
        assert "SUREFOOT_API_KEY" in said
        assert "--api-key-file" in said


@pytest.mark.parametrize("content", [None, b"two words", b"a\nb", b"\xff", "\u0661".encode()])
def test_a_file_without_a_key_is_told_and_never_sent(
    content: bytes | None, api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    assert cli.run(["services", "--api-key-file", str(file)]) == Exit.USAGE
    assert "two words" not in capsys.readouterr().err
    assert api.seen == []
    os.environ.pop(credential.FILE, None)
