"""Where users reach a service, and how its targets are."""

from typing import Any

import pytest

from contracts.base import Target
from services._aws.errors import AwsError, Missing
from services._aws.load_balancers import PublicEndpoint, TargetHealth, find_public_endpoint, target_health
from tests.kit import ScriptedAws, refusal

TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")
PREFIX = "arn:aws:elasticloadbalancing:us-west-2:123456789012"
GROUP, SECOND, OTHER = (f"{PREFIX}:targetgroup/{name}/1" for name in ("ours", "second", "other"))
ALB, NLB, INTERNAL = (f"{PREFIX}:loadbalancer/{name}/1" for name in ("app/web", "net/wire", "app/inside"))
NOBODY = Missing("no listener forwards to the service's target group")


def forward(*groups: str, weight: int = 1) -> list[dict[str, Any]]:
    targets = [{"TargetGroupArn": group, "Weight": weight} for group in groups]
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": targets}}]


def listener(protocol: str, port: int, actions: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"ListenerArn": f"l/{port}", "Protocol": protocol, "Port": port, "DefaultActions": actions or []}


def rule(*groups: str, host: str | None = None, weight: int = 1) -> dict[str, Any]:
    conditions = [{"Field": "host-header", "HostHeaderConfig": {"Values": [host]}}] if host else []
    return {"Actions": forward(*groups, weight=weight), "Conditions": conditions}


def account(
    listeners: dict[str, list[dict[str, Any]]],
    rules: dict[str, list[dict[str, Any]]] | None = None,
    groups: tuple[str, ...] = (GROUP,),
) -> ScriptedAws:
    """Each load balancer's listeners, each listener's rules; the service's groups are behind all of them."""
    described = [
        {
            "LoadBalancerArn": arn,
            "DNSName": f"{arn.split('/')[2]}.example",
            "Scheme": "internal" if arn == INTERNAL else "internet-facing",
        }
        for arn in listeners
    ]
    behind = [{"TargetGroupArn": group, "LoadBalancerArns": list(listeners)} for group in groups]
    return ScriptedAws(
        describe_target_groups={"TargetGroups": behind},
        describe_load_balancers={"LoadBalancers": described},
        describe_listeners=lambda asked: {"Listeners": listeners[asked["LoadBalancerArn"]]},
        describe_rules=lambda asked: {"Rules": (rules or {}).get(asked["ListenerArn"], [])},
    )


REDIRECT = [{"Type": "redirect"}]


@pytest.mark.parametrize(
    ("aws", "url", "host"),
    [
        (account({ALB: [listener("HTTP", 80, forward(GROUP))]}), "http://web.example:80", None),
        (
            account({ALB: [listener("HTTP", 80, [{"Type": "forward", "TargetGroupArn": GROUP}])]}),
            "http://web.example:80",
            None,
        ),
        (
            account({ALB: [listener("HTTP", 80, REDIRECT), listener("HTTPS", 443, forward(GROUP))]}),
            "https://web.example:443",
            None,
        ),
        (
            account({ALB: [listener("HTTPS", 443, forward(GROUP)), listener("HTTP", 8080, forward(GROUP))]}),
            "http://web.example:8080",
            None,
        ),
        (
            account({ALB: [listener("HTTP", 80, forward(OTHER))]}, {"l/80": [rule(GROUP, host="*.cases.example")]}),
            "http://web.example:80",
            "surefoot.cases.example",
        ),
        (
            account(
                {ALB: [listener("HTTP", 80, REDIRECT), listener("HTTP", 81, forward(GROUP))]}, {"l/80": [rule(GROUP)]}
            ),
            "http://web.example:81",
            None,
        ),
        (account({NLB: [listener("TCP", 90, forward(GROUP))]}), "http://wire.example:90", None),
        (account({NLB: [listener("TLS", 443, forward(GROUP))]}), "https://wire.example:443", None),
    ],
)
async def test_the_listener_that_forwards(aws: ScriptedAws, url: str, host: str | None) -> None:
    found = await find_public_endpoint(aws, TARGET, (GROUP,))
    assert isinstance(found, PublicEndpoint)
    assert (found.url, found.host) == (url, host)
    assert set(aws.targets) == {TARGET}


