"""The main job on the sandbox: four deployments, each with the end that it deserves."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx2
import orjson
from rich.console import Console

from sandbox.stack import Ports
from surefoot.client import Surefoot
from surefoot.up import SPEED, all_in_one
from surefoot.wait import wait_for

CLUSTER, SERVICE = "CourtCaseCluster", "BackendService"
LONGEST_SECONDS = 180.0
"""Real seconds for one deployment."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """An image of the sandbox and the end that its deployment must have."""

    name: str
    tells: str
    outcome: str


SCENARIOS = (
    Scenario("healthy", "a good image goes live", "succeeded"),
    Scenario("wrong-architecture", "an image for arm64 is stopped before anything changes", "blocked"),
    Scenario("crash-loop", "containers that exit at once: Surefoot rolls back", "rolled_back"),
    Scenario("slow", "ECS calls it completed, but it answers in 6 seconds: Surefoot rolls back", "rolled_back"),
)


def demo(*, as_json: bool, console: Console, speed: float = SPEED) -> bool:
    """Run the four deployments; return whether each ended as it must and the healthy image runs."""
    with tempfile.TemporaryDirectory(prefix="surefoot-") as directory:
        console.print("Starting Kafka, Redis, AWS (simulated) and the seven services on this machine …")
        with all_in_one(Path(directory) / "demo", ports=Ports(), http_port=0, speed=speed) as environment:
            os.environ.update(environment)
            api = Surefoot(environment["SUREFOOT_URL"])
            ended = [_deploy(api, number, scenario, as_json, console) for number, scenario in enumerate(SCENARIOS, 1)]
            return _verdict(ended, console)


def _deploy(api: Surefoot, number: int, scenario: Scenario, as_json: bool, console: Console) -> bool:
    image = f"123456789012.dkr.ecr.us-west-2.amazonaws.com/backend:{scenario.name}"
    console.print(
        f"\n[bold]{number}/{len(SCENARIOS)} {scenario.name}[/bold]: {scenario.tells}", highlight=False, soft_wrap=True
    )
    before = _changes()
    run_id = api.orchestrate(CLUSTER, SERVICE, {"image": image, "actor": "surefoot demo"})
    run = wait_for(api, CLUSTER, SERVICE, run_id, timeout=LONGEST_SECONDS, console=console)
    if as_json:
        print(orjson.dumps(report(scenario.name, image, run)).decode(), flush=True)
    as_it_must = run.get("outcome") == scenario.outcome
    if scenario.outcome == "blocked":
        untouched = _changes() == before
        console.print(f"  changes at AWS: {'none' if untouched else 'SOME'}", highlight=False)
        as_it_must = as_it_must and untouched
    if not as_it_must:
        console.print(f"  [bold red]expected {scenario.outcome}, got {run.get('outcome')}[/bold red]")
    return as_it_must


def report(scenario: str, image: str, run: dict[str, Any]) -> dict[str, Any]:
    """Return one deployment as ``demo --json`` prints it: the phases that it came to, in product seconds."""
    phases = [_phase(phase) for phase in run["phases"] if phase["seconds"] is not None]
    return {
        "scenario": scenario,
        "run_id": run["run_id"],
        "target": run["target"],
        "image": image,
        "outcome": run["outcome"],
        "reason": run["reason"],
        "phases": phases,
        "baking": _phase(run["baking"]) if run.get("baking") else None,
        "rollback": run["rollback"],
        "seconds": run["seconds"],
    }


def _phase(phase: dict[str, Any]) -> dict[str, Any]:
    names = ("name", "verdict", "value", "threshold", "samples")
    gates = [{name: gate[name] for name in names} for gate in phase["gates"]]
    return {"phase": phase["phase"], "verdict": phase["verdict"], "seconds": phase["seconds"], "gates": gates}


def _changes() -> int:
    """How many calls have changed ECS, as the simulated AWS itself counts them."""
    calls = httpx2.get(f"{os.environ['AWS_ENDPOINT_URL']}/_sandbox/calls?changing=1", timeout=10).json()
    listed = calls["calls"] if isinstance(calls, dict) else calls
    return sum(call["service"] == "ecs" for call in listed)


def _verdict(ended: list[bool], console: Console) -> bool:
    ecs = boto3.client("ecs")
    service = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]
    definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    image = definition["containerDefinitions"][0]["image"]
    digest = image.partition("@")[2]
    described = boto3.client("ecr").describe_images(repositoryName="backend", imageIds=[{"imageTag": "healthy"}])
    healthy = digest == described["imageDetails"][0]["imageDigest"]
    console.print(
        f"\nAWS's own answer: {SERVICE} runs {service['runningCount']} of {service['desiredCount']} tasks of "
        f"{service['taskDefinition'].rpartition('/')[2]}, {image}: {'the healthy image' if healthy else 'NOT healthy'}",
        highlight=False,
        soft_wrap=True,
    )
    return all(ended) and healthy
