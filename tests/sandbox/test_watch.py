"""What stays behind `surefoot up`: a server that has ended, and one that runs and is silent."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import watch
from sandbox.child import Child, NotStarted, accepts_connections, claim_port
from sandbox.watch import SILENT_SECONDS, WARN_SECONDS, Silence, probes_of


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[tuple[Child, int]]:
    port = claim_port(0)
    child = Child(
        [sys.executable, "-m", "sandbox.kafka", "--port", str(port), "--data", str(tmp_path / "kafka")],
        log=tmp_path / "kafka.log",
    )
    child.wait_until(lambda: accepts_connections(port), 30, "The dev broker")
    yield child, port
    child.kill()


def kafka(port: int) -> watch.Probe:
    nobody = "127.0.0.1:9"
    environment = {"REDIS_URL": f"redis://{nobody}/0", "AWS_ENDPOINT_URL": f"http://{nobody}"}
    return probes_of({**environment, "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{port}"})["Kafka"]


def test_a_broker_that_is_stopped_is_silent_though_it_takes_connections(
    broker: tuple[Child, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    child, port = broker
    assert kafka(port)()
    monkeypatch.setattr(watch, "ANSWER_SECONDS", 0.2)
    os.kill(child.pid, signal.SIGSTOP)
    assert accepts_connections(port)
    assert not kafka(port)()
    os.kill(child.pid, signal.SIGCONT)
    deadline = time.monotonic() + 20
    while not kafka(port)():
        assert time.monotonic() < deadline


def test_redis_is_asked_and_a_silent_listener_is_no_redis(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"REDIS_URL": valkey_url, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    probes = probes_of(environment)
    assert probes["Redis"]()
    assert not probes["The simulated AWS"]()
    assert "Kafka" not in probes, "where it is somebody's own"
    monkeypatch.setattr(watch, "ANSWER_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        where = f"127.0.0.1:{silent.getsockname()[1]}"
        assert not probes_of(environment | {"REDIS_URL": f"redis://{where}/0"})["Redis"]()


def test_a_silent_server_is_named_once_and_then_ends_the_watch() -> None:
    clock, warnings, silent = [0.0], list[str](), list[str]()
    silence = Silence({"Kafka": lambda: not silent, "Redis": lambda: True}, warnings.append, clock=lambda: clock[0])

    def look(at: float) -> None:
        clock[0] = at
        silence.look()

    look(0)
    silent.append("Kafka")
    for at in (1, WARN_SECONDS, WARN_SECONDS + 5):
        look(at)
    assert warnings == ["Kafka has not answered for 10 seconds"]
    silent.clear()
    look(WARN_SECONDS + 6)
    silent.append("Kafka")
    with pytest.raises(NotStarted, match="Kafka runs and has not answered for 30 seconds"):
        look(WARN_SECONDS + 6 + SILENT_SECONDS)


SCRIPT = """
import os, signal, subprocess, sys
from sandbox.child import NotStarted
from sandbox import watch
watch.LOOK_SECONDS = 0.05
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
looks = 0
def answers():
    global looks
    looks += 1
    if looks == 2:
        os.kill(child.pid, signal.SIGSTOP)
    if looks == 10:
        print("it is watched on", flush=True)
        child.kill()
    return True
watch.stay({"it": answers}, print)
print(child.poll() is not None)
"""


def test_a_child_that_is_stopped_has_not_ended_and_one_that_is_killed_has() -> None:
    ended = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.splitlines() == ["it is watched on", "True"]
