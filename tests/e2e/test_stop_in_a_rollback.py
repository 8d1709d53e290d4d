"""SIGTERM in the middle of a rollback, with many open connections: the end is bounded, and another replica goes on."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from redis import Redis

from sandbox.child import HOST, Child, claim_port
from sandbox.stack import Ports, sandbox
from surefoot.client import Surefoot
from tests.e2e.harness import CLUSTER, REPOSITORY, SERVICE, aws, changes, described, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("e2e")]

CONNECTIONS = 50
STOP_SECONDS = 30
"""What a stop may take (docs/docker.md)."""
AT_ONCE_SECONDS = 10
"""In which another replica must go on: far less than the lease, 30 seconds."""
ROOT = "/api/v1/disaster-recovery"
PLACE = f"{CLUSTER}/{SERVICE}"


class Replicas:
    """Replicas of recovery on the sandbox."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        # the limits of production: the sandbox's own are shorter
        self.environment = {**environment, "JOB_LEASE": "30", "AWS_ANSWER_TIMEOUT": "10"}
        self.children: list[Child] = []
        self._directory = directory

    def start(self) -> tuple[Child, int]:
        """Start one; return it with its port."""
        port, name = claim_port(0), f"recovery-{len(self.children) + 1}"
        child = Child(
            [sys.executable, "-m", "services.recovery"],
            log=self._directory / f"{name}.log",
            environment={**self.environment, "SUREFOOT_HTTP_PORT": str(port)},
        )
        self.children.append(child)
        child.wait_until(Surefoot(f"http://{HOST}:{port}").ready, 60, name)
        return child, port

    def harm(self, method: str, rule: dict[str, Any] | None = None, number: str = "") -> Any:
        url = f"{self.environment['AWS_ENDPOINT_URL']}/_sandbox/harm{number}"
        return httpx2.request(method, url, json=rule, timeout=10).raise_for_status().json()

    def deploy_another_version(self) -> None:
        ecs, live = aws(self.environment, "ecs"), described(self.environment)["taskDefinition"]
        definition = ecs.describe_task_definition(taskDefinition=live)["taskDefinition"]
        container = {**definition["containerDefinitions"][0], "image": f"{REPOSITORY}:slow"}
        same = {"family", "networkMode", "requiresCompatibilities", "cpu", "memory", "executionRoleArn", "taskRoleArn"}
        registered = ecs.register_task_definition(
            **{name: definition[name] for name in same & definition.keys()}, containerDefinitions=[container]
        )["taskDefinition"]
        ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=registered["taskDefinitionArn"])


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[Replicas]:
    with sandbox(tmp_path / "sandbox", ports=Ports(), speed=5) as environment:
        found = Replicas(tmp_path, environment)
        yield found
        for child in found.children:
            child.kill()


def requested(port: int, path: str) -> socket.socket:
    """Return a connection over which this was asked."""
    connection = socket.create_connection((HOST, port), timeout=10)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    return connection


def operation(port: int, id_: str) -> dict[str, Any]:
    shown: dict[str, Any] = httpx2.get(f"http://{HOST}:{port}{ROOT}/operations/{id_}", timeout=10).json()
    return shown


def asked(port: int, what: str, **body: str) -> dict[str, Any]:
    url = f"http://{HOST}:{port}{ROOT}/{what}/{PLACE}"
    answer: dict[str, Any] = httpx2.post(url, json={"actor": "tests", **body}, timeout=20).raise_for_status().json()
    return answer


def test_a_stop_leaves_its_rollback_to_another_replica_at_once(replicas: Replicas) -> None:
    """Field point 69. Event streams are not served yet; requests that wait for AWS are what is open longest."""
    first, port = replicas.start()
    redis = Redis.from_url(replicas.environment["REDIS_URL"])
    captured = asked(port, "snapshot")
    until(lambda: operation(port, captured["operation_id"])["state"] == "finished", 60, "no snapshot")
    before = described(replicas.environment)["taskDefinition"]
    replicas.deploy_another_version()

    rollback = asked(port, "rollback", snapshot_id=captured["snapshot_id"])["rollback_id"]
    until(lambda: "UpdateService" in {call.operation for call in changes(replicas.environment)}, 60, "no rollback")
    # now the service cannot be seen, without which no rollback ends
    unseen = replicas.harm("POST", {"kind": "throttle", "operation": "DescribeServices"})["id"]
    _, other_port = replicas.start()
    job = f"{{recovery}}:job:{rollback}"
    fence = redis.hget(job, "fence")
    assert redis.hget(job, "state") == b"running"

    replicas.harm("POST", {"kind": "slow", "operation": "ListObjectsV2", "delay": 60})
    waiting = [requested(port, f"{ROOT}/snapshots/{PLACE}") for _ in range(CONNECTIONS)]
    idle = [requested(port, "/livez") for _ in range(CONNECTIONS)]
    assert all(connection.recv(4096).startswith(b"HTTP/1.1 200") for connection in idle)
    # they wait for one read, which is shared
    until(lambda: any(rule["done"] for rule in replicas.harm("GET") if rule["kind"] == "slow"), 30, "no waiting")

    begun = time.monotonic()
    os.kill(first.pid, signal.SIGTERM)
    until(lambda: redis.hget(job, "fence") != fence, AT_ONCE_SECONDS, "the lease was not freed")
    replicas.harm("DELETE", number=f"/{unseen}")
    until(lambda: first.ended is not None, STOP_SECONDS - (time.monotonic() - begun), "the stop takes too long")
    assert first.ended == 0
    until(lambda: operation(other_port, rollback)["state"] != "running", 60, "the other did not go on")
    assert operation(other_port, rollback)["result"] == "restored"
    assert described(replicas.environment)["taskDefinition"] == before
    for connection in (*waiting, *idle):
        connection.close()
