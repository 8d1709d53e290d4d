"""What AWS answers, refuses and leaves out becomes facts with a sentence."""

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from botocore.exceptions import ConnectTimeoutError
from pydantic import SecretStr

from contracts.base import Target
from contracts.image_reference import Reference
from contracts.policy import Application, ServicePolicy
from contracts.policy_tests import HttpTest
from services._aws.secrets import Secrets
from services._chassis.web import Address
from services.validator.adapters.applications import AwsApplications
from services.validator.adapters.ecr import CONFIGURATION_BYTES, EcrImages
from services.validator.adapters.ecs import AwsEcs
from services.validator.domain.facts import (
    Absent,
    Balancer,
    Image,
    LiveService,
    NotAsked,
    Outside,
    TaskDefinition,
    Unknown,
)
from services.validator.domain.manifest import LINUX_AMD64, Platform
from tests.kit import FakePolicies, ScriptedAws, refusal

TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")
ARN = "arn:aws:ecs:us-west-2:123456789012:task-definition/api:7"
GROUP = "arn:group/ours"
APP = Reference.parse("123456789012.dkr.ecr.us-west-2.amazonaws.com/team/app:2")
DIGEST = "sha256:" + "ab" * 32


# ECS


async def test_a_service_as_it_is() -> None:
    live = {
        "status": "ACTIVE",
        "taskDefinition": ARN,
        "loadBalancers": [
            {"targetGroupArn": GROUP, "containerName": "web", "containerPort": 80},
            {"loadBalancerName": "classic"},
        ],
        "desiredCount": 3,
        "schedulingStrategy": "REPLICA",
        "launchType": "EC2",
        "deploymentConfiguration": {"minimumHealthyPercent": 50, "maximumPercent": 150},
    }
    aws = ScriptedAws(describe_services={"services": [live], "failures": []})
    assert await AwsEcs(aws).service(TARGET) == LiveService(
        ARN,
        (GROUP,),
        desired=3,
        minimum_percent=50,
        maximum_percent=150,
        launch_type="EC2",
        has_network=False,
        balancers=(Balancer("web", 80, GROUP), Balancer("", None, None)),
    )
    assert aws.asked["describe_services"] == {"cluster": "Main", "services": ["api"]}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"services": [], "failures": [{"reason": "MISSING"}]}, "there is no service api in the cluster Main"),
        (
            {"services": [{"status": "INACTIVE"}], "failures": []},
            "the service api in the cluster Main is INACTIVE: it was deleted",
        ),
        (
            {"services": [{"serviceName": "api", "status": "DRAINING"}]},
            "the service api is DRAINING: it is being deleted, and takes no deployment",
        ),
        (refusal("ClusterNotFoundException"), "there is no cluster Main in 123456789012/us-west-2"),
    ],
)
async def test_a_service_that_is_not_there(answer: object, sentence: str) -> None:
    assert await AwsEcs(ScriptedAws(describe_services=answer)).service(TARGET) == Absent(sentence)


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (refusal("AccessDeniedException"), "AccessDeniedException"),
        (ConnectTimeoutError(endpoint_url="https://ecs"), "ConnectTimeoutError"),
        ({"services": [], "failures": [{"reason": "BLOCKED"}]}, "BLOCKED"),
    ],
)
async def test_an_ecs_that_does_not_tell(answer: object, word: str) -> None:
    found = await AwsEcs(ScriptedAws(describe_services=answer)).service(TARGET)
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
            {
                "name": "web",
                "image": "app:1",
                "environment": [{"name": "KEY", "value": "s3cret"}],
                "portMappings": [{"containerPort": 80}, {"containerPortRange": "90-92"}],
            }
        ],
        "compatibilities": ["EC2"],
    }
    if runtime is not None:
        body["runtimePlatform"] = runtime
    aws = ScriptedAws(describe_task_definition={"taskDefinition": body})
    found = await AwsEcs(aws).task_definition(TARGET, "api:7")
    assert found == TaskDefinition(
        ARN,
        active=True,
        platform=platform,
        images={"web": "app:1"},
        network_mode="bridge",
        launch_types=frozenset({"EC2"}),
        ports={"web": (range(80, 81), range(90, 93))},
    )
    assert "s3cret" not in repr(found)


