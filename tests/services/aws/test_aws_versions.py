"""Which version a rollback can bring back, and what it would need."""

from typing import Any

import pytest

from contracts.base import Target
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError, Missing
from services._aws.needs import NeededBy, needs_of, needs_of_versions, target_types
from services._aws.task_definition import EcsTaskDefinition
from services._aws.versions import Version, last_completed_version
from services._chassis.aws import Aws
from tests.kit import ScriptedAws, refusal

TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")
TASKS: dict[str, Any] = {"list_tasks": {"taskArns": []}}
OLD_NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-old"]}}


def service(*deployments: tuple[str, str, str | None], **more: Any) -> EcsService:
    """Return a service with deployments of (status, task definition, rollout state)."""
    return EcsService(
        {
            "serviceName": "api",
            "taskDefinition": deployments[0][1] if deployments else None,
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-new"]}},
            "deployments": [
                {"id": f"ecs-svc/{number}", "status": status, "taskDefinition": version}
                | ({"rolloutState": state} if state else {})
                for number, (status, version, state) in enumerate(deployments)
            ],
            **more,
        }
    )


def history(*deployments: dict[str, Any], revision: dict[str, Any] | None = None) -> ScriptedAws:
    return ScriptedAws(
        list_service_deployments={"serviceDeployments": list(deployments)},
        describe_service_revisions={"serviceRevisions": [revision] if revision else []},
        **TASKS,
    )


@pytest.mark.parametrize("state", ["COMPLETED", None])
async def test_a_completed_primary_is_the_version_and_nothing_else_is_read(state: str | None) -> None:
    aws, live = ScriptedAws(**TASKS), service(("PRIMARY", "api:2", state))
    assert await last_completed_version(aws, TARGET, live) == Version("api:2", live)
    assert set(aws.asked) == {"list_tasks"}


@pytest.mark.parametrize("state", ["IN_PROGRESS", "FAILED"])
async def test_else_it_is_the_target_of_the_last_successful_deployment(state: str) -> None:
    aws = history(
        {"targetServiceRevisionArn": "arn:older", "finishedAt": 100.0},
        {"targetServiceRevisionArn": "arn:newest", "finishedAt": 200.0},
        revision={
            "taskDefinition": "api:1",
            "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}],
            "networkConfiguration": OLD_NETWORK,
            "containerImages": [{"containerName": "web", "imageDigest": "sha256:1"}, {"containerName": "new"}],
        },
    )
    found = await last_completed_version(aws, TARGET, service(("PRIMARY", "api:2", state)))
    assert isinstance(found, Version)
    assert (found.task_definition, found.live, found.digests) == ("api:1", False, {"web": "sha256:1"})
    assert aws.asked["describe_service_revisions"] == {"serviceRevisionArns": ["arn:newest"]}
    assert aws.asked["list_service_deployments"]["status"] == ["SUCCESSFUL"]
    body = found.service.body
    assert (body["taskDefinition"], body["networkConfiguration"]) == ("api:1", OLD_NETWORK)
    assert "launchType" not in body  # a strategy and a launch type never stand together
    assert found.service.primary is not None
    assert (found.service.primary.id, found.service.primary.task_definition) == ("ecs-svc/0", "api:1")


@pytest.mark.parametrize("forgotten", [history(), ScriptedAws(list_service_deployments=refusal("AccessDenied"))])
async def test_without_ecs_s_history_the_completed_deployment_that_is_replaced_is_it(forgotten: ScriptedAws) -> None:
    live = service(("PRIMARY", "api:2", "IN_PROGRESS"), ("ACTIVE", "api:1", "COMPLETED"))
    found = await last_completed_version(forgotten, TARGET, live)
    assert isinstance(found, Version)
    assert found.task_definition == "api:1"


async def test_what_never_was_completed_or_cannot_be_read_is_told_apart() -> None:
    live = service(("PRIMARY", "api:1", "IN_PROGRESS"))
    assert await last_completed_version(history(), TARGET, live) == Missing(
        "no deployment of the service has ever been completed"
    )
    with pytest.raises(AwsError):
        await last_completed_version(ScriptedAws(list_service_deployments=refusal("Throttling")), TARGET, live)
    assert isinstance(await last_completed_version(ScriptedAws(), TARGET, service()), Missing)


ROLE = "arn:aws:iam::123456789012:role/path/web"
SECRET = "arn:aws:secretsmanager:us-west-2:123456789012:secret:db-AbCdEf"
DEFINITION = EcsTaskDefinition(
    {
        "executionRoleArn": ROLE,
        "taskRoleArn": ROLE,
        "containerDefinitions": [
            {
                "name": "web",
                "environment": [{"name": "PASSWORD", "value": "s3cret"}],
                "secrets": [
                    {"name": "DB", "valueFrom": f"{SECRET}:password::"},
                    {"name": "KEY", "valueFrom": "/web/key"},
                ],
            }
        ],
    }
)
LIVE = service(
    ("PRIMARY", "api:1", "COMPLETED"),
    loadBalancers=[{"targetGroupArn": "arn:aws:elb:us-west-2:1:targetgroup/web/1"}],
)
THERE: dict[str, Any] = {
    "describe_target_groups": {"TargetGroups": [{"TargetGroupArn": "arn:g", "TargetType": "ip"}]},
    "describe_subnets": {"Subnets": [{}]},
    "get_role": {"Role": {}},
    "describe_secret": {"Name": "db"},
    "describe_parameters": {"Parameters": [{"Name": "/web/key"}]},
}
NAMES = [
    "the target group web", "the subnet subnet-new", "the role web", "the secret db-AbCdEf", "the parameter web/key",
]  # fmt: skip


