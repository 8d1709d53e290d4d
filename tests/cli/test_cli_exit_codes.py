"""Exit codes and what the command line says when it cannot do what it is asked."""

import os
import socket
import subprocess
import sys
from typing import Any

import pytest

from contracts.deployment import Outcome
from surefoot.exit_codes import Exit, exit_of


@pytest.mark.parametrize(
    ("run", "code"),
    [
        ({"outcome": "succeeded", "cause": None}, 0),
        ({"outcome": "failed", "cause": "gate"}, 1),
        ({"outcome": "failed", "cause": "timeout"}, 4),
        ({"outcome": "blocked", "cause": "usage"}, 2),
        ({"outcome": "blocked", "cause": "gate"}, 5),
        ({"outcome": "blocked", "cause": "refused"}, 5),
        ({"outcome": "rolled_back", "cause": "gate"}, 3),
        ({"outcome": "rollback_failed", "cause": "gate"}, 6),
        ({"outcome": "aborted", "cause": None}, 7),
        ({"outcome": "superseded", "cause": "superseded"}, 7),
    ],
)
def test_exit_code(run: dict[str, Any], code: int) -> None:
    assert exit_of(run) == code


@pytest.mark.parametrize("outcome", Outcome)
def test_only_success_is_zero(outcome: Outcome) -> None:
    assert (exit_of({"outcome": outcome.value, "cause": None}) == Exit.SUCCEEDED) == (outcome is Outcome.SUCCEEDED)


def surefoot(*arguments: str) -> subprocess.CompletedProcess[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    return subprocess.run(
        [sys.executable, "-m", "surefoot", *arguments],
        env={**os.environ, "SUREFOOT_URL": nobody},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("deploy", "c", "s"), 2, "exactly one of"),
        (("deploy", "c", "s", "--image", "a", "--observe"), 2, "exactly one of"),
        (("deploy", "c", "s", "--image", "a", "--override", "architecture"), 2, "GATE=REASON"),
        (("deploy", "c"), 2, "SERVICE is missing"),
        (("fly",), 2, "fly"),
        (("events", "no.such.topic"), 2, "deployment.events.v1"),
        (("status", "c", "s"), 1, "SUREFOOT_URL"),
        (("deploy", "c", "s", "--image", "a"), 1, "make up"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...], code: int, says: str) -> None:
    ended = surefoot(*arguments)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert says in ended.stderr
