"""Whatever AWS, applications, messages and files say, a terminal obeys none of it, and no line of it is forged."""

import ast
import io
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from rich.console import Console

from contracts.dead_letter import DeadLettered, letter_id
from contracts.envelope import Envelope, Meta
from surefoot import dead_letter_topic, events, output
from surefoot.__main__ import _run
from surefoot.cli import run
from surefoot.client import Surefoot
from surefoot.exit_codes import Exit
from surefoot.progress import Progress
from tests.security.keys import record_of

ROOT = Path(__file__).parents[2]
FORGED = "surefoot: all gates pass"
HOSTILE = (
    f"\x1b[31m\x1b]0;owned\x07\x1bP\x9b2J\x08\x7f\r\n{FORGED}\x00\u2028{FORGED}\x85{FORGED}"
    "\u202eevil\u2066\u2069\u200b\u061c\U000e0041[bold red]x[/]"
)
"""Colours, a title, C1 and C0 controls, ends of lines, overrides of direction, tags, and rich's markup."""
CLOSED = {
    "status", "outcome", "verdict", "phase", "comparison", "kind", "state", "result", "asked_at", "started_at",
    "finished_at", "progress_phase", "taken_at",
}  # fmt: skip
"""Names of texts on which the command line decides; others are free."""


def hostile(data: Any, name: str = "") -> Any:
    if isinstance(data, str):
        return data if name in CLOSED else HOSTILE
    if isinstance(data, dict):
        return {key: hostile(value, key) for key, value in data.items()}
    return [hostile(value, name) for value in data] if isinstance(data, list) else data


def texts_of(data: Any) -> list[str]:
    if isinstance(data, str):
        return [data]
    values = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return [text for value in values for text in texts_of(value)]


def assert_harmless(written: str, *, colours: bool = False) -> None:
    if colours:
        written = re.sub(r"\x1b\[[0-9;]*m", "", written)
    assert written
    for line in written.split("\n"):
        assert line.isprintable(), ascii(line)
        assert not line.startswith(FORGED), line


GATE = {
    "name": "g", "verdict": "fail", "value": 1.0, "comparison": ">=", "threshold": 2.0, "unit": "%", "samples": 1,
    "detail": "d", "overridden_by": "o",
}  # fmt: skip
PHASE = {"phase": "deployment_monitoring", "verdict": "fail", "seconds": 1.0, "gates": [GATE]}
TARGET = {"account": "a", "region": "r", "cluster": "c", "service": "s"}
RUN = {
    "run_id": "r", "target": TARGET, "status": "finished", "phase": "baking", "outcome": "rolled_back", "cause": None,
    "reason": "x", "actor": "a", "change": {"kind": "image", "reference": "x"}, "image": "i", "phases": [PHASE],
    "baking": PHASE, "rollback": {"by": "s", "snapshot_id": "i", "seconds": 1.0, "trigger": "t"}, "seconds": 1.0,
    "progress": "p", "rollout_bound": "b", "asked_at": "2026-01-01T00:00:00Z", "finished_at": "2026-01-01T00:00:00Z",
}  # fmt: skip
CONDITION = {"armed": True, "alerts": [{"rule": "r"}], "score": {"low": 1.0, "high": 2.0}}
SNAPSHOT = {
    "snapshot_id": "s", "proven": True, "containers": [{"image": "i"}], "task_definition": "t", "purpose": "p",
}  # fmt: skip
PLAN = {
    "snapshot_id": "s", "changes": [{"setting": "s", "from": "f", "to": ["t"]}], "images": {"n": "i"},
    "task_definition": "t",
}  # fmt: skip
OVERVIEW = {"services": [{"target": TARGET, "condition": CONDITION, "active_run": RUN, "last_run": RUN, "queued": 1}]}
POLICY = {"digest": "d", "effective_digest": "e", "location": "l", "looked_at_seconds_ago": 1.0, "fault": "f"}
ANSWERS: dict[str, Any] = {
    "status": RUN, "deployments": {"deployments": [RUN], "cursor": None}, "overview": OVERVIEW,
    "snapshots": {"snapshots": [SNAPSHOT]}, "rollback": {**PLAN, "rollback_id": "r"},
    "operations": {"state": "failed", "result": "failed", "sentence": "s"}, "abort": {"run_id": "r"},
    "orchestrate": {"run_id": "r"}, "policy": {**POLICY, "needs_restart": ["n"]},
}  # fmt: skip
PLACE = ("c", "s")
COMMANDS = [
    ("status", *PLACE),
    ("wait", *PLACE),
    ("runs",),
    ("services",),
    ("snapshots", *PLACE),
    ("abort", *PLACE),
    ("deploy", *PLACE, "--image", "i"),
    ("deploy", *PLACE, "--image", "i", "--no-wait"),
    ("rollback", *PLACE, "--latest-proven"),
    ("rollback", *PLACE, "--latest-proven", "--dry-run"),
    ("policy", "status", "--settle", "0"),
]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, httpx2.Response]:
    """Answers of a Surefoot whose every free text is hostile; a test may put others in their place."""
    instead: dict[str, httpx2.Response] = {}

    def answer(_: Any, method: str, path: str, **__: Any) -> httpx2.Response:
        (name,) = [part for part in path.split("/") if part in ANSWERS][:1] or [""]
        return instead.get(method) or httpx2.Response(200, json=hostile(ANSWERS[name]))

    monkeypatch.setattr(Surefoot, "_send", answer)
    monkeypatch.setattr(httpx2, "request", lambda method, path, **_: answer(None, method, path))
    return instead


