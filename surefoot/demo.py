"""``surefoot demo``: four deployments on the sandbox, each with its expected end."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx2

from sandbox.stack import Ports
from surefoot.arguments import Place
from surefoot.client import Surefoot
from surefoot.output import json_of, note, show_line
from surefoot.readable import shortened, table
from surefoot.up import SPEED, all_in_one
from surefoot.wait import end_of

CLUSTER, SERVICE = "CourtCaseCluster", "BackendService"
PLACE = Place(CLUSTER, SERVICE)
LONGEST_SECONDS = 180.0
"""Real seconds for one deployment."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """An image of the sandbox and the end that its deployment must have."""

    name: str
    teaches: str
    outcome: str


SCENARIOS = (
    Scenario("healthy", "a good image goes live", "succeeded"),
    Scenario("wrong-architecture", "an image for arm64 is stopped before anything changes", "blocked"),
    Scenario("crash-loop", "containers that exit at once: Surefoot rolls back", "rolled_back"),
    Scenario("slow", "ECS calls it completed, but it answers in 6 seconds: Surefoot rolls back", "rolled_back"),
)


def demo(*, as_json: bool, speed: float = SPEED, verbose: bool = False) -> bool:
    """Run the four deployments; return whether each ended as it must and the healthy image runs."""
    with tempfile.TemporaryDirectory(prefix="surefoot-") as directory:
        note("Starting Kafka, Redis, AWS (simulated) and the seven services on this machine …")
        with all_in_one(Path(directory) / "demo", ports=Ports(), http_port=0, speed=speed) as environment:
            os.environ.update(environment)
            api = Surefoot(environment["SUREFOOT_URL"])
            ended = []
            for number, scenario in enumerate(SCENARIOS, 1):
                note("")
                note((f"{number}/{len(SCENARIOS)} {scenario.name}", "bold"), f": {scenario.teaches}")
                ended.append(_deploy(api, scenario, as_json, verbose))
            for line in ("", *summary([deployment.run for deployment in ended]).splitlines()):
                note(line)
            return _verdict([deployment.as_it_must for deployment in ended])


@dataclass(frozen=True, slots=True)
class Ended:
    """A deployment of the demo, and whether it ended as it must."""

    run: dict[str, Any]
    as_it_must: bool


def summary(runs: Sequence[Mapping[str, Any]]) -> str:
    """Return a table: each scenario's outcome, how long it took, and what brought the old version back."""
    rows = [("SCENARIO", "OUTCOME", "SECONDS", "ROLLED BACK BY")]
    for scenario, run in zip(SCENARIOS, runs, strict=True):
        back = run.get("rollback")
        seconds = f"{run['seconds']:.0f}" if run.get("seconds") is not None else "-"
        rows.append((scenario.name, run.get("outcome") or "did not end", seconds, back["by"] if back else "-"))
    return table(rows)


def _deploy(api: Surefoot, scenario: Scenario, as_json: bool, verbose: bool) -> Ended:
    image = f"123456789012.dkr.ecr.us-west-2.amazonaws.com/backend:{scenario.name}"
    before = _changes()
    run_id = api.orchestrate(PLACE, {"image": image, "actor": "surefoot demo"})
    run = end_of(api, PLACE, run_id, timeout=LONGEST_SECONDS, verbose=verbose)
    if as_json:
        show_line(json_of(report(scenario.name, image, run)))
    as_it_must = run.get("outcome") == scenario.outcome
    if scenario.outcome == "blocked":
        untouched = _changes() == before
        note(f"  changes at AWS: {'none' if untouched else 'SOME'}")
        as_it_must = as_it_must and untouched
    if not as_it_must:
        note((f"  expected {scenario.outcome}, got {run.get('outcome')}", "bold red"))
    return Ended(run, as_it_must)


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
    """Return how many calls have changed ECS, as the simulated AWS counts them."""
    calls = httpx2.get(f"{os.environ['AWS_ENDPOINT_URL']}/_sandbox/calls?changing=1", timeout=10).json()
    listed = calls["calls"] if isinstance(calls, dict) else calls
    return sum(call["service"] == "ecs" for call in listed)


def _verdict(ended: list[bool]) -> bool:
    ecs = boto3.client("ecs")
    service = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]
    definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    image = definition["containerDefinitions"][0]["image"]
    digest = image.partition("@")[2]
    described = boto3.client("ecr").describe_images(repositoryName="backend", imageIds=[{"imageTag": "healthy"}])
    healthy = digest == described["imageDetails"][0]["imageDigest"]
    verdict = "the healthy image" if healthy else "NOT healthy"
    note("")
    note(
        f"AWS's own answer: {SERVICE} runs {service['runningCount']} of {service['desiredCount']} tasks of "
        f"{service['taskDefinition'].rpartition('/')[2]}, {shortened(image)}: {verdict}"
    )
    return all(ended) and healthy
