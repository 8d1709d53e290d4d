"""A real Apache Kafka on a laptop, without Docker: its jars from Maven, one KRaft node as a child process.

It needs Java 17 or newer and Maven. The dev broker (`sandbox.kafka`) needs neither; this one is there to
check that both behave alike (`make test-kafka`), and for those who want the real thing.
"""

import argparse
import contextlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.child import HOST, Child, NotStarted, claim_port

VERSION = "4.4.0"
HOME = Path(".surefoot/apache-kafka")

_OLDEST_JAVA = 17
_DOWNLOAD_SECONDS = 600.0
_TOOL_SECONDS = 60.0
_START_SECONDS = 90.0
_VERSIONS_REQUEST = bytes.fromhex("0000000a 0012 0000 00000001 ffff")
"""Size; ApiVersions, version 0; correlation 1; no client. A port alone says little: Docker opens it at once."""

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


@dataclass(frozen=True)
class Doors:
    """Listeners at which clients have to prove who they are. ACLs are enforced then, and in clear text all are
    administrators.
    """

    tls: int
    """The port of mutual TLS: a certificate's common name is its user."""
    sasl: int
    """The port of SASL over TLS, by SCRAM, PLAIN or OAUTHBEARER (unsecured tokens, RFC 7515 appendix A.5)."""
    certificate: Path
    """The server's key and certificate, in PEM."""
    authorities: Path
    users: tuple[str, ...]
    password: str
    """The password of all users."""
    session_ms: int
    """Milliseconds after which a connection that was let in by a token ends."""

    def settings(self) -> Mapping[str, str]:
        """Return Kafka's settings for these listeners; ``listeners`` and the like are the caller's."""
        modules = "org.apache.kafka.common.security"
        known = " ".join(f'user_{user}="{self.password}"' for user in self.users)
        sasl = "listener.name.sasl_ssl"
        return {
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.certificate),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authorities),
            "ssl.principal.mapping.rules": "RULE:^CN=(.*)$/$1/",
            "listener.name.ssl.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
            f"{sasl}.plain.sasl.jaas.config": f"{modules}.plain.PlainLoginModule required {known};",
            f"{sasl}.scram-sha-256.sasl.jaas.config": f"{modules}.scram.ScramLoginModule required;",
            f"{sasl}.scram-sha-512.sasl.jaas.config": f"{modules}.scram.ScramLoginModule required;",
            f"{sasl}.oauthbearer.sasl.jaas.config": f"{modules}.oauthbearer.OAuthBearerLoginModule required;",
            f"{sasl}.oauthbearer.connections.max.reauth.ms": str(self.session_ms),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "allow.everyone.if.no.acl.found": "false",
        }

    def scram(self) -> list[str]:
        """Return the arguments of Kafka's storage tool that make the users."""
        return [
            argument
            for user in self.users
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
            for argument in ("--add-scram", f"{mechanism}=[name={user},password={self.password}]")
        ]


class Unavailable(NotStarted):
    """This machine cannot run it, or Maven cannot fetch it; `str()` says what is missing."""


class ApacheKafka:
    """One broker and controller on 127.0.0.1, on the same port and data at each start.

    `port` 0 chooses a free one. `home` keeps the jars, and the data too unless `data` is given. Topics are not
    created by themselves, as in the dev broker; short sessions are allowed, for tests.
    """

    def __init__(self, home: Path = HOME, port: int = 0, data: Path | None = None, doors: Doors | None = None) -> None:
        self._home = home.resolve()
        self._data = data.resolve() if data else self._home
        self._port = port
        self._doors = doors
        self._controller = 0
        self._child: Child | None = None

    def start(self) -> str:
        """Fetches the jars if they are not there (about 45 MB), and returns "host:port" when it answers.

        Raises Unavailable: Java or Maven is missing or failed to fetch. Raises NotStarted: the sentence of Kafka's own
        log.
        """
        java = _java()
        jars = _jars(self._home)
        logs = self._data / "data"
        logs.mkdir(parents=True, exist_ok=True)
        self._port, self._controller = claim_port(self._port), claim_port(self._controller)
        settings = self._data / "server.properties"
        settings.write_text(_properties(self._port, self._controller, logs, self._doors))
        run = [java, "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{jars}/*"]
        if not (logs / "meta.properties").exists():
            users = self._doors.scram() if self._doors else []
            _format([*run, "kafka.tools.StorageTool"], settings, users)
        self._child = Child([*run, "kafka.Kafka", str(settings)], log=self._data / "kafka.log")
        self._child.wait_until(
            lambda: speaks_kafka(HOST, self._port), _START_SECONDS, f"Apache Kafka on {HOST}:{self._port}"
        )
        return f"{HOST}:{self._port}"

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


def speaks_kafka(host: str, port: int) -> bool:
    """Returns whether a Kafka answers there at once."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=2) as connection:
        connection.sendall(_VERSIONS_REQUEST)
        return bool(connection.recv(1))
    return False


def one_node(listeners: str, advertised: str, voter: str, logs: str) -> Mapping[str, str]:
    """Returns Kafka's settings for a single node that is quick enough for tests."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{voter}",
        "listeners": listeners,
        "advertised.listeners": advertised,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": logs,
        "num.partitions": "12",
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "100",
        "group.min.session.timeout.ms": "500",
    }


def _properties(port: int, controller: int, logs: Path, doors: Doors | None) -> str:
    ours, voter = f"PLAINTEXT://{HOST}:{port}", f"{HOST}:{controller}"
    if doors:
        ours += f",SSL://{HOST}:{doors.tls},SASL_SSL://{HOST}:{doors.sasl}"
    settings = {
        **one_node(f"{ours},CONTROLLER://{voter}", ours, voter, str(logs)),
        **(doors.settings() if doors else {}),
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _java() -> str:
    """Returns the path of a Java that is new enough."""
    java = _program("java", f"Java {_OLDEST_JAVA} or newer")
    output = re.search(r'version "(\d+)', _run([java, "-version"], _TOOL_SECONDS, "Java"))
    if output and int(output[1]) < _OLDEST_JAVA:
        raise Unavailable(f"Apache Kafka needs Java {_OLDEST_JAVA} or newer, and `java` says that it is {output[0]}.")
    return java


def _program(name: str, what: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise Unavailable(f"Apache Kafka needs {what}, and there is no `{name}` on the PATH.")
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
    try:
        _run([maven, "--batch-mode", "--quiet", "--file", str(pom), *goal], _DOWNLOAD_SECONDS, "Maven")
    except NotStarted as error:
        raise Unavailable(f"Apache Kafka {VERSION} could not be fetched. {error}") from error
    try:
        fetched.rename(jars)
    except OSError:
        shutil.rmtree(fetched)  # somebody else was faster
    return jars


def _format(storage_tool: list[str], settings: Path, users: list[str]) -> None:
    cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
    _run(
        [*storage_tool, "format", "--cluster-id", cluster_id, "--config", str(settings), *users],
        _TOOL_SECONDS,
        "Kafka's storage tool",
    )


def _run(command: list[str], seconds: float, what: str) -> str:
    """Return everything that the program printed. Raises NotStarted."""
    try:
        done = subprocess.run(  # noqa: S603  programs found on the PATH, arguments from here
            command, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotStarted(f"{what} did not finish within {seconds:.0f} s.") from None
    output = done.stdout + done.stderr
    if done.returncode:
        raise NotStarted(f"{what} failed: {(output.strip().splitlines() or ['it said nothing'])[0]}")
    return output


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