async def test_a_task_definition_that_is_not_there() -> None:
    aws = ScriptedAws(describe_task_definition=refusal("ClientException"))
    assert await AwsEcs(aws).task_definition(TARGET, "api:9") == Absent("there is no task definition api:9")
    aws = ScriptedAws(describe_task_definition=refusal("ServerException"))
    assert isinstance(await AwsEcs(aws).task_definition(TARGET, "api:9"), Unknown)


# load balancers

PLAIN = {"Protocol": "HTTP", "Port": 80}


def balancing(*rules: dict[str, Any], listener: dict[str, Any] = PLAIN, kind: str = "app") -> ScriptedAws:
    arn = f"arn:aws:elasticloadbalancing:us-west-2:1:loadbalancer/{kind}/lb/1"
    default = [] if kind == "app" else [{"Type": "forward", "TargetGroupArn": GROUP}]
    return ScriptedAws(
        describe_target_groups={"TargetGroups": [{"TargetGroupArn": GROUP, "LoadBalancerArns": [arn]}]},
        describe_load_balancers={"LoadBalancers": [{"LoadBalancerArn": arn, "DNSName": "lb.example"}]},
        describe_listeners={"Listeners": [{"ListenerArn": "arn:listener", **listener, "DefaultActions": default}]},
        describe_rules={"Rules": list(rules)},
    )


BY_HOST = {
    "Actions": [{"Type": "forward", "TargetGroupArn": GROUP}],
    "Conditions": [{"Field": "host-header", "HostHeaderConfig": {"Values": ["*.cases.example"]}}],
}


SENDING = Application(headers={"X-Probe": "shop/probe"})


def applications(aws: ScriptedAws) -> AwsApplications:
    return AwsApplications(aws, Secrets(aws, FakePolicies(ServicePolicy(target=TARGET, application=SENDING))))


async def sent_to(
    aws: ScriptedAws,
    application: Application | None = None,
    groups: tuple[str, ...] = (GROUP,),
    headers: dict[str, SecretStr] | None = None,
) -> Address | NotAsked | Unknown:
    found = await applications(aws).ways(TARGET, application or Application(), groups, {"/api/v1/"}, headers or {})
    return found if isinstance(found, Unknown) else found.addresses["/api/v1/"]


async def test_where_tests_are_sent() -> None:
    assert await sent_to(balancing(BY_HOST)) == Address("http://lb.example:80", "surefoot.cases.example")
    assert await sent_to(balancing()) == NotAsked("no listener forwards to the service's target group")


async def test_a_rule_by_path_names_no_host_and_takes_its_paths_alone() -> None:
    by_path = BY_HOST | {"Conditions": [{"Field": "path-pattern", "Values": ["/api/*"]}]}
    found = await applications(balancing(by_path)).ways(TARGET, Application(), (GROUP,), {"/api/v1/", "/docs"}, {})
    assert not isinstance(found, Unknown)
    assert found.addresses["/api/v1/"] == Address("http://lb.example:80")
    assert isinstance(found.addresses["/docs"], NotAsked)


@pytest.mark.parametrize(
    ("check", "paths", "instead"),
    [
        (
            {"HealthCheckPath": "/orders/health", "Matcher": {"HttpCode": "200,204"}},
            {"/health"},
            (HttpTest(name="health-check", path="/orders/health", expected=frozenset({200, 204}), critical=True),),
        ),
        ({"HealthCheckPath": "/orders/health"}, {"/health", "/orders/1"}, ()),
        ({"HealthCheckPath": "/ping"}, {"/health"}, ()),
        ({"HealthCheckPath": "/orders/a b"}, {"/health"}, ()),
        ({"HealthCheckPath": "/orders/health", "Matcher": {"HttpCode": "?"}}, {"/health"}, ()),
        ({"HealthCheckPath": "/orders/health", "HealthCheckPort": "9000"}, {"/health"}, ()),
    ],
)
async def test_where_no_test_leads_to_the_service_its_health_check_is_one_if_it_does(
    check: dict[str, Any], paths: set[str], instead: tuple[HttpTest, ...]
) -> None:
    aws = balancing(BY_HOST | {"Conditions": [{"Field": "path-pattern", "Values": ["/orders/*"]}]})
    (described,) = aws.answers["describe_target_groups"]["TargetGroups"]
    aws.answers["describe_target_groups"] = {"TargetGroups": [described | {"HealthCheckProtocol": "HTTP"} | check]}
    found = await applications(aws).ways(TARGET, Application(), (GROUP,), paths, {})
    assert not isinstance(found, Unknown)
    assert found.instead == instead
    assert {test.path for test in instead} <= found.addresses.keys()


