"""The servers of a benchmark: dev broker, Valkey and simulated AWS, each a process of its own, on free ports."""

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from sandbox.child import HOST, Child, accepts_connections, claim_port
from sandbox.stack import REGION, REQUIRED_VARIABLES, START_SECONDS
from sandbox.valkey import Valkey
from services._chassis.clock import Pace


@contextlib.contextmanager
def kafka_and_redis() -> Iterator[dict[str, str]]:
    """Yield the environment that points at them; what they kept is gone afterwards."""
    with TemporaryDirectory(prefix="surefoot-bench-") as name, contextlib.ExitStack() as running:
        directory = Path(name)
        valkey = Valkey(directory / "valkey")
        redis_url = valkey.start()
        running.callback(valkey.stop)
        kafka = claim_port(0)
        data = ("--data", str(directory / "kafka"))
        broker = Child(
            [sys.executable, "-m", "sandbox.kafka", "--port", str(kafka), *data], log=directory / "kafka.log"
        )
        running.callback(broker.stop)
        broker.wait_until(lambda: accepts_connections(kafka), START_SECONDS, "the dev broker")
        yield {"KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{kafka}", "REDIS_URL": redis_url}


@contextlib.contextmanager
def everything(*, speed: float, services: int) -> Iterator[dict[str, str]]:
    """Run Kafka, Redis and an AWS with so many ``services``, whose product time runs at ``speed``."""
    pace = {"SUREFOOT_CLOCK": str(Pace(speed, time.time()))}
    with kafka_and_redis() as bus, TemporaryDirectory(prefix="surefoot-bench-") as name:
        port, application = claim_port(0), claim_port(0)
        options = ("--port", str(port), "--application-port", str(application), "--services", str(services))
        aws = Child(
            [sys.executable, "-m", "sandbox.aws", "--lenient", "--history-days", "0", *options],
            log=Path(name) / "aws.log",
            environment=pace,
        )
        try:
            aws.wait_until(lambda: accepts_connections(port), START_SECONDS, "the simulated AWS")
            yield {
                **pace,
                **bus,
                **REQUIRED_VARIABLES,
                "AWS_ENDPOINT_URL": f"http://{HOST}:{port}",
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_ACCESS_KEY_ID": "sandbox",
                "AWS_SECRET_ACCESS_KEY": "sandbox",
                "SUREFOOT_SIGNATURES": "off",  # what the benchmarks send is not signed
            }
        finally:
            aws.stop()


@contextlib.contextmanager
def python(module: str, environment: dict[str, str], *arguments: str) -> Iterator[Child]:
    """Run a Python module as a process; its output is shown when the block ends with an error."""
    with TemporaryDirectory(prefix="surefoot-bench-") as name:
        log = Path(name) / "log"
        child = Child([sys.executable, "-m", module, *arguments], log=log, environment=environment)
        try:
            yield child
        except BaseException:
            sys.stderr.write(log.read_text(errors="replace")[-4000:])
            raise
        finally:
            child.stop()
