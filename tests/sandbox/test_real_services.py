"""Service definitions as people really write them (``tests/data/ecs/services``): kept as they are, and brought back."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from contracts.base import Target
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.ecs import api
from sandbox.aws.errors import AwsFault
from sandbox.aws.server.in_process import InProcessAws
from sandbox.aws.server.seed import CLUSTER, SERVICE
from services.recovery.domain.snapshots.snapshot import (
    RESTORED_SETTINGS,
    Snapshot,
    differences,
    update_parameters,
    why_not_kept,
)

DATA = Path(__file__).parents[1] / "data" / "ecs"
FILES = sorted((DATA / "services").iterdir())
NO_SERVICES = {"004", "014"}
"""A CLI's own idea of a service, and a part of an answer."""
UPDATES = {"017"}
REFUSED = {
    "002": "Specifying both a launch type and capacity provider strategy is not supported.",
    "009": "Invalid length for parameter tags[0].key",
    "010": 'Missing required parameter in deploymentConfiguration.alarms: "alarmNames"',
    "019": 'Missing required parameter in deploymentConfiguration.alarms: "alarmNames"',
}
KEPT = [file for file in FILES if file.stem not in {*NO_SERVICES, *UPDATES, *REFUSED}]
_MODEL = botocore.session.get_session().get_service_model("ecs")
_INPUT: Any = _MODEL.operation_model("CreateService").input_shape


class Ours:
    """An account in which what the files name is there, under its own names."""

    def __init__(self, account: InProcessAws) -> None:
        account.open("http://aws.sandbox", "application.sandbox", [80])
        self._account = account
        account.world.ecs.cloud_map.add_namespace("ServiceConnectNS", "HTTP", account.world.now)
        (service,) = self.call("DescribeServices", cluster=CLUSTER, services=[SERVICE])["services"]
        self.network = service["networkConfiguration"]
        self.group = service["loadBalancers"][0]["targetGroupArn"]

    def call(self, operation: str, **request: Any) -> Any:
        return api.call(self._account.world.ecs, operation, request, self._account.world.now)

    def step(self, seconds: float) -> None:
        self._account.step(seconds)

    def wish(self, file: Path) -> dict[str, Any]:
        """What a file wants, in this account."""
        said = json.loads(file.read_text())
        said = said["services"][0] if "services" in said else said
        wish = {name: value for name, value in said.items() if name in _INPUT.members}
        wish |= {"cluster": CLUSTER, "serviceName": f"real-{file.stem}"}
        if "networkConfiguration" in wish:
            wish["networkConfiguration"] = self.network
        balancers = [{**one, "targetGroupArn": self.group} for one in wish.get("loadBalancers", ())]
        return wish | {"loadBalancers": balancers, "taskDefinition": self.register(wish, file.stem)}

    def register(self, wish: dict[str, Any], family: str) -> str:
        ports = {one["containerName"] or "app": one["containerPort"] for one in wish.get("loadBalancers", ())} or {
            "app": 80
        }
        containers = [
            {"name": name, "image": "app:1", "memory": 64, "portMappings": [{"containerPort": port}]}
            for name, port in (ports or {"app": 80}).items()
        ]
        fargate = {"requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512", "networkMode": "awsvpc"}
        body = fargate if wish.get("launchType") == "FARGATE" else {}
        answer = self.call("RegisterTaskDefinition", family=family, containerDefinitions=containers, **body)
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def described(self, name: str) -> Any:
        (service,) = self.call("DescribeServices", cluster=CLUSTER, services=[name], include=["TAGS"])["services"]
        return service

    def snapshot(self, service: Any) -> Snapshot:
        definition = self.call("DescribeTaskDefinition", taskDefinition=service["taskDefinition"])["taskDefinition"]
        return Snapshot(
            snapshot_id="20260105_140000_a30a6dc3",
            target=Target(account=ACCOUNT, region=REGION, cluster=CLUSTER, service=service["serviceName"]),
            taken_at=datetime(2026, 1, 5, tzinfo=UTC),
            purpose="asked",
            service=service,
            task_definition=definition,
        )


@pytest.fixture(scope="module")
def ours() -> Iterator[Ours]:
    account = InProcessAws(lambda: 1_764_000_000.0)
    yield Ours(account)
    account.close()


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_a_service_is_kept_and_brought_back(ours: Ours, file: Path) -> None:
    wish = ours.wish(file)
    created = ours.call("CreateService", **wish)["service"]
    ours.step(60)
    before = ours.described(created["serviceName"])
    of_deployment = before["deployments"][0] if before["deployments"] else before["taskSets"][0]
    for name, value in wish.items():
        if name not in {"cluster", "platformVersion", "deploymentConfiguration"} and value:
            told = {**of_deployment, **before, "role": before.get("roleArn")}
            assert told[name] == value, name
    assert (
        before["deploymentConfiguration"] | wish.get("deploymentConfiguration", {}) == before["deploymentConfiguration"]
    )
    if before["deploymentController"]["type"] == "CODE_DEPLOY":
        assert why_not_kept(before)
        return
    snapshot = ours.snapshot(before)
    ours.call(
        "UpdateService",
        cluster=CLUSTER,
        service=created["serviceName"],
        taskDefinition=ours.register(wish, file.stem),
        deploymentConfiguration={"maximumPercent": 150},
        enableExecuteCommand=not before["enableExecuteCommand"],
        propagateTags="TASK_DEFINITION",
    )
    changed = differences(snapshot, ours.described(created["serviceName"]), snapshot.version)
    assert {"taskDefinition", "deploymentConfiguration", "enableExecuteCommand"} <= set(changed)
    back = update_parameters(changed, snapshot.version)
    ours.call("UpdateService", cluster=CLUSTER, service=created["serviceName"], **back)
    after = ours.described(created["serviceName"])
    for name in (*RESTORED_SETTINGS, "taskDefinition", "desiredCount", "tags", "launchType"):
        assert after.get(name) == before.get(name), name


@pytest.mark.parametrize(("name", "why"), REFUSED.items())
def test_what_ecs_would_refuse_is_refused(ours: Ours, name: str, why: str) -> None:
    with pytest.raises(AwsFault) as refused:
        ours.call("CreateService", **ours.wish(DATA / "services" / f"{name}.json"))
    assert (refused.value.code, refused.value.status) == ("InvalidParameterException", 400)
    assert why in refused.value.message


@pytest.mark.parametrize("name", UPDATES)
def test_an_update_as_it_was_written_is_taken(ours: Ours, name: str) -> None:
    asked = json.loads((DATA / "services" / f"{name}.json").read_text())
    made = ours.call("CreateService", **ours.wish(DATA / "services" / "013.json") | {"serviceName": asked["service"]})
    asked |= {"cluster": CLUSTER, "taskDefinition": made["service"]["taskDefinition"]}
    service = ours.call("UpdateService", **asked)["service"]
    assert service["deploymentConfiguration"]["minimumHealthyPercent"] == 0


def test_each_has_its_origin() -> None:
    sources = {line.split("\t")[0] for line in (DATA / "SOURCES.tsv").read_text().splitlines()[1:]}
    assert {f"services/{file.name}" for file in FILES} <= sources
