"""The all-in-one on the sandbox."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from sandbox.child import HOST, Child, claim_port
from sandbox.stack import USUAL_PORTS, Ports, sandbox
from sandbox.watch import probes_of, stay
from surefoot.client import Surefoot
from surefoot.exit_codes import Exit
from surefoot.output import exports, note

START_SECONDS = 120.0
"""On a busy machine; services that end are told at once."""
SPEED = 20.0
"""Product seconds in a real second, by default: a deployment takes about twenty seconds."""


def up(speed: float, port: int) -> int:
    """Run everything until Ctrl+C; say where the API and the logs are. Raise ``NotStarted``."""
    directory = Path(".surefoot/up")
    with all_in_one(directory, ports=USUAL_PORTS, http_port=port, speed=speed) as environment:
        exports(environment)
        url = environment["SUREFOOT_URL"]
        note(f"Surefoot runs at {url}; its logs are in {directory.resolve()}. Ctrl+C ends it.")
        stay(probes_of(environment) | {"Surefoot": Surefoot(url).answers}, warn)
    return Exit.SUCCEEDED


def warn(sentence: str) -> None:
    note((f"surefoot: {sentence}", "yellow"))


@contextlib.contextmanager
def all_in_one(
    directory: Path, *, ports: Ports, http_port: int, speed: float, kafka: str = ""
) -> Iterator[dict[str, str]]:
    """Run the sandbox and the seven services; yield the environment, with ``SUREFOOT_URL``.

    ``directory`` is emptied first: simulated AWS begins anew, so the state of an earlier run would be wrong. ``kafka``:
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