@pytest.mark.parametrize("tokens", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_no_text_of_an_answer_is_obeyed(
    answers: dict[str, httpx2.Response], capsys: pytest.CaptureFixture[str], tokens: tuple[str, ...], form: tuple[str]
) -> None:
    del answers
    run([*tokens, *form])
    written = capsys.readouterr()
    assert_harmless(written.out + written.err)
    if form:
        assert HOSTILE in texts_of(json.loads(written.out)), "JSON keeps what is there"


@pytest.mark.parametrize("tokens", COMMANDS, ids=" ".join)
def test_no_refusal_is_obeyed(
    answers: dict[str, httpx2.Response], capsys: pytest.CaptureFixture[str], tokens: tuple[str, ...]
) -> None:
    for method in ("GET", "POST"):
        answers[method] = httpx2.Response(404, json={"detail": f"no {HOSTILE} at redis://u:hunter2@here"})
    assert run(tokens) != Exit.SUCCEEDED
    written = capsys.readouterr()
    assert_harmless(written.out + written.err)
    assert "hunter2" not in written.out + written.err


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("going_on", [False, True])
def test_nor_is_a_text_on_the_terminal_itself(verbose: bool, going_on: bool) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, color_system="standard", width=60)
    look = hostile(RUN) | ({"status": "running"} if going_on else {})
    Progress(console, verbose=verbose).show(look)
    assert_harmless(written.getvalue(), colours=True)


def test_the_live_line_shows_markup_as_it_is() -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, color_system="standard", width=200)
    with Progress(console) as progress:
        progress.show({"phases": [], "status": "running", "progress": HOSTILE})
    assert "\x1b]0" not in written.getvalue()
    assert "[bold red]x[/]" in written.getvalue()


@pytest.mark.parametrize(
    "tokens",
    [
        (HOSTILE,),
        ("status", HOSTILE, "s"),
        ("status", "arn:aws:ecs:" + HOSTILE, "s"),
        ("runs", "--since", HOSTILE),
        ("deploy", "c", "s", "--image", "i", "--override", f"{HOSTILE}=why"),
        ("events", HOSTILE),
        ("dead-letters", "drop", "--reason", "r", HOSTILE[:3]),
        ("sandbox", "check", HOSTILE.replace("\x00", "")),
        ("policy", "check", HOSTILE.replace("\x00", "")),
        ("signing-keys", "create", HOSTILE),
        ("status", "c", "s", f"--{HOSTILE}"),
    ],
    ids=lambda tokens: " ".join(tokens)[:20].encode("unicode_escape").decode(),
)
def test_no_argument_is_obeyed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tokens: tuple[str, ...]
) -> None:
    letters_are(monkeypatch)
    assert run(tokens) == Exit.USAGE
    written = capsys.readouterr()
    assert_harmless(written.out + written.err)


