"""Child processes for servers: they listen on a port, end with their parent, and can be stopped."""

import contextlib
import ctypes
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

HOST = "127.0.0.1"
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_STOP_SECONDS = 10.0
_FREE_PORTS = range(15_000, 31_384)
"""Ports below those that Linux, macOS and Windows give to outgoing connections, which might take the port
before its server does, or while that restarts."""
_SHARE = 256
"""Ports of each process, by its id: two that run side by side claim none that the other has yet to listen on."""
_own_ports = itertools.cycle(_FREE_PORTS[os.getpid() * _SHARE % len(_FREE_PORTS) :][:_SHARE])


class NotStarted(Exception):
    """The server did not start, or did not stay; `str()` is a sentence that says why."""


class Child:
    """A server process on 127.0.0.1.

    On Linux it dies with the thread that started it, hence with the process, kill -9 included; elsewhere it
    is for the caller to `stop` it.
    """

    def __init__(self, command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603  callers name the program
                list(command),
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(environment or {})},
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent(),  # noqa: PLW1509  one system call, prepared before the fork
                start_new_session=True,  # Ctrl+C is for the parent, which then stops the child in order
            )

    @property
    def ended(self) -> int | None:
        """Returns its exit code, or None while it runs."""
        return self._process.poll()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until(self, ready: Callable[[], bool], seconds: float, what: str) -> None:
        """Raises NotStarted, with the log's last line, when the process ends or the time is up."""
        deadline = time.monotonic() + seconds
        while not (ready() and self.ended is None):
            if self.ended is not None:
                raise NotStarted(f"{what} did not start (exit {self.ended}): {self._last_line()}")
            if time.monotonic() > deadline:
                self.kill()
                raise NotStarted(f"{what} did not start within {seconds:g} seconds: {self._last_line()}")
            time.sleep(0.02)

    def must_run(self, what: str) -> None:
        """Raises NotStarted, with the log's last line, when it has ended by itself."""
        if self.ended is not None:
            raise NotStarted(f"{what} has ended (exit {self.ended}): {self._last_line()}")

    def _last_line(self) -> str:
        """Return the log's last line; of one that is JSON, as ours are, the reason in it."""
        lines = self._log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        try:
            line = json.loads(lines[-1])
        except ValueError:
            return lines[-1]
        return str(line["why"]) if isinstance(line, dict) and "why" in line else lines[-1]

    def wait(self) -> int:
        """Returns its exit code when it has ended by itself."""
        return self._process.wait()

    def stop(self) -> None:
        """Asks it to end, and ends it if it does not within ten seconds."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Ends it as a crash would."""
        self._process.kill()
        self._process.wait()


def claim_port(port: int) -> int:
    """Returns the port if it is free, or some free port for 0. Raises NotStarted when it is taken."""
    if port:
        _bind(port)
        return port
    for free in itertools.islice(_own_ports, _SHARE):
        with contextlib.suppress(NotStarted):
            _bind(free)
            return free
    raise NotStarted(f"There is no free port on {HOST}.")


def _bind(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise NotStarted(f"Port {port} on {HOST} cannot be used: {error.strerror}.") from error


def accepts_connections(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _die_with_parent() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the call above
            os._exit(1)

    return prepare
