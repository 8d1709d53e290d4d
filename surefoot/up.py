"""The all-in-one on the sandbox."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from sandbox.child import HOST, Child, claim_port
from sandbox.stack import Ports, sandbox
from surefoot.client import Surefoot

START_SECONDS = 60.0
SPEED = 20.0
"""Product seconds in a real second, unless told otherwise: a deployment takes about twenty seconds."""


def pause() -> None:
    """Wait until Ctrl+C, which raises ``KeyboardInterrupt``, or until a child ends by itself."""
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.pause()


@contextlib.contextmanager
def all_in_one(
    directory: Path, *, ports: Ports, http_port: int, speed: float, kafka: str = ""
) -> Iterator[dict[str, str]]:
    """Run the sandbox and the seven services; yield the environment, with ``SUREFOOT_URL``.

    ``directory`` is emptied first: simulated AWS begins anew, so yesterday's truth would be wrong. ``kafka``:
    bootstrap servers to use in place of a dev broker. Raise ``NotStarted`` with a sentence, in the end as well if the
    services have ended by themselves.
    """
    port = claim_port(http_port)
    url = f"http://{HOST}:{port}"
    with sandbox(directory, ports=ports, speed=speed, own_kafka=not kafka) as environment:
        if kafka:
            environment["KAFKA_BOOTSTRAP_SERVERS"] = kafka
        services = Child(
            [sys.executable, "-m", "services"],
            log=directory / "services.log",
            environment={**environment, "SUREFOOT_HTTP_PORT": str(port)},
        )
        try:
            services.wait_until(Surefoot(url).ready, START_SECONDS, "Surefoot")
            yield {**environment, "SUREFOOT_URL": url}
            services.must_run("Surefoot")
        finally:
            services.stop()