async def test_tests_are_sent_through_a_network_load_balancer_whose_targets_speak_http() -> None:
    aws = balancing(listener={"Protocol": "TCP", "Port": 8000}, kind="net")
    assert await sent_to(aws) == NotAsked("lb takes TCP at port 8000: HTTP is not asked of it")
    described = aws.answers["describe_target_groups"]["TargetGroups"][0]
    aws.answers["describe_target_groups"] = {"TargetGroups": [described | {"HealthCheckProtocol": "HTTP"}]}
    assert await sent_to(aws) == Address("http://lb.example:8000")


async def test_the_policy_s_url_comes_first_and_aws_is_not_asked() -> None:
    aws = ScriptedAws()
    found = await sent_to(aws, Application(url="https://api.example"), headers={"X-Probe": SecretStr("s3cret")})
    expected = Address("https://api.example", certified=True, headers={"X-Probe": SecretStr("s3cret")})
    assert (found, aws.calls) == (expected, [])


async def test_secrets_do_not_go_to_a_load_balancer_that_cannot_prove_its_name() -> None:
    aws = balancing(BY_HOST, listener={"Protocol": "HTTPS", "Port": 443})
    assert isinstance(await sent_to(aws, headers={"X-Probe": SecretStr("s3cret")}), NotAsked)
    assert await sent_to(aws) == Address("https://lb.example:443", "surefoot.cases.example")


async def test_no_load_balancer_and_no_answer() -> None:
    assert await sent_to(ScriptedAws(), groups=()) == NotAsked("no load balancer stands before the service")
    silent = ScriptedAws(describe_target_groups=refusal("Throttling"))
    assert await sent_to(silent) == Unknown("Elastic Load Balancing did not answer DescribeTargetGroups: Throttling")


async def test_a_secret_that_may_not_be_read_leaves_the_headers_unknown() -> None:
    aws = ScriptedAws(get_secret_value=refusal("AccessDeniedException"))
    found = await applications(aws).headers(TARGET, SENDING)
    assert found == Unknown(
        "cannot read the secret shop/probe: Secrets Manager did not answer GetSecretValue: AccessDeniedException"
    )


# ECR

CONFIGURATION = b'{"architecture": "arm64", "os": "linux"}'
INDEX = json.dumps({"manifests": [{"platform": {"os": "linux", "architecture": "amd64"}}]})


def single(blob: bytes) -> str:
    return json.dumps({"config": {"digest": f"sha256:{hashlib.sha256(blob).hexdigest()}"}})


NOT_FOUND = {"failureCode": "ImageNotFound", "imageId": {"imageTag": "2"}}


def rules(*prefixes: str) -> dict[str, Any]:
    return {"pullThroughCacheRules": [{"ecrRepositoryPrefix": prefix} for prefix in prefixes]}


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
    found = await EcrImages(aws, downloads).image(TARGET, APP)
    assert found == Image(DIGEST, frozenset({LINUX_AMD64}))
    asked = aws.asked["batch_get_image"]
    assert asked["imageIds"] == [{"imageTag": "2"}]
    assert (asked["registryId"], asked["repositoryName"]) == ("123456789012", "team/app")
    assert any("index" in media_type for media_type in asked["acceptedMediaTypes"])


async def test_a_digest_decides_over_the_tag(downloads: httpx2.AsyncClient) -> None:
    aws = holding(INDEX)
    await EcrImages(aws, downloads).image(TARGET, Reference.parse(f"{APP}@{DIGEST}"))
    assert aws.asked["batch_get_image"]["imageIds"] == [{"imageDigest": DIGEST}]


