"""Apache Kafka in Docker, through testcontainers."""

import contextlib
import time
from typing import Any

from docker.errors import DockerException  # type: ignore[import-untyped]
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from sandbox.apache_kafka import VERSION, one_node, speaks_kafka
from sandbox.child import HOST, NotStarted, claim_port

_START_SECONDS = 90.0


class DockerKafka:
    """Apache Kafka's own image, through a Docker daemon on this machine; testcontainers removes it in the end."""

    def __init__(self) -> None:
        self._port = claim_port(0)
        settings = one_node(
            listeners="PLAINTEXT://:9092,CONTROLLER://:9093",
            advertised=f"PLAINTEXT://{HOST}:{self._port}",
            voter="localhost:9093",
            logs="/var/lib/kafka/data",
        )
        container: Any = DockerContainer  # its types know of ports, not of addresses
        self._container = container(f"apache/kafka:{VERSION}")
        for name, value in settings.items():
            self._container.with_env(f"KAFKA_{name.upper().replace('.', '_')}", value)
        self._container.ports = {"9092/tcp": (HOST, self._port)}
        self._there = False

    def start(self) -> str:
        try:
            if self._there:
                self._container.get_wrapped_container().start()
            else:
                self._container.start()
                self._there = True
        except DockerException as error:
            raise NotStarted(f"Docker could not start Apache Kafka: {error}") from error
        deadline = time.monotonic() + _START_SECONDS
        while not speaks_kafka(HOST, self._port):
            if time.monotonic() > deadline:
                raise NotStarted(f"Apache Kafka in Docker did not answer on {HOST}:{self._port}.")
            time.sleep(0.1)
        return f"{HOST}:{self._port}"

    def stop(self) -> None:
        self._container.get_wrapped_container().stop()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()


def docker_answers() -> bool:
    with contextlib.suppress(DockerException):
        return bool(DockerClient().client.ping())
    return False