@pytest.mark.parametrize(
    "aws",
    [
        account({}),
        account({ALB: []}),
        account({ALB: [listener("HTTP", 80, REDIRECT), listener("HTTP", 81, forward(OTHER))]}),
        account({ALB: [listener("HTTP", 80, forward(GROUP, weight=0))]}),
        account({ALB: [listener("HTTP", 80)]}, {"l/80": [rule(GROUP, weight=0)]}),
        account({ALB: [listener("HTTP", 80)]}, {"l/80": [{}]}),
        account({NLB: [listener("UDP", 53, forward(GROUP))]}),
        account({NLB: [{"ListenerArn": "l"}]}),
    ],
)
async def test_nobody_is_sent_to_it(aws: ScriptedAws) -> None:
    assert await find_public_endpoint(aws, TARGET, (GROUP,)) == NOBODY


async def test_no_load_balancer_and_a_group_that_was_deleted() -> None:
    assert isinstance(await find_public_endpoint(ScriptedAws(), TARGET, ()), Missing)
    gone = ScriptedAws(describe_target_groups=refusal("TargetGroupNotFound"))
    assert await find_public_endpoint(gone, TARGET, (GROUP,)) == Missing(
        "the service's target group does not exist any more"
    )
    refusing = account({ALB: [listener("HTTP", 80)]})
    refusing.answers["describe_rules"] = refusal("Throttling")
    with pytest.raises(AwsError, match="did not answer DescribeRules: Throttling"):
        await find_public_endpoint(refusing, TARGET, (GROUP,))


async def test_network_load_balancers_have_no_rules_and_count_no_requests() -> None:
    aws = account({NLB: [listener("TCP", 90, forward(GROUP)), listener("TCP", 91, forward(OTHER))]})
    found = await find_public_endpoint(aws, TARGET, (GROUP,))
    assert isinstance(found, PublicEndpoint)
    assert (found.protocol, found.scheme, found.counts_requests) == ("TCP", "internet-facing", False)
    assert found.load_balancer_dimension == "net/wire/1"
    assert "describe_rules" not in aws.asked
    assert await find_public_endpoint(aws, TARGET, (GROUP,), counting=True) == NOBODY


async def test_of_several_load_balancers_the_one_that_counts_is_found_where_that_matters() -> None:
    both = account(
        {NLB: [listener("TCP", 80, forward(GROUP))], INTERNAL: [listener("HTTPS", 443, forward(SECOND))]},
        groups=(GROUP, SECOND),
    )
    first = await find_public_endpoint(both, TARGET, (GROUP, SECOND))
    counted = await find_public_endpoint(both, TARGET, (GROUP, SECOND), counting=True)
    assert isinstance(first, PublicEndpoint)
    assert isinstance(counted, PublicEndpoint)
    assert (first.url, first.target_group_dimension) == ("http://wire.example:80", "targetgroup/ours/1")
    assert (counted.url, counted.scheme, counted.protocol) == ("https://inside.example:443", "internal", "HTTPS")
    assert (counted.load_balancer_dimension, counted.target_group_dimension) == (
        "app/inside/1",
        "targetgroup/second/1",
    )


async def test_among_equals_the_service_s_first_group_is_taken() -> None:
    aws = account(
        {ALB: [listener("HTTP", 80, forward(SECOND)), listener("HTTP", 81, forward(GROUP))]}, groups=(SECOND, GROUP)
    )
    found = await find_public_endpoint(aws, TARGET, (GROUP, SECOND))
    assert isinstance(found, PublicEndpoint)
    assert found.target_group == GROUP


async def test_the_health_of_the_targets_of_all_groups() -> None:
    described = {
        GROUP: [
            {
                "Target": {"Id": "10.0.0.1", "Port": 80},
                "TargetHealth": {"State": "unhealthy", "Reason": "Target.Timeout", "Description": "Request timed out"},
            },
            {"Target": {"Id": "10.0.0.2"}, "TargetHealth": {"State": "healthy"}},
            {},
        ],
        SECOND: [],
    }
    aws = ScriptedAws(
        describe_target_health=lambda asked: {"TargetHealthDescriptions": described[asked["TargetGroupArn"]]}
    )
    assert await target_health(aws, TARGET, (GROUP, SECOND)) == (
        TargetHealth(GROUP, "10.0.0.1", "unhealthy", "Target.Timeout", "Request timed out"),
        TargetHealth(GROUP, "10.0.0.2", "healthy"),
        TargetHealth(GROUP, "", ""),
    )
    with pytest.raises(AwsError):
        await target_health(ScriptedAws(describe_target_health=refusal("TargetGroupNotFound")), TARGET, (GROUP,))
