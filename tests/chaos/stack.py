"""Everything that a campaign runs on: a harmful broker, Valkey, simulated AWS, and wires that can be cut."""

import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx2
import orjson
from redis import Redis

from sandbox.child import HOST, Child, accepts_connections, claim_port
from sandbox.proxy import Proxy
from sandbox.scenarios.behaviour import Behaviour
from sandbox.stack import REGION, REQUIRED_VARIABLES, START_SECONDS
from sandbox.valkey import Valkey
from services._aws.images import ACCEPTED
from services._chassis.clock import Pace
from services._chassis.signing_keys import create_all
from tests.chaos.fleet import Fleet
from tests.chaos.kinds import STANDING, Kind, service_name, world
from tests.chaos.observer import INSTANCE, Observer
from tests.chaos.plan import LEASE
from tests.chaos.requests import CLUSTER, policy

SPEED = 20.0
HOLD_SECONDS = 1.0
"""The longest that the broker holds a partition back, or a copy of a message."""


@dataclass
class Stack:
    """The servers and services to which harm is done. One thread uses it."""

    directory: Path
    environment: dict[str, str]
    wires: dict[str, Proxy]
    kafka: "Broker"
    valkey: Valkey
    redis: Any
    """A connection that no wire harms."""
    aws_url: str
    fleet: Fleet
    observer: Observer
    kinds: Mapping[str, Kind]
    """Service → its kind."""

    def aws(self, service: str) -> Any:
        """Return a client that calls AWS as a person."""
        return boto3.client(
            service,  # type: ignore[call-overload]  # any service
            endpoint_url=self.aws_url,
            region_name=REGION,
            aws_access_key_id="person",
            aws_secret_access_key="person",
        )

    def control_aws(self, method: str, path: str, body: Any = None) -> Any:
        answer = httpx2.request(method, f"{self.aws_url}/_sandbox/{path}", json=body, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def push(self, tag: str, behaviour: Behaviour) -> str:
        """Push an image that behaves so, and return its digest."""
        described = behaviour.model_dump(mode="json", exclude_unset=True)
        return str(self.control_aws("POST", "images", {"tag": tag, "behaviour": described})["digest"])

    def running(self) -> dict[str, str]:
        """Return service → digest of the image that it runs; empty while a deployment is under way."""
        ecs, ecr = self.aws("ecs"), self.aws("ecr")
        names = [arn.rpartition("/")[2] for arn in ecs.list_services(cluster=CLUSTER, maxResults=100)["serviceArns"]]
        found = {}
        for first in range(0, len(names), 10):
            for service in ecs.describe_services(cluster=CLUSTER, services=names[first : first + 10])["services"]:
                steady = len(service["deployments"]) == 1 and service["runningCount"] == service["desiredCount"]
                definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
                image = definition["containerDefinitions"][0]["image"]
                repository, _, tag = image.rpartition("/")[2].partition(":")
                if "@" not in image:
                    asked = {"repositoryName": repository, "imageIds": [{"imageTag": tag}]}
                    known = ecr.batch_get_image(**asked, acceptedMediaTypes=ACCEPTED)["images"]
                    image = f"@{known[0]['imageId']['imageDigest']}"
                found[service["serviceName"]] = image.partition("@")[2] if steady else ""
        return found

    def steady(self, seconds: float) -> dict[str, str]:
        """Return the same once every service is steady, or else after so many real seconds."""
        deadline = time.monotonic() + seconds
        while not all((found := self.running()).values()) and time.monotonic() < deadline:
            time.sleep(0.5)
        return found

    def make_peace(self) -> None:
        """End all harm that is still in force."""
        self.control_aws("DELETE", "harm")
        for wire in self.wires.values():
            wire.delay(0.0)
            wire.release()
        for command in (("CONFIG", "SET", "maxmemory", "0"), ("REPLICAOF", "NO", "ONE")):
            self.redis.execute_command(*command)


class Broker:
    """The dev broker that repeats, delays and reorders (``tests.chaos.broker``), as a process."""

    def __init__(self, directory: Path, port: int, advertise: int, seed: int) -> None:
        self._command = [
            *(sys.executable, "-m", "tests.chaos.broker", "--port", str(port), "--advertise", str(advertise)),
            *(
                "--data",
                str(directory / "kafka"),
                "--seed",
                str(seed),
                "--duplicate",
                "1.0",
                "--hold",
                str(HOLD_SECONDS),
            ),
        ]
        self._port = port
        self._directory = directory
        self._starts = 0
        self._child: Child | None = None

    def start(self) -> None:
        if self._child:
            return
        self._starts += 1
        self._child = Child(self._command, log=self._directory / f"kafka.{self._starts:03}.log")
        self._child.wait_until(lambda: accepts_connections(self._port), START_SECONDS, "the broker")

    def kill(self) -> None:
        if self._child:
            self._child.kill()
            self._child = None

    @property
    def pid(self) -> int | None:
        """Return the process id; None while it is down."""
        return self._child.pid if self._child else None


@contextmanager
def stack(directory: Path, *, seed: int, kinds: Sequence[str], mutant: str = "") -> Iterator[Stack]:
    """Run it all until the block ends; ``directory`` is emptied first and keeps the logs.

    ``kinds``: of the services that stand there, number 1 first.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    pace = {"SUREFOOT_CLOCK": str(Pace(SPEED, time.time()))}
    kafka_port, aws_port, application = claim_port(0), claim_port(0), claim_port(0)
    valkey = Valkey(directory / "valkey", claim_port(0))
    redis_url = valkey.start()
    upstream = {"kafka": kafka_port, "redis": int(redis_url.rpartition(":")[2].partition("/")[0]), "aws": aws_port}
    wires = {name: Proxy(port) for name, port in upstream.items()}
    for wire in wires.values():
        wire.start()
    broker = Broker(directory, kafka_port, wires["kafka"].port, seed)
    broker.start()
    scenario = directory / "services.yaml"
    scenario.write_bytes(orjson.dumps(world(kinds)))  # JSON is YAML
    in_force = directory / "policy.yaml"
    in_force.write_bytes(orjson.dumps(policy(len(kinds))))
    simulated = Child(
        [
            *(sys.executable, "-m", "sandbox.aws", "--port", str(aws_port)),
            *("--application-port", str(application), "--scenario", str(scenario)),
        ],
        log=directory / "aws.log",
        environment=pace,
    )
    simulated.wait_until(lambda: accepts_connections(aws_port), START_SECONDS, "the simulated AWS")
    environment = {
        **pace,
        **REQUIRED_VARIABLES,
        **create_all(directory.resolve() / "keys"),
        "KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{wires['kafka'].port}",
        "REDIS_URL": f"redis://{HOST}:{wires['redis'].port}/0",
        "AWS_ENDPOINT_URL": f"http://{HOST}:{wires['aws'].port}",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "JOB_LEASE": str(LEASE),
        "AWS_ANSWER_TIMEOUT": "2",
        "AWS_TRIES": "3",
        "KAFKA_SESSION_TIMEOUT": "6",
        "KAFKA_REQUEST_TIMEOUT": "4",
        "STALL_TIMEOUT": "10",
        "SHUTDOWN_TIMEOUT": "4",
        "SUREFOOT_INSTANCE": INSTANCE,
        "SUREFOOT_POLICY": str(in_force.resolve()),
    }
    fleet = Fleet(directory, environment, mutant)
    observer = Observer(f"{HOST}:{wires['kafka'].port}", environment)
    redis = Redis.from_url(redis_url, socket_timeout=5, retry_on_timeout=True)
    try:
        stands = {service_name(number): STANDING[kind] for number, kind in enumerate(kinds, 1)}
        url = f"http://{HOST}:{aws_port}"
        yield Stack(directory, environment, wires, broker, valkey, redis, url, fleet, observer, stands)
    finally:
        fleet.stop()
        observer.stop()
        broker.kill()
        simulated.stop()
        valkey.stop()
        for wire in wires.values():
            wire.stop()
