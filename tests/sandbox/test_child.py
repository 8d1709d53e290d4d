"""A server that runs as a child process."""

import sys
from pathlib import Path

import pytest

from sandbox.child import Child, NotStarted


def child(directory: Path, program: str) -> Child:
    return Child([sys.executable, "-c", program], log=directory / "log")


def test_one_that_has_ended_by_itself_is_told_with_its_last_words(tmp_path: Path) -> None:
    died = child(tmp_path, "print('the first'); print('the disk is full'); exit(3)")
    died.wait()
    with pytest.raises(NotStarted, match=r"Kafka has ended \(exit 3\): the disk is full"):
        died.must_run("Kafka")


def test_of_a_log_in_json_the_reason_is_told(tmp_path: Path) -> None:
    line = '{"event": "cannot start", "why": "policy.yaml:3: this is no YAML"}'
    died = child(tmp_path, f"print({line!r}); exit(1)")
    died.wait()
    with pytest.raises(NotStarted, match=r"Surefoot has ended \(exit 1\): policy.yaml:3: this is no YAML$"):
        died.must_run("Surefoot")


def test_one_that_runs_is_not_told(tmp_path: Path) -> None:
    lives = child(tmp_path, "import time; time.sleep(60)")
    lives.must_run("Kafka")
    lives.stop()


def test_one_that_ends_before_it_listens_is_told_with_its_exit_code(tmp_path: Path) -> None:
    dies = child(tmp_path, "print('the port is taken'); exit(4)")
    with pytest.raises(NotStarted, match=r"AWS did not start \(exit 4\): the port is taken"):
        dies.wait_until(lambda: False, 30, "AWS")


def test_one_that_is_too_slow_is_told_with_the_time_that_it_had_and_ends(tmp_path: Path) -> None:
    slow = child(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(NotStarted, match=r"AWS did not start within 0 seconds: it said nothing"):
        slow.wait_until(lambda: False, 0, "AWS")
    assert slow.ended is not None
