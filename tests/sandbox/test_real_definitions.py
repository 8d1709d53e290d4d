"""Task definitions as people really write them (``tests/data/ecs``): kept as they are, or refused with the reason."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.accounts import REGION
from sandbox.aws.ecs import api
from sandbox.aws.errors import AwsFault
from sandbox.aws.server.in_process import InProcessAws
from sandbox.aws.server.seed import CLUSTER, SERVICE
from sandbox.virtual.aws import InProcessConnection
from services.recovery.domain.change import registrable

DATA = Path(__file__).parents[1] / "data" / "ecs"
VALID, ODD = sorted((DATA / "valid").iterdir()), sorted((DATA / "odd").glob("*.json"))


def read(file: Path) -> Any:
    return json.loads(file.read_text())


@pytest.fixture(scope="module")
def account() -> Iterator[InProcessAws]:
    account = InProcessAws(lambda: 1_764_000_000.0)
    yield account
    account.close()


@pytest.fixture(scope="module")
def ecs(account: InProcessAws) -> Any:
    return InProcessConnection(REGION, account.open("http://aws.sandbox", "application.sandbox", [80])).client("ecs")


def described(ecs: Any, arn: str) -> dict[str, Any]:
    answer = ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
    return {**answer["taskDefinition"], "tags": answer.get("tags", [])}


def holds(whole: Any, part: Any) -> bool:
    """Whether everything that ``part`` says is in ``whole``, which may say more."""
    if isinstance(part, dict):
        return all(key in whole and holds(whole[key], value) for key, value in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(holds, whole, part))
    return bool(whole == part)


@pytest.mark.parametrize("file", VALID, ids=lambda file: file.stem)
def test_a_definition_is_kept_goes_inactive_and_comes_back_the_same(ecs: Any, file: Path) -> None:
    written = registrable(read(file))  # many are answers of DescribeTaskDefinition
    first = ecs.register_task_definition(**written)["taskDefinition"]["taskDefinitionArn"]
    kept = described(ecs, first)
    assert holds(kept, written)
    body = registrable(kept)
    assert ecs.deregister_task_definition(taskDefinition=first)["taskDefinition"]["status"] == "INACTIVE"
    with pytest.raises(ClientError, match="TaskDefinition is inactive"):
        ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=first)
    second = ecs.register_task_definition(**body)["taskDefinition"]["taskDefinitionArn"]
    assert second != first
    assert registrable(described(ecs, second)) == body


@pytest.mark.parametrize("file", ODD, ids=lambda file: file.stem)
def test_what_is_none_is_refused_with_the_reason(account: InProcessAws, file: Path) -> None:
    told = dict(line.split("\t", 1) for line in (DATA / "odd" / "MESSAGES.tsv").read_text().splitlines()[1:])
    with pytest.raises(AwsFault) as refused:
        api.call(account.world.ecs, "RegisterTaskDefinition", read(file), account.world.now)
    assert refused.value.status == 400
    message = told[f"odd/{file.name}"]
    if message.startswith("top level is a JSON list"):
        assert refused.value.code == "SerializationException"
    else:
        assert message.split(" ; ")[0].split(", value")[0] in refused.value.message


def test_each_has_its_origin() -> None:
    sources = {line.split("\t")[0] for line in (DATA / "SOURCES.tsv").read_text().splitlines()[1:]}
    assert {f"{file.parent.name}/{file.name}" for file in (*VALID, *ODD)} <= sources
