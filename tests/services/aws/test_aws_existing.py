"""A misspelt name gets one answer: which name is wrong, and which there are."""

from typing import Any

import pytest

from contracts.base import Target
from services._aws.errors import AwsError
from services._aws.existing import existing
from services._chassis.http import Problem
from tests.kit import ScriptedAws, refusal

CLUSTERS = {"clusterArns": [f"arn:aws:ecs:us-west-2:123456789012:cluster/{name}" for name in ("staging", "production")]}
SERVICES = {"serviceArns": [f"arn:aws:ecs:us-west-2:123456789012:service/production/{name}" for name in ("web", "api")]}
NO_SERVICE = {"services": [], "failures": [{"reason": "MISSING"}]}


def ecs(**answers: Any) -> ScriptedAws:
    return ScriptedAws(**{
        "describe_services": NO_SERVICE, "list_clusters": CLUSTERS, "list_services": SERVICES, **answers
    })  # fmt: skip


async def told(aws: ScriptedAws, cluster: str = "production", service: str = "pai") -> str:
    target = Target(account="123456789012", region="us-west-2", cluster=cluster, service=service)
    with pytest.raises(Problem) as raised:
        await existing(aws, target)
    assert (raised.value.status, raised.value.title) == (404, "No such service")
    assert len(set(aws.targets)) == 1
    return raised.value.detail


async def test_a_service_that_is_there_is_returned() -> None:
    aws = ecs(describe_services={"services": [{"serviceName": "api", "status": "ACTIVE"}]})
    found = await existing(aws, Target(account="123456789012", region="us-west-2", cluster="c", service="api"))
    assert found.status == "ACTIVE"
    assert [operation for operation, _ in aws.calls] == ["describe_services"]


async def test_a_misspelt_service_is_told_with_those_of_its_cluster() -> None:
    aws = ecs()
    assert await told(aws) == ("There is no service pai in cluster production; did you mean api? There are api, web.")
    assert aws.asked["list_services"] == {"cluster": "production"}


async def test_a_misspelt_cluster_is_told_with_those_of_the_region() -> None:
    said = await told(ecs(describe_services=refusal("ClusterNotFoundException")), cluster="prodution")
    assert said == (
        "There is no cluster prodution in 123456789012/us-west-2; did you mean production? "
        "There are production, staging."
    )


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "; there is none."),
        (["web"], "; there is web."),
        ([f"worker-{n:02}" for n in range(12)], "; there are " + ", ".join(f"worker-{n:02}" for n in range(10))),
    ],
)
async def test_names_are_listed_to_a_bound(names: list[str], said: str) -> None:
    listed = {"serviceArns": [f"arn:service/production/{name}" for name in names]}
    detail = await told(ecs(list_services=listed), service="zzz")
    assert said in detail
    assert detail.endswith(" and 2 more." if len(names) > 10 else ".")


async def test_a_service_that_was_deleted_is_not_offered_again() -> None:
    deleted = {"services": [{"serviceName": "api", "status": "INACTIVE"}]}
    detail = await told(ecs(describe_services=deleted), service="api")
    assert detail == "There is no service api in cluster production; there is web."


@pytest.mark.parametrize("operation", ["list_clusters", "list_services"])
async def test_where_the_names_may_not_be_read_the_one_that_is_wrong_is_told(operation: str) -> None:
    detail = await told(ecs(**{operation: refusal("AccessDeniedException")}))
    assert detail == "There is no service pai in the cluster production."


async def test_where_aws_does_not_answer_nothing_is_called_missing() -> None:
    with pytest.raises(AwsError):
        await existing(
            ecs(describe_services=refusal("Throttling")),
            Target(account="123456789012", region="us-west-2", cluster="c", service="s"),
        )
