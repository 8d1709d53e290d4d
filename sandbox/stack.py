"""The whole sandbox: Kafka, Redis and AWS as three child processes, and the environment that points at them."""

import contextlib
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.child import HOST, Child, accepts_connections, claim_port
from sandbox.valkey import Valkey
from services._chassis.clock import Pace
from services._chassis.signing_keys import create_all

START_SECONDS = 120.0
"""A start needs four seconds of a processor, which a busy machine grants late; one that ends is told at once."""
REGION = "us-west-2"
REQUIRED_VARIABLES = {
    "CLUSTER_NAME": "CourtCaseCluster",
    "SERVICE_NAME": "BackendService",
    "CLOUDWATCH_NAMESPACE": "CourtCase/Production",
    "DATABASE_INSTANCE": "court-case-db",
    "BACKUP_BUCKET": "court-case-disaster-recovery-backups",
}
"""The variables of the requirements (docs/requirements.md) that must be set, on the sandbox or not."""


LOCAL = {"JOB_LEASE": "3", "AWS_ANSWER_TIMEOUT": "3"}
"""Real seconds. On loopback nothing takes longer, and twenty times as fast each of them is twenty of product time."""
AT_AWS = {
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "sandbox",
    "AWS_SECRET_ACCESS_KEY": "sandbox",
}
"""Region and credentials for the simulated AWS, which believes whoever has any."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports on loopback; 0 chooses a free port."""

    kafka: int = 0
    redis: int = 0
    aws: int = 0
    application: int = 0
    elsewhere: tuple[int, ...] | None = None
    """Ports of the load balancers in the second account and the second region; None for neither."""


USUAL_PORTS = Ports(kafka=9092, redis=6379, aws=4566, application=8090)


@contextlib.contextmanager
def sandbox(
    directory: Path,
    *,
    ports: Ports = Ports(),
    speed: float = 1.0,
    own_kafka: bool = True,
    session_seconds: float | None = None,
    scenario: Path | None = None,
) -> Iterator[dict[str, str]]:
    """Run the sandbox; yield the environment that services need to use it.

    ``directory`` is emptied first: simulated AWS begins anew. Raise ``NotStarted`` with a sentence when a port is
    taken or a server does not start, in the end as well if Kafka or AWS has ended by itself. When the block ends,
    everything is ended and only ``directory`` is left. ``session_seconds``: how long credentials of roles last at most.
    ``scenario``: the file that says what stands there, in place of the sandbox's own service.
    """
    for port in (ports.kafka if own_kafka else 0, ports.redis, ports.aws, ports.application):
        claim_port(port)  # before anything is emptied: it may be another sandbox's that runs
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    pace = {"SUREFOOT_CLOCK": str(Pace(speed, time.time()))}
    with contextlib.ExitStack() as running:
        bus = {"KAFKA_BOOTSTRAP_SERVERS": running.enter_context(_broker(directory, ports.kafka))} if own_kafka else {}
        aws = claim_port(ports.aws)
        command = _aws_command(aws, claim_port(ports.application), ports.elsewhere, session_seconds, scenario)
        simulated = Child(command, log=directory / "aws.log", environment=pace)
        running.callback(simulated.stop)
        valkey = Valkey(directory / "valkey", ports.redis)
        redis_url = valkey.start()
        running.callback(valkey.stop)
        simulated.wait_until(lambda: accepts_connections(aws), START_SECONDS, f"The simulated AWS on {HOST}:{aws}")
        yield {
            **pace,
            **bus,
            **REQUIRED_VARIABLES,
            **LOCAL,
            **create_all(directory.resolve() / "keys"),
            "REDIS_URL": redis_url,
            "AWS_ENDPOINT_URL": f"http://{HOST}:{aws}",
            **AT_AWS,
        }
        simulated.must_run("The simulated AWS")


def _aws_command(
    port: int,
    application: int,
    elsewhere: tuple[int, ...] | None,
    session_seconds: float | None,
    scenario: Path | None,
) -> list[str]:
    command = [sys.executable, "-m", "sandbox.aws", "--port", str(port), "--application-port", str(application)]
    if elsewhere is not None:
        command += ["--elsewhere", *map(str, elsewhere)]
    if session_seconds is not None:
        command += ["--session-seconds", str(session_seconds)]
    if scenario is not None:
        command += ["--scenario", str(scenario)]
    return command


@contextlib.contextmanager
def _broker(directory: Path, port: int) -> Iterator[str]:
    kafka = claim_port(port)
    broker = Child(
        [sys.executable, "-m", "sandbox.kafka", "--port", str(kafka), "--data", str(directory / "kafka")],
        log=directory / "kafka.log",
    )
    try:
        broker.wait_until(lambda: accepts_connections(kafka), START_SECONDS, f"The dev broker on {HOST}:{kafka}")
        yield f"{HOST}:{kafka}"
        broker.must_run("The dev broker")
    finally:
        broker.stop()
