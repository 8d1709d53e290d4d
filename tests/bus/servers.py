"""The Kafka under test: the dev broker, or an Apache Kafka in the first way in which this machine has one."""

import os
import sys
from pathlib import Path
from typing import Protocol

from sandbox.apache_kafka import ApacheKafka, speaks_kafka
from sandbox.child import HOST, Child, NotStarted, claim_port

START_SECONDS = 60.0


class Server(Protocol):
    """A broker of ours, on the same port and data at each start."""

    def start(self) -> str:
        """Return "host:port" when it answers. Raise ``NotStarted`` with a sentence."""
        ...

    def stop(self) -> None: ...

    def kill(self) -> None:
        """End it as a crash would."""
        ...


class DevKafka:
    """The dev broker as a process."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = claim_port(0)
        self._child: Child | None = None

    def start(self) -> str:
        limits = ("--min-session-timeout", "0.5")
        self._child = Child(
            [
                *(sys.executable, "-m", "sandbox.kafka", "--port", str(self._port)),
                *("--data", str(self._directory / "data"), *limits),
            ],
            log=self._directory / "kafka.log",
        )
        self._child.wait_until(lambda: speaks_kafka(HOST, self._port), START_SECONDS, "the dev broker")
        return f"{HOST}:{self._port}"

    def stop(self) -> None:
        if self._child:
            self._child.stop()
            self._child = None

    def kill(self) -> None:
        if self._child:
            self._child.kill()
            self._child = None


def named() -> str:
    """The Kafka that the environment names; "" if it names none. Raise ``NotStarted`` when that is not there."""
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "")
    if servers:
        host, _, port = servers.partition(",")[0].rpartition(":")
        if not (port.isdecimal() and speaks_kafka(host, int(port))):
            raise NotStarted(f"No Kafka answers at {servers}, which KAFKA_BOOTSTRAP_SERVERS names.")
    return servers


def apache(directory: Path) -> Server:
    """Docker's if a daemon answers, Maven's otherwise; the latter knows at its start whether it can be had."""
    from tests.bus.docker_kafka import DockerKafka, docker_answers  # half a second that the dev broker need not wait

    return DockerKafka() if docker_answers() else maven(directory)


def maven(directory: Path) -> Server:
    """Its jars stay where `make kafka` has them; its data is for these tests."""
    return ApacheKafka(data=directory)
