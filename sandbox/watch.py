"""Watches servers that run until Ctrl+C: which of them has ended, and which runs and is silent."""

import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from sandbox.child import NotStarted

LOOK_SECONDS = 2.0
ANSWER_SECONDS = 2.0
"""The longest, in seconds, that one check waits for one server."""
WARN_SECONDS = 10.0
SILENT_SECONDS = 30.0
"""Real seconds without an answer after which a server counts as gone: stopped, or stuck."""
_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)
"""The request that every Kafka answers without authentication: ApiVersions v0.
https://kafka.apache.org/protocol#protocol_messages"""
_GET = b"GET /_sandbox/harm HTTP/1.0\r\nHost: sandbox\r\n\r\n"

Probe = Callable[[], bool]


@dataclass
class Silence:
    """Measures by probes for how many real seconds each server has been silent."""

    probes: Mapping[str, Probe]
    warn: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _answered_at: dict[str, float] = field(default_factory=dict)
    _warned: set[str] = field(default_factory=set)

    def look(self) -> None:
        """Probe each server once; warn of a silent server. Raise ``NotStarted`` for one that is silent for too long."""
        for name, answers in self.probes.items():
            answered_at = self._answered_at.setdefault(name, self.clock())
            if answers():
                self._answered_at[name] = self.clock()
                self._warned.discard(name)
                continue
            silent = self.clock() - answered_at
            if silent >= SILENT_SECONDS:
                raise NotStarted(f"{name} runs and has not answered for {silent:.0f} seconds.")
            if silent >= WARN_SECONDS and name not in self._warned:
                self._warned.add(name)
                self.warn(f"{name} has not answered for {silent:.0f} seconds")


def stay(probes: Mapping[str, Probe], warn: Callable[[str], None]) -> None:
    """Return when a child has ended by itself. Raise ``NotStarted`` when a server is silent for ``SILENT_SECONDS``.

    Ctrl+C raises ``KeyboardInterrupt``. A child that is merely stopped (SIGSTOP) has not ended; it is silent.
    """
    silence, woken = Silence(probes, warn), threading.Event()
    signal.signal(signal.SIGCHLD, lambda *_: woken.set())
    while not _child_ended():
        silence.look()
        woken.wait(LOOK_SECONDS)
        woken.clear()


def _child_ended() -> bool:
    """Return whether a child process has ended; its owner still waits for it."""
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True  # all of them have, and were waited for


def probes_of(environment: Mapping[str, str]) -> dict[str, Probe]:
    """Return the probes of the servers that an environment names."""
    kafka = environment.get("KAFKA_BOOTSTRAP_SERVERS", "").partition(",")[0]
    redis = urlsplit(environment.get("REDIS_URL", "")).netloc
    aws = urlsplit(environment.get("AWS_ENDPOINT_URL", "")).netloc
    requests = {"Kafka": (kafka, _API_VERSIONS), "Redis": (redis, b"PING\r\n"), "The simulated AWS": (aws, _GET)}
    return {name: partial(_answers, *where) for name, where in requests.items() if where[0]}


def _answers(address: str, request: bytes) -> bool:
    """Return whether an answer comes: of a stopped process the kernel still accepts connections."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS) as connection:
            connection.settimeout(ANSWER_SECONDS)
            connection.sendall(request)
            return bool(connection.recv(1))
    except OSError:
        return False