def recorded() -> Iterator[tuple[list[tuple[str, bytes | None]], Any]]:
    for event in json.loads((ROOT / "tests" / "data" / "recorded" / "events.json").read_text()):
        yield [(name, value.encode()) for name, value in event["headers"]], json.loads(event["raw"])


def each_text_replaced(data: Any, whole: Any = None) -> Iterator[Any]:
    """Yield the data once for each text in it, with that text hostile."""
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in list(entries):
        kept = data[key]
        if isinstance(value, str):
            data[key] = f"{value[:3]}{HOSTILE}"
            yield json.loads(json.dumps(data if whole is None else whole))
        else:
            yield from each_text_replaced(value, data if whole is None else whole)
        data[key] = kept


@pytest.mark.parametrize("as_json", [False, True])
def test_no_text_and_no_header_of_a_recorded_event_is_obeyed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    messages = [(headers, body) for headers, data in recorded() for body in each_text_replaced(data)]
    messages += [
        ([*headers[:at], (headers[at][0], HOSTILE.encode()), *headers[at + 1 :]], data)
        for headers, data in list(recorded())[:5]
        for at in range(len(headers))
    ]
    messages += [([*headers, (HOSTILE, None)], data) for headers, data in list(recorded())[:1]]
    follow(monkeypatch, [(headers, json.dumps(body).encode()) for headers, body in messages])
    monkeypatch.setattr(events, "EVERY", 1)
    assert run(["events", *(["--json"] if as_json else [])]) == Exit.SUCCEEDED
    written = capsys.readouterr()
    assert len(written.out.splitlines()) + written.err.count("is not shown") == len(messages)
    assert_harmless(written.out + written.err)


def follow(monkeypatch: pytest.MonkeyPatch, messages: list[tuple[Any, bytes]]) -> None:
    @asynccontextmanager
    async def started(*_: Any, **__: Any) -> AsyncIterator[Any]:
        async def records() -> AsyncIterator[Any]:
            for headers, value in messages:
                letter = Envelope(Meta("i", "surefoot/recovery", GENUINE_AT), GENUINE).to_message()
                yield replace(record_of(letter), headers=tuple(headers), value=value)

        yield records()

    monkeypatch.setattr(events, "started", started)
    monkeypatch.setattr(events, "connection", lambda: None)


GENUINE_AT = datetime(2026, 11, 27, tzinfo=UTC)
GENUINE = DeadLettered.model_construct(
    topic=f"recovery.commands.v1{HOSTILE}", partition=3, offset=9, group=HOSTILE, reason="failed", detail=HOSTILE,
    key=HOSTILE.encode(), headers=(("ce_type", HOSTILE.encode()), (HOSTILE, HOSTILE.encode()), ("x", None)),
    value=HOSTILE.encode(),
)  # fmt: skip


def letters_are(monkeypatch: pytest.MonkeyPatch, *letters: DeadLettered) -> None:
    async def records() -> AsyncIterator[Any]:
        for letter in letters:
            yield record_of(Envelope(Meta(letter_id(letter), "surefoot/recovery", GENUINE_AT), letter).to_message())

    monkeypatch.setenv("SUREFOOT_SIGNATURES", "off")
    monkeypatch.setattr(dead_letter_topic, "_records", lambda *_: records())


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize("tokens", [("list",), ("show",), ("show", "--value"), ("replay",), ("replay", "--yes")])
def test_no_text_of_a_dead_letter_is_obeyed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tokens: tuple[str, ...], form: tuple[str, ...]
) -> None:
    letters_are(monkeypatch, GENUINE)
    ids = () if tokens == ("list",) else (letter_id(GENUINE),)
    run(["dead-letters", *tokens, *ids, *form])
    written = capsys.readouterr()
    assert_harmless(written.out + written.err)


