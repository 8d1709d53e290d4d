"""What AWS answers, refuses and leaves out, put into words."""

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from contracts.base import Target
from services._chassis.aws import Aws
from services.validator.adapters.ecr import CONFIGURATION_BYTES, EcrImages
from services.validator.adapters.ecs import EcsServices
from services.validator.adapters.elbv2 import Elbv2Balancers
from services.validator.domain.facts import Absent, Image, LiveService, Outside, TaskDefinition, Unknown
from services.validator.domain.manifest import LINUX_AMD64, Platform
from services.validator.domain.reference import Reference
from services.validator.ports import Address

TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")
ARN = "arn:aws:ecs:us-west-2:123456789012:task-definition/api:7"
GROUP, OTHER = "arn:group/ours", "arn:group/other"
APP = Reference.parse("123456789012.dkr.ecr.us-west-2.amazonaws.com/team/app:2")
DIGEST = "sha256:" + "ab" * 32


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "with a secret in it"}}, "Operation")


class ScriptedAws(Aws):
    """Answers by operation; an exception is raised. ``asked`` keeps the parameters."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: dict[str, dict[str, Any]] = {}

    async def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        self.asked[operation] = parameters
        answer = self.answers[operation]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    async def pages(self, service: str, operation: str, key: str, /, **parameters: Any) -> list[Any]:
        return list((await self.call(service, operation, **parameters))[key])


# ECS


async def test_a_service_as_it_is() -> None:
    live = {
        "status": "ACTIVE",
        "taskDefinition": ARN,
        "loadBalancers": [{"targetGroupArn": GROUP}, {"loadBalancerName": "classic"}],
    }
    aws = ScriptedAws(describe_services={"services": [live], "failures": []})
    assert await EcsServices(aws).service(TARGET) == LiveService(ARN, (GROUP,))
    assert aws.asked["describe_services"] == {"cluster": "Main", "services": ["api"]}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"services": [], "failures": [{"reason": "MISSING"}]}, "there is no service api in the cluster Main"),
        ({"services": [{"status": "INACTIVE"}], "failures": []}, "the service api is INACTIVE: it was deleted"),
        (refused("ClusterNotFoundException"), "there is no cluster Main in 123456789012/us-west-2"),
    ],
)
async def test_a_service_that_is_not_there(answer: object, sentence: str) -> None:
    assert await EcsServices(ScriptedAws(describe_services=answer)).service(TARGET) == Absent(sentence)


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (refused("AccessDeniedException"), "AccessDeniedException"),
        (ConnectTimeoutError(endpoint_url="https://ecs"), "ConnectTimeoutError"),
        ({"services": [], "failures": [{"reason": "BLOCKED"}]}, "BLOCKED"),
    ],
)
async def test_an_ecs_that_does_not_tell(answer: object, word: str) -> None:
    found = await EcsServices(ScriptedAws(describe_services=answer)).service(TARGET)
    assert isinstance(found, Unknown)
    assert word in found.detail
    assert "secret" not in found.detail


@pytest.mark.parametrize(
    ("runtime", "platform"),
    [
        (None, LINUX_AMD64),
        ({"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"}, LINUX_AMD64),
        ({"cpuArchitecture": "ARM64"}, Platform("linux", "arm64")),
        ({"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}, Platform("windows", "amd64")),
    ],
)
async def test_what_a_task_definition_runs_on(runtime: dict[str, str] | None, platform: Platform) -> None:
    body: dict[str, Any] = {
        "taskDefinitionArn": ARN,
        "status": "ACTIVE",
        "containerDefinitions": [
            {"name": "web", "image": "app:1", "environment": [{"name": "KEY", "value": "s3cret"}]}
        ],
    }
    if runtime is not None:
        body["runtimePlatform"] = runtime
    aws = ScriptedAws(describe_task_definition={"taskDefinition": body})
    found = await EcsServices(aws).task_definition("api:7")
    assert found == TaskDefinition(ARN, active=True, platform=platform, images={"web": "app:1"})
    assert "s3cret" not in repr(found)


async def test_a_task_definition_that_is_not_there() -> None:
    aws = ScriptedAws(describe_task_definition=refused("ClientException"))
    assert await EcsServices(aws).task_definition("api:9") == Absent("there is no task definition api:9")
    aws = ScriptedAws(describe_task_definition=refused("ServerException"))
    assert isinstance(await EcsServices(aws).task_definition("api:9"), Unknown)


# load balancers


def forward(group: str, weight: int = 1) -> list[dict[str, Any]]:
    targets = [{"TargetGroupArn": group, "Weight": weight}]
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": targets}}]


def balancing(*listeners: dict[str, Any], rules: tuple[dict[str, Any], ...] = ()) -> ScriptedAws:
    return ScriptedAws(
        describe_target_groups={"TargetGroups": [{"LoadBalancerArns": ["arn:lb"]}]},
        describe_load_balancers={"LoadBalancers": [{"DNSName": "lb.example"}]},
        describe_listeners={"Listeners": [{"ListenerArn": "arn:listener", **one} for one in listeners]},
        describe_rules={"Rules": list(rules)},
    )


HTTPS = {"Protocol": "HTTPS", "Port": 443, "DefaultActions": [{"Type": "forward", "TargetGroupArn": GROUP}]}
PLAIN = {"Protocol": "HTTP", "Port": 8080, "DefaultActions": forward(GROUP)}
REDIRECT = {"Protocol": "HTTP", "Port": 80, "DefaultActions": [{"Type": "redirect"}]}
ELSEWHERE = {"Protocol": "HTTP", "Port": 80, "DefaultActions": forward(OTHER)}
BY_HOST = {
    "Actions": forward(GROUP),
    "Conditions": [{"Field": "host-header", "HostHeaderConfig": {"Values": ["*.cases.example"]}}],
}


@pytest.mark.parametrize(
    ("aws", "address"),
    [
        (balancing(REDIRECT, HTTPS), Address("https://lb.example:443")),
        (balancing(HTTPS, PLAIN), Address("http://lb.example:8080")),
        (balancing(ELSEWHERE, rules=(BY_HOST,)), Address("http://lb.example:80", "surefoot.cases.example")),
        (balancing({"Protocol": "TCP", "Port": 90, "DefaultActions": forward(GROUP)}), Address("http://lb.example:90")),
    ],
)
async def test_the_listener_that_forwards(aws: ScriptedAws, address: Address) -> None:
    assert await Elbv2Balancers(aws).address((GROUP,)) == address


@pytest.mark.parametrize(
    "aws",
    [
        balancing(),
        balancing(REDIRECT, ELSEWHERE),
        balancing({"Protocol": "UDP", "Port": 53, "DefaultActions": forward(GROUP)}),
        balancing({"Protocol": "HTTP", "Port": 80, "DefaultActions": forward(GROUP, weight=0)}),
    ],
)
async def test_no_listener_forwards(aws: ScriptedAws) -> None:
    assert await Elbv2Balancers(aws).address((GROUP,)) == Absent("no listener forwards to the service's target group")


async def test_no_load_balancer_and_no_answer() -> None:
    assert isinstance(await Elbv2Balancers(ScriptedAws()).address(()), Absent)
    gone = ScriptedAws(describe_target_groups=refused("TargetGroupNotFound"))
    assert isinstance(await Elbv2Balancers(gone).address((GROUP,)), Absent)
    silent = ScriptedAws(describe_target_groups=refused("Throttling"))
    assert await Elbv2Balancers(silent).address((GROUP,)) == Unknown(
        "Elastic Load Balancing did not answer a question about listeners: Throttling"
    )


# ECR

CONFIGURATION = b'{"architecture": "arm64", "os": "linux"}'
INDEX = json.dumps({"manifests": [{"platform": {"os": "linux", "architecture": "amd64"}}]})


def single(blob: bytes) -> str:
    return json.dumps({"config": {"digest": f"sha256:{hashlib.sha256(blob).hexdigest()}"}})


def holding(manifest: str) -> ScriptedAws:
    return ScriptedAws(
        batch_get_image={"images": [{"imageId": {"imageDigest": DIGEST}, "imageManifest": manifest}]},
        get_download_url_for_layer={"downloadUrl": "https://blobs.example/x?X-Amz-Signature=s3cret"},
    )


@pytest.fixture
async def downloads(request: pytest.FixtureRequest) -> AsyncIterator[httpx2.AsyncClient]:
    """Answers every download with the parameter: bytes, a status, or an exception."""
    given = getattr(request, "param", CONFIGURATION)

    def answer(_: httpx2.Request) -> httpx2.Response:
        if isinstance(given, Exception):
            raise given
        return httpx2.Response(given) if isinstance(given, int) else httpx2.Response(200, content=given)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as web:
        yield web


async def test_an_index_is_asked_for_and_says_its_platforms(downloads: httpx2.AsyncClient) -> None:
    aws = holding(INDEX)
    found = await EcrImages(aws, downloads).image(APP, "us-west-2")
    assert found == Image(DIGEST, frozenset({LINUX_AMD64}))
    asked = aws.asked["batch_get_image"]
    assert asked["imageIds"] == [{"imageTag": "2"}]
    assert (asked["registryId"], asked["repositoryName"]) == ("123456789012", "team/app")
    assert any("index" in media_type for media_type in asked["acceptedMediaTypes"])


async def test_a_digest_decides_over_the_tag(downloads: httpx2.AsyncClient) -> None:
    aws = holding(INDEX)
    await EcrImages(aws, downloads).image(Reference.parse(f"{APP}@{DIGEST}"), "us-west-2")
    assert aws.asked["batch_get_image"]["imageIds"] == [{"imageDigest": DIGEST}]


async def test_a_single_image_is_known_by_its_configuration(downloads: httpx2.AsyncClient) -> None:
    found = await EcrImages(holding(single(CONFIGURATION)), downloads).image(APP, "us-west-2")
    assert found == Image(DIGEST, frozenset({Platform("linux", "arm64")}))


@pytest.mark.parametrize(
    ("downloads", "manifest", "word"),
    [
        (CONFIGURATION, single(b"another"), "promises"),
        (b"{}", single(b"{}"), "platform"),
        (b"x" * (CONFIGURATION_BYTES + 1), single(b""), "too large"),
        (403, single(CONFIGURATION), "HTTPStatusError"),
        (
            httpx2.ConnectError("to https://blobs.example/x?X-Amz-Signature=s3cret"),
            single(CONFIGURATION),
            "ConnectError",
        ),
        (CONFIGURATION, "no manifest", "manifest"),
    ],
    indirect=["downloads"],
)
async def test_a_platform_that_cannot_be_known(downloads: httpx2.AsyncClient, manifest: str, word: str) -> None:
    found = await EcrImages(holding(manifest), downloads).image(APP, "us-west-2")
    assert isinstance(found, Image)
    assert isinstance(found.platforms, Unknown)
    assert word in found.platforms.detail
    assert "s3cret" not in found.platforms.detail


@pytest.mark.parametrize(
    "answer",
    [
        refused("RepositoryNotFoundException"),
        {"images": [], "failures": [{"failureCode": "ImageNotFound", "imageId": {"imageTag": "2"}}]},
    ],
)
async def test_an_image_that_is_not_there(downloads: httpx2.AsyncClient, answer: object) -> None:
    found = await EcrImages(ScriptedAws(batch_get_image=answer), downloads).image(APP, "us-west-2")
    assert isinstance(found, Absent)
    assert APP.name in found.detail


@pytest.mark.parametrize(
    "answer",
    [
        refused("AccessDeniedException"),
        {"images": [], "failures": [{"failureCode": "KmsError"}]},
        {"images": [], "failures": []},
    ],
)
async def test_an_ecr_that_does_not_tell(downloads: httpx2.AsyncClient, answer: object) -> None:
    found = await EcrImages(ScriptedAws(batch_get_image=answer), downloads).image(APP, "us-west-2")
    assert isinstance(found, Unknown)


@pytest.mark.parametrize("text", ["nginx:1", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app:2"])
async def test_other_registries_are_not_asked(downloads: httpx2.AsyncClient, text: str) -> None:
    assert isinstance(await EcrImages(ScriptedAws(), downloads).image(Reference.parse(text), "us-west-2"), Outside)
