"""A real Apache Kafka on a laptop, without Docker: its jars from Maven, one KRaft node as a child process.

It needs Java 17 or newer and Maven. The dev broker (`sandbox.kafka`) needs neither; this one is there to
check that both behave alike (`tests/bus/`), and for whoever wants the real thing.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from sandbox.child import HOST, Child, NotStarted, accepts_connections, claim_port

VERSION = "4.4.0"
HOME = Path(".surefoot/apache-kafka")

_DOWNLOAD_SECONDS = 600.0
_FORMAT_SECONDS = 60.0
_START_SECONDS = 60.0

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>surefoot</groupId><artifactId>apache-kafka</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
      <version>{VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version></dependency>
  </dependencies>
</project>
"""


class ApacheKafka:
    """One broker and controller on 127.0.0.1. `port` 0 chooses a free one; `home` keeps jars and data.

    Topics are not created by themselves, as in the dev broker; short sessions are allowed, for tests.
    """

    def __init__(self, home: Path = HOME, port: int = 0) -> None:
        self._home = home.resolve()
        self._port = port
        self._child: Child | None = None

    def start(self) -> str:
        """Fetches the jars if they are not there (about 45 MB), and returns "host:port" when it listens.

        Raises NotStarted: Java or Maven is missing, the download failed, or what Kafka itself said.
        """
        java = _program("java", "Java 17 or newer")
        jars = _jars(self._home)
        data = self._home / "data"
        data.mkdir(parents=True, exist_ok=True)
        port, controller = claim_port(self._port), claim_port(0)
        settings = self._home / "server.properties"
        settings.write_text(_settings(port, controller, data))
        run = [java, "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{jars}/*"]
        if not (data / "meta.properties").exists():
            _format([*run, "kafka.tools.StorageTool"], settings)
        self._child = Child([*run, "kafka.Kafka", str(settings)], log=self._home / "kafka.log")
        self._child.wait_until(lambda: accepts_connections(port), _START_SECONDS, f"Apache Kafka on {HOST}:{port}")
        return f"{HOST}:{port}"

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()
            self._child = None


def _program(name: str, what: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise NotStarted(f"Apache Kafka needs {what}, and there is no `{name}` on the PATH.")
    return path


def _jars(home: Path) -> Path:
    """The directory with Kafka's jars, fetched at the first call through Maven's own settings."""
    jars = home / f"jars-{VERSION}"
    if jars.exists():
        return jars
    maven = _program("mvn", "Maven to fetch it")
    home.mkdir(parents=True, exist_ok=True)
    pom = home / "pom.xml"
    pom.write_text(_POM)
    # Fetched aside and renamed, so that an interrupted download is not taken for a whole one.
    fetched = home / f"jars-{uuid.uuid4().hex}"
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={fetched}", "-DincludeScope=runtime"]
    _run([maven, "--batch-mode", "--quiet", "--file", str(pom), *goal], _DOWNLOAD_SECONDS, "Maven")
    fetched.rename(jars)
    return jars


def _format(storage_tool: list[str], settings: Path) -> None:
    cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
    _run(
        [*storage_tool, "format", "--cluster-id", cluster_id, "--config", str(settings)],
        _FORMAT_SECONDS,
        "Kafka's storage tool",
    )


def _run(command: list[str], seconds: float, what: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603  programs found on the PATH, arguments from here
            command, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotStarted(f"{what} did not finish within {seconds:.0f} s.") from None
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines() or ["it said nothing"]
        raise NotStarted(f"{what} failed: {said[0]}")


def _settings(port: int, controller: int, data: Path) -> str:
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": data,
        "num.partitions": 12,
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": 1,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 100,
        "group.min.session.timeout.ms": 500,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.apache_kafka", description=__doc__)
    parser.add_argument("--port", type=int, default=9092, help="0 chooses a free one")
    parser.add_argument("--home", type=Path, default=HOME, help="where jars and data are kept")
    given = parser.parse_args()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    kafka = ApacheKafka(given.home, given.port)
    try:
        address = kafka.start()
    except NotStarted as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(f"Apache Kafka {VERSION} listens on {address}, data in {given.home}", flush=True)  # noqa: T201
    stopping.wait()
    kafka.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
