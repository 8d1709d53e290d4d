"""The embedded Valkey keeps what it acknowledged, and goes when its parent goes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from sandbox.child import NotStarted
from sandbox.valkey import Valkey


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path)
    yield server
    server.stop()


def client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)


def test_acknowledged_writes_are_there_after_a_kill(valkey: Valkey) -> None:
    with client(valkey.start()) as connection:
        for number in range(200):
            assert connection.set(f"key:{number}", number)
        connection.xadd("outbox", {"event": "deploy-requested"})
    valkey.kill()
    with client(valkey.start()) as connection:
        assert [connection.get(f"key:{number}") for number in range(200)] == [b"%d" % number for number in range(200)]
        assert connection.xlen("outbox") == 1


def test_it_is_set_up_as_the_services_demand(valkey: Valkey) -> None:
    with client(valkey.start()) as connection:
        settings = connection.config_get("appendfsync", "appendonly", "maxmemory-policy", "bind")
    assert settings == {
        "appendfsync": "always",
        "appendonly": "yes",
        "maxmemory-policy": "noeviction",
        "bind": "127.0.0.1",
    }


def test_it_stops_and_lets_the_port_go(tmp_path: Path) -> None:
    first = Valkey(tmp_path)
    url = first.start()
    port = int(url.rpartition(":")[2].partition("/")[0])
    first.stop()
    again = Valkey(tmp_path, port)
    assert again.start() == url
    again.stop()


def test_a_taken_port_is_said_in_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(NotStarted, match=f"Port {port} on 127.0.0.1 cannot be used: Address already in use"):
            Valkey(tmp_path, port).start()


def test_a_damaged_file_stops_the_start_with_what_valkey_says(valkey: Valkey, tmp_path: Path) -> None:
    valkey.start()
    valkey.stop()
    manifest = next((tmp_path / "appendonlydir").glob("*.manifest"))
    manifest.write_text("nonsense\n")
    with pytest.raises(NotStarted, match=r"Valkey on 127\.0\.0\.1:\d+ did not start \(exit 1\): .+"):
        valkey.start()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_it_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, time; from sandbox.valkey import Valkey; "
        "print(Valkey(pathlib.Path(sys.argv[1])).start(), flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    assert parent.stdout
    url = parent.stdout.readline().decode().strip()
    with client(url) as connection:
        server = int(connection.info("server")["process_id"])
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while _alive(server):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    """A dead process that nobody has waited for yet does not count."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