def test_a_replay_shows_where_it_goes_and_needs_a_yes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    letter = GENUINE.model_copy(
        update={
            "topic": "recovery.commands.v1",
            "group": "recovery",
            "headers": (("ce_type", b"arm.v1"),),
            "key": b"a/b/c/d",
        }
    )
    letters_are(monkeypatch, letter)
    done: list[Any] = []

    async def replay(letters: Any, *_: str) -> None:
        done.extend(letters)

    monkeypatch.setattr(dead_letter_topic, "replay", replay)
    replay_it = ["dead-letters", "replay", letter_id(letter)]
    assert run(replay_it) == Exit.USAGE
    written = capsys.readouterr()
    assert "arm.v1 about a/b/c/d, to recovery.commands.v1 for recovery (failed" in written.err
    assert "--yes" in written.err
    assert (done, written.out) == ([], "")
    monkeypatch.setattr(output.console, "_force_terminal", True)
    for typed, sent in (("\n", 0), ("no\n", 0), ("", 0), ("yes\n", 1)):
        stdin = io.StringIO(typed)
        stdin.isatty = lambda: True  # type: ignore[method-assign]  # a terminal
        monkeypatch.setattr("sys.stdin", stdin)
        run(replay_it)
        assert len(done) == sent, repr(typed)
    assert run([*replay_it, "--yes"]) == Exit.SUCCEEDED
    assert len(done) == 2


QUOTED = json.dumps(HOSTILE.replace("\x00", ""))


@pytest.mark.parametrize(
    "text",
    [
        f"version: 1\n{QUOTED}: 1\n",
        f"version: 1\ndefaults:\n  rules:\n    {QUOTED}: off\n",
        f"version: {QUOTED}\n",
        f"version: 1\nservices:\n  - {{cluster: {QUOTED}, service: b}}\n",
        f"version: 1\ndefaults:\n  application: {{url: {QUOTED}}}\n",
        f"version: 1\n{QUOTED[1:-1]}",
    ],
)
def test_no_text_of_a_policy_or_a_scenario_is_obeyed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    for command in (("policy", "check"), ("sandbox", "check"), ("policy", "check", "--json")):
        assert run([*command, str(file)]) == Exit.USAGE
        written = capsys.readouterr()
        assert_harmless(written.out + written.err)


WRITES = {"print", "Console"}
OUTPUT = {"surefoot/output.py", "surefoot/__main__.py", "surefoot/reference.py"}
"""The one place, the version that is printed before anything is imported, and a tool for this repository."""


def test_the_command_line_writes_in_one_place() -> None:
    """A new ``print`` would show what it is given: texts go through ``result``, ``note`` or ``fail``."""
    for path in sorted((ROOT / "surefoot").rglob("*.py")):
        name = str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(path.read_text())) if name not in OUTPUT else ():
            call = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            direct = call in WRITES or (call.endswith("console.print") and name != "surefoot/progress.py")
            assert not direct, f"{name}:{getattr(node, 'lineno', 0)}: {call}"
            if isinstance(node, ast.Attribute):
                assert ast.unparse(node) not in {"sys.stdout", "sys.stderr"}, f"{name}:{node.lineno}"
            if isinstance(node, ast.ImportFrom):
                assert node.module != "rich.markup", f"{name}:{node.lineno}: markup"


def test_a_fault_of_our_own_is_shown_without_being_obeyed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_: Any) -> int:
        raise ZeroDivisionError(f"{HOSTILE} password=hunter2")

    monkeypatch.setattr("surefoot.cli.run", fails)
    assert _run() == Exit.FAILED
    written = capsys.readouterr().err
    assert_harmless(written)
    assert "hunter2" not in written
    assert "ZeroDivisionError" in written


def test_faults_stand_below_what_is_wrong_each_on_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.fail(f"two faults {HOSTILE}:", Exit.USAGE, [f"x {HOSTILE}", FORGED])
    assert [line[:2] for line in capsys.readouterr().err.split("\n")] == ["su", "  ", "  ", ""]