async def test_each_need_is_looked_for_by_its_name() -> None:
    aws = ScriptedAws(**THERE)
    needs = await needs_of(aws, TARGET, LIVE, DEFINITION)
    assert [(need.what, need.there) for need in needs] == [(name, True) for name in NAMES]
    assert aws.asked["get_role"] == {"RoleName": "web"}
    assert aws.asked["describe_secret"] == {"SecretId": SECRET}
    assert "s3cret" not in repr(needs)


@pytest.mark.parametrize(
    ("answers", "what"),
    [
        ({"describe_target_groups": refusal("TargetGroupNotFound")}, "the target group web"),
        ({"describe_subnets": refusal("InvalidSubnetID.NotFound")}, "the subnet subnet-new"),
        ({"get_role": refusal("NoSuchEntity")}, "the role web"),
        ({"describe_secret": refusal("ResourceNotFoundException")}, "the secret db-AbCdEf"),
        ({"describe_secret": {"DeletedDate": 1.0}}, "the secret db-AbCdEf"),
        ({"describe_parameters": {"Parameters": []}}, "the parameter web/key"),
    ],
)
async def test_what_is_gone_is_told_from_the_rest(answers: dict[str, Any], what: str) -> None:
    needs = await needs_of(ScriptedAws(**THERE | answers), TARGET, LIVE, DEFINITION)
    assert {need.what: need.there for need in needs} == dict.fromkeys(NAMES, True) | {what: False}


@pytest.mark.parametrize("operation", THERE)
async def test_what_may_not_be_read_is_not_known(operation: str) -> None:
    aws = ScriptedAws(**THERE | {operation: refusal("AccessDenied")})
    needs = await needs_of(aws, TARGET, LIVE, DEFINITION)
    unknown = [need for need in needs if need.there is None]
    assert len(unknown) == 1
    assert "AccessDenied" in unknown[0].why


async def test_what_is_elsewhere_is_not_asked_for_here() -> None:
    elsewhere = EcsTaskDefinition(
        {
            "taskRoleArn": "arn:aws:iam::999999999999:role/web",
            "containerDefinitions": [{"secrets": [{"valueFrom": SECRET.replace("us-west-2", "eu-west-1")}]}],
        }
    )
    needs = await needs_of(ScriptedAws(**THERE), TARGET, service(("PRIMARY", "api:1", None)), elsewhere)
    assert [need.there for need in needs] == [True, None, None]


async def test_target_types_are_read_or_left_out() -> None:
    assert await target_types(ScriptedAws(**THERE), TARGET, ("arn:g",)) == {"arn:g": "ip"}
    assert await target_types(ScriptedAws(), TARGET, ()) == {}
    silent = ScriptedAws(describe_target_groups=refusal("AccessDenied"))
    assert await target_types(silent, TARGET, ("arn:g",)) == {}


class CountingAws(ScriptedAws):
    """Counts how often each operation is asked."""

    def __init__(self, **answers: Any) -> None:
        super().__init__(**answers)
        self.counted: list[str] = []

    def at(self, target: Target) -> Aws:
        super().at(target)
        return self

    async def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        self.counted.append(operation)
        return await super().call(service, operation, **parameters)


def with_image(image: str) -> EcsTaskDefinition:
    [container] = DEFINITION.body["containerDefinitions"]
    return EcsTaskDefinition({**DEFINITION.body, "containerDefinitions": [{**container, "image": image}]})


async def test_what_several_versions_need_is_asked_once_and_each_image_by_the_digest_that_ran() -> None:
    registry, digest = "123456789012.dkr.ecr.us-west-2.amazonaws.com/web", "sha256:" + "a" * 64
    aws = CountingAws(
        **THERE
        | {
            "describe_subnets": {"Subnets": [{"AvailableIpAddressCount": 7}]},
            "describe_secret": {"Name": "db", "LastChangedDate": 1000.0},
            "batch_get_image": {"failures": [{"failureCode": "ImageNotFound"}]},
            "describe_pull_through_cache_rules": {"pullThroughCacheRules": []},
        }
    )
    first, second = await needs_of_versions(
        aws,
        TARGET,
        [
            NeededBy(LIVE, with_image(f"{registry}:1"), {"web": digest}),
            NeededBy(LIVE, with_image("docker.io/library/nginx:1.27")),
        ],
    )
    assert [(need.what, need.there) for need in first] == [
        (f"the image {registry}@{digest}", False), *((name, True) for name in NAMES),
    ]  # fmt: skip
    assert (second[0].there, "not in a private registry" in second[0].why) == (None, True)
    assert first[1:] == second[1:]
    assert {need.what: (need.free, need.changed_at) for need in first if need.free or need.changed_at} == {
        "the subnet subnet-new": (7, None),
        "the secret db-AbCdEf": (None, 1000.0),
    }
    assert sorted(aws.counted) == sorted(set(aws.counted))
