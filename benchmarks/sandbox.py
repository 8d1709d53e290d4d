"""``python -m benchmarks.sandbox``: what the simulated AWS costs, as ratios to the plain thing in the same run."""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from benchmarks.rounds import HEAD, Compared, by_turns
from sandbox.aws.accounts import REGION
from sandbox.aws.cloudwatch.metric_store import MetricStore, metric_key, samples
from sandbox.aws.inprocess import WsgiApplication, answered_by
from sandbox.aws.server.in_process import InProcessAws
from sandbox.aws.server.seed import CLUSTER, SERVICE
from sandbox.aws.server.services import task_definition
from sandbox.child import Child, accepts_connections, claim_port
from services._chassis.clock import Pace

LEAST_DESCRIBED, MOST_SCANNED, MOST_CORES, MOST_MEGABYTES = 0.8, 3.0, 1.0, 600.0
MINUTES = 24 * 60
MANY, SPEED = 200, 10.0
START_SECONDS = 120.0


def _ecs(app: WsgiApplication) -> Any:
    client = boto3.client("ecs", REGION, aws_access_key_id="sandbox", aws_secret_access_key="sandbox")  # noqa: S106
    answer: Any = answered_by(app)  # boto3-stubs know no handler that answers
    client.meta.events.register("before-send", answer)
    return client


async def _rate(client: Any, cluster: str, calls: int) -> float:
    begun = time.perf_counter()
    for _ in range(calls):
        client.describe_services(cluster=cluster, services=[SERVICE])
    return calls / (time.perf_counter() - begun)


async def described(calls: int, rounds: int) -> Compared:
    """DescribeServices of our ECS and of plain moto's, both answered in this process."""
    account = InProcessAws(time.time)
    with closing(account):
        ours = _ecs(account.open("http://aws.sandbox", "application.sandbox", [80]))
        plain = _ecs(DomainDispatcherApplication(create_backend_app))
        plain.create_cluster(clusterName="plain")
        plain.register_task_definition(**task_definition("backend:1"))
        plain.create_service(cluster="plain", serviceName=SERVICE, taskDefinition="court-case-backend", desiredCount=3)
        ours_, bare = partial(_rate, ours, CLUSTER, calls), partial(_rate, plain, "plain", calls)
        return await by_turns("describe_services", ours_, bare, rounds)


async def scanned(queries: int, rounds: int) -> Compared:
    """A day of minutes asked for by the minute, and a plain walk over the same list."""
    store, key = MetricStore(), metric_key("AWS/ECS", "CPUUtilization", {"ServiceName": SERVICE})
    points = [(60.0 * minute, float(minute % 90)) for minute in range(MINUTES)]
    for at, value in points:
        store.put(key, at, samples([value]))

    async def ours() -> float:
        begun = time.perf_counter()
        for _ in range(queries):
            store.statistics(key, 0, 60.0 * MINUTES, 60, "Average")
        return queries / (time.perf_counter() - begun)

    async def bare() -> float:
        begun = time.perf_counter()
        for _ in range(queries):
            minutes: dict[float, list[float]] = defaultdict(list)
            for at, value in points:
                minutes[at // 60 * 60].append(value)
            _ = [(at, sum(values) / len(values)) for at, values in minutes.items()]
        return queries / (time.perf_counter() - begun)

    return await by_turns("a day of minutes", ours, bare, rounds)


def crowded(seconds: float) -> tuple[float, float]:
    """Cores and megabytes that 200 services of three tasks take at speed 10 (Linux: it reads /proc)."""
    with tempfile.TemporaryDirectory(prefix="surefoot-") as directory:
        port = claim_port(0)
        process = Child(
            [sys.executable, "-m", "sandbox.aws", "--port", str(port), "--application-port", "0",
             "--services", str(MANY), "--history-days", "0"],
            log=Path(directory) / "aws.log",
            environment={"SUREFOOT_CLOCK": str(Pace(SPEED, time.time()))},
        )  # fmt: skip
        try:
            log = Path(directory) / "aws.log"
            process.wait_until(lambda: "ready" in log.read_text(), START_SECONDS, "the simulated AWS")
            assert accepts_connections(port)  # noqa: S101  it has just printed its port
            begun, used = time.monotonic(), _processor(process.pid)
            time.sleep(seconds)
            cores = (_processor(process.pid) - used) / (time.monotonic() - begun)
            return cores, _megabytes(process.pid)
        finally:
            process.stop()


def _processor(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sandbox", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30, help="for which 200 services are looked at")
    given = parser.parse_args()
    print(HEAD)
    compared = asyncio.run(described(200, given.rounds))
    print(compared, f"aim ≥ {LEAST_DESCRIBED}: {_met(compared.ratio >= LEAST_DESCRIBED)}", flush=True)
    two = asyncio.run(scanned(200, given.rounds))
    print(two, f"aim ≥ 1/{MOST_SCANNED:g}: {_met(two.ratio * MOST_SCANNED >= 1)}", flush=True)
    cores, megabytes = crowded(given.seconds)
    met = cores <= MOST_CORES and megabytes <= MOST_MEGABYTES
    print(f"{MANY} services of 3 tasks at speed {SPEED:g}: {cores:.2f} cores, {megabytes:.0f} MB", end="  ")
    print(f"aim ≤ {MOST_CORES:g} and {MOST_MEGABYTES:g}: {_met(met)}")


def _met(met: bool) -> str:
    return "met" if met else "NOT MET"


if __name__ == "__main__":
    main()