async def test_a_single_image_is_known_by_its_configuration(downloads: httpx2.AsyncClient) -> None:
    found = await EcrImages(holding(single(CONFIGURATION)), downloads).image(TARGET, APP)
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
    found = await EcrImages(holding(manifest), downloads).image(TARGET, APP)
    assert isinstance(found, Image)
    assert isinstance(found.platforms, Unknown)
    assert word in found.platforms.detail
    assert "s3cret" not in found.platforms.detail


@pytest.mark.parametrize(
    "answer",
    [
        refusal("RepositoryNotFoundException"),
        {"images": [], "failures": [NOT_FOUND]},
    ],
)
async def test_an_image_that_is_not_there(downloads: httpx2.AsyncClient, answer: object) -> None:
    aws = ScriptedAws(batch_get_image=answer, describe_pull_through_cache_rules=rules("docker-hub", "tea"))
    found = await EcrImages(aws, downloads).image(TARGET, APP)
    assert isinstance(found, Absent)
    assert APP.name in found.detail
    assert await EcrImages(aws, downloads).digest(TARGET, APP) == found


@pytest.mark.parametrize("answer", [refusal("RepositoryNotFoundException"), {"images": [], "failures": [NOT_FOUND]}])
@pytest.mark.parametrize("prefix", ["team", "ROOT"])
async def test_what_a_pull_through_cache_may_fill_is_not_known_yet(
    downloads: httpx2.AsyncClient, answer: object, prefix: str
) -> None:
    aws = ScriptedAws(batch_get_image=answer, describe_pull_through_cache_rules=rules(prefix))
    found = await EcrImages(aws, downloads).image(TARGET, APP)
    assert found == Outside(f"{APP} is not known yet: the pull-through cache {prefix} is filled by a first pull")


async def test_without_the_cache_s_rules_nothing_is_said_to_be_missing(downloads: httpx2.AsyncClient) -> None:
    aws = ScriptedAws(
        batch_get_image=refusal("RepositoryNotFoundException"),
        describe_pull_through_cache_rules=refusal("AccessDeniedException"),
    )
    found = await EcrImages(aws, downloads).image(TARGET, APP)
    assert isinstance(found, Unknown)
    assert "DescribePullThroughCacheRules: AccessDeniedException" in found.detail


async def test_an_account_that_lets_nobody_look_is_out_of_reach(downloads: httpx2.AsyncClient) -> None:
    aws = ScriptedAws(batch_get_image=refusal("AccessDeniedException"))
    found = await EcrImages(aws, downloads).image(TARGET, APP)
    assert found == Outside(
        f"{APP} cannot be looked up, since account 123456789012 does not let us: "
        "ECR did not answer BatchGetImage: AccessDeniedException"
    )


async def test_an_image_of_another_region_is_looked_up_there(downloads: httpx2.AsyncClient) -> None:
    aws = holding(single(CONFIGURATION))
    there = Reference.parse("210987654321.dkr.ecr.eu-west-1.amazonaws.com/team/app:2")
    assert isinstance(await EcrImages(aws, downloads).image(TARGET, there), Image)
    assert await EcrImages(aws, downloads).digest(TARGET, there) == DIGEST
    assert {(place.account, place.region) for place in aws.targets} == {("123456789012", "eu-west-1")}
    assert aws.asked["batch_get_image"]["registryId"] == "210987654321"


@pytest.mark.parametrize(
    "answer",
    [
        refusal("ServerException"),
        {"images": [], "failures": [{"failureCode": "KmsError"}]},
        {"images": [], "failures": []},
    ],
)
async def test_an_ecr_that_does_not_tell(downloads: httpx2.AsyncClient, answer: object) -> None:
    found = await EcrImages(ScriptedAws(batch_get_image=answer), downloads).image(TARGET, APP)
    assert isinstance(found, Unknown)


@pytest.mark.parametrize("text", ["nginx:1", "public.ecr.aws/nginx/nginx:1", "ghcr.io/acme/app:1"])
async def test_other_registries_are_not_asked(downloads: httpx2.AsyncClient, text: str) -> None:
    assert isinstance(await EcrImages(ScriptedAws(), downloads).image(TARGET, Reference.parse(text)), Outside)
