"""The seven services as processes, started again whenever one ends, as their supervisor would."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from contracts.topics import SERVICES
from sandbox.child import HOST, Child, claim_port
from surefoot.client import Surefoot

AGAIN_SECONDS = 0.3
"""Real seconds after which an ended process is started again."""


class Fleet:
    """Use it in one thread: a child dies with the thread that started it."""

    def __init__(self, directory: Path, environment: Mapping[str, str], mutant: str = "") -> None:
        self._directory = directory
        self._environment = environment
        self._mutant = mutant
        self._children: dict[str, Child] = {}
        self._ports: dict[str, int] = {name: claim_port(0) for name in SERVICES}
        self._options: dict[str, tuple[str, ...]] = {}
        self._starts = 0
        self._ended: dict[str, float] = {}
        self._held_back: set[str] = set()
        self.faults: dict[str, int] = {}
        """Service → how often its process ended although it was not killed."""

    def url(self, name: str) -> str:
        return f"http://{HOST}:{self._ports[name]}"

    def start(self, name: str) -> None:
        self._starts += 1
        mutant = ("--mutant", self._mutant) if self._mutant else ()
        self._children[name] = Child(
            [sys.executable, "-m", "tests.chaos.service", name, *mutant, *self._options.get(name, ())],
            log=self._directory / f"{name}.{self._starts:04}.log",
            environment={**self._environment, "SUREFOOT_HTTP_PORT": str(self._ports[name])},
        )

    def supervise(self) -> None:
        """Start again what has ended, after a moment."""
        for name, child in list(self._children.items()):
            if child.ended is None or name in self._held_back:
                continue
            since = self._ended.setdefault(name, time.monotonic())
            if time.monotonic() - since >= AGAIN_SECONDS:
                del self._ended[name]
                if child.ended not in {-signal.SIGKILL, 0}:
                    self.faults[name] = self.faults.get(name, 0) + 1
                self.start(name)

    def ready(self) -> bool:
        return all(Surefoot(self.url(name)).ready() for name in SERVICES)

    def kill(self, name: str) -> None:
        self._children[name].kill()

    def hold_back(self, name: str) -> None:
        """Kill it, and don't start it before ``let_go``."""
        self._held_back.add(name)
        self.kill(name)

    def let_go(self, name: str) -> None:
        self._held_back.discard(name)

    def end(self, name: str) -> None:
        """Ask it to end, and do not wait."""
        signalled(self._children[name].pid, signal.SIGTERM)

    def pause(self, name: str) -> int:
        """Pause the process; return its id, since later another process may have its name."""
        pid = self._children[name].pid
        signalled(pid, signal.SIGSTOP)
        return pid

    def option(self, name: str, *options: str) -> None:
        """Set the options with which the service is started from now on."""
        self._options[name] = options

    def stop(self) -> None:
        for child in self._children.values():
            child.kill()


def signalled(pid: int, number: signal.Signals) -> None:
    """Send a signal, if the process is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
