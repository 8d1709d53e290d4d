"""Where users reach a service, and how its targets are."""

from typing import Any

import pytest

from contracts.base import Target
from services._aws.errors import AwsError
from services._aws.load_balancers import TargetHealth, find_counted, find_reach, target_health
from services._aws.reach import NO_BALANCER, NO_LISTENER, Counted, Nowhere, Reach
from services._chassis.web import Address
from tests.kit import ScriptedAws, refusal

TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")
PREFIX = "arn:aws:elasticloadbalancing:us-west-2:123456789012"
GROUP, SECOND, OTHER = (f"{PREFIX}:targetgroup/{name}/1" for name in ("ours", "second", "other"))
ALB, NLB, INTERNAL = (f"{PREFIX}:loadbalancer/{name}/1" for name in ("app/web", "net/wire", "app/inside"))
NOBODY = NO_LISTENER


def forward(*groups: str, weight: int = 1) -> list[dict[str, Any]]:
    targets = [{"TargetGroupArn": group, "Weight": weight} for group in groups]
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": targets}}]


def listener(protocol: str, port: int, actions: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"ListenerArn": f"l/{port}", "Protocol": protocol, "Port": port, "DefaultActions": actions or []}


def rule(*groups: str, host: str | None = None, path: str | None = None, weight: int = 1) -> dict[str, Any]:
    conditions = [{"Field": "host-header", "HostHeaderConfig": {"Values": [host]}}] if host else []
    conditions += [{"Field": "path-pattern", "PathPatternConfig": {"Values": [path]}}] if path else []
    return {"Actions": forward(*groups, weight=weight), "Conditions": conditions, "Priority": "1"}


def account(
    listeners: dict[str, list[dict[str, Any]]],
    rules: dict[str, list[dict[str, Any]]] | None = None,
    groups: tuple[str, ...] = (GROUP,),
    group: dict[str, Any] | None = None,
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
    behind = [{"TargetGroupArn": arn, "LoadBalancerArns": list(listeners), **(group or {})} for arn in groups]
    return ScriptedAws(
        describe_target_groups={"TargetGroups": behind},
        describe_load_balancers={"LoadBalancers": described},
        describe_listeners=lambda asked: {"Listeners": listeners[asked["LoadBalancerArn"]]},
        describe_rules=lambda asked: {"Rules": (rules or {}).get(asked["ListenerArn"], [])},
    )


REDIRECT = [{"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443"}}]
LOGIN = [{"Type": "authenticate-oidc", "Order": 1}, {"Type": "forward", "Order": 2, "TargetGroupArn": GROUP}]
NOT_FOUND = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
BY_HTTP = {"HealthCheckProtocol": "HTTP", "HealthCheckPort": "traffic-port"}


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
                {ALB: [listener("HTTP", 80, REDIRECT), listener("HTTP", 81, forward(GROUP))]},
                {"l/80": [rule(GROUP, path="*")]},
            ),
            "http://web.example:81",
            None,
        ),
        (account({NLB: [listener("TCP", 90, forward(GROUP))]}, group=BY_HTTP), "http://wire.example:90", None),
        (account({NLB: [listener("TLS", 443, forward(GROUP))]}, group=BY_HTTP), "https://wire.example:443", None),
        (
            account({NLB: [listener("TCP", 443, forward(GROUP))]}, group={"HealthCheckProtocol": "HTTPS"}),
            "https://wire.example:443",
            None,
        ),
        (
            account({INTERNAL: [listener("HTTP", 80, forward(GROUP))], ALB: [listener("HTTPS", 443, forward(GROUP))]}),
            "https://web.example:443",
            None,
        ),
    ],
)
async def test_the_listener_that_forwards(aws: ScriptedAws, url: str, host: str | None) -> None:
    assert (await find_reach(aws, TARGET, (GROUP,))).to("/health") == Address(url, host)
    assert set(aws.targets) == {TARGET}


@pytest.mark.parametrize(
    ("aws", "why"),
    [
        (account({}), NOBODY),
        (account({ALB: []}), NOBODY),
        (account({ALB: [listener("HTTP", 80, REDIRECT), listener("HTTP", 81, forward(OTHER))]}), NOBODY),
        (account({ALB: [listener("HTTP", 80, forward(GROUP, weight=0))]}), NOBODY),
        (account({ALB: [listener("HTTP", 80)]}, {"l/80": [rule(GROUP, weight=0)]}), NOBODY),
        (account({ALB: [listener("HTTP", 80)]}, {"l/80": [{}]}), NOBODY),
        (account({NLB: [{"ListenerArn": "l"}]}), NOBODY),
        (account({ALB: [listener("HTTPS", 443, LOGIN)]}), "a login stands in front of GET /health"),
        (
            account({NLB: [listener("UDP", 53, forward(GROUP))]}, group=BY_HTTP),
            "wire takes UDP at port 53: HTTP is not asked of it",
        ),
        (
            account({NLB: [listener("TCP", 1883, forward(GROUP))]}, group={"HealthCheckProtocol": "TCP"}),
            "wire takes TCP at port 1883: HTTP is not asked of it",
        ),
        (
            account({NLB: [listener("TCP", 1883, forward(GROUP))]}, group=BY_HTTP | {"HealthCheckPort": "9000"}),
            "wire takes TCP at port 1883: HTTP is not asked of it",
        ),
        (
            account({ALB: [listener("HTTPS", 443, forward(GROUP))]}, group={"ProtocolVersion": "GRPC"}),
            "web takes gRPC at port 443: HTTP is not asked of it",
        ),
        (
            account({ALB: [listener("HTTP", 80, NOT_FOUND)]}, {"l/80": [rule(GROUP, path="/orders/*")]}),
            "the listener's rules answer GET /health themselves, with 404",
        ),
        (
            account({ALB: [listener("HTTP", 80, forward(OTHER))]}, {"l/80": [rule(GROUP, path="/orders/*")]}),
            "the listener's rules send GET /health to another service",
        ),
        (
            account({ALB: [listener("HTTP", 80, forward(GROUP, OTHER))]}),
            "the listener's rules share GET /health between this service and another",
        ),
    ],
)
async def test_nobody_is_sent_to_it(aws: ScriptedAws, why: str) -> None:
    found = (await find_reach(aws, TARGET, (GROUP,))).to("/health")
    assert isinstance(found, Nowhere)
    assert found.why == why


async def test_no_load_balancer_and_a_group_that_was_deleted() -> None:
    assert (await find_reach(ScriptedAws(), TARGET, ())).to("/") == Nowhere(NO_BALANCER)
    gone = ScriptedAws(describe_target_groups=refusal("TargetGroupNotFound"))
    assert (await find_reach(gone, TARGET, (GROUP,))).to("/") == Nowhere(
        "the service's target group does not exist any more"
    )
    refusing = account({ALB: [listener("HTTP", 80)]})
    refusing.answers["describe_rules"] = refusal("Throttling")
    with pytest.raises(AwsError, match="did not answer DescribeRules: Throttling"):
        await find_reach(refusing, TARGET, (GROUP,))


async def test_behind_an_internal_load_balancer_the_address_says_so() -> None:
    aws = account({INTERNAL: [listener("HTTP", 80, forward(GROUP))]})
    assert (await find_reach(aws, TARGET, (GROUP,))).to("/") == Address("http://inside.example:80", internal="inside")


async def test_network_load_balancers_have_no_rules_and_count_no_requests() -> None:
    aws = account({NLB: [listener("TCP", 90, forward(GROUP)), listener("TCP", 91, forward(OTHER))]})
    reach = await find_reach(aws, TARGET, (GROUP,))
    assert "describe_rules" not in aws.asked
    assert (reach.counted(), await find_counted(aws, TARGET, (GROUP,))) == ((), ())


async def test_of_several_load_balancers_the_one_that_counts_is_found_where_that_matters() -> None:
    both = account(
        {NLB: [listener("TCP", 80, forward(GROUP))], INTERNAL: [listener("HTTPS", 443, forward(SECOND))]},
        groups=(GROUP, SECOND),
        group=BY_HTTP,
    )
    reach = await find_reach(both, TARGET, (GROUP, SECOND))
    assert reach.to("/health") == Address("http://wire.example:80")
    expected = (Counted("app/inside/1", "targetgroup/second/1"),)
    assert (reach.counted(), await find_counted(both, TARGET, (GROUP, SECOND))) == (expected, expected)


async def test_requests_are_counted_behind_a_login_too() -> None:
    behind_login = account({ALB: [listener("HTTPS", 443, LOGIN)]})
    assert await find_counted(behind_login, TARGET, (GROUP,)) == (Counted("app/web/1", "targetgroup/ours/1"),)
    assert await find_counted(ScriptedAws(), TARGET, ()) == ()


BUSY = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}]


@pytest.mark.parametrize(
    ("aws", "shared"),
    [
        (account({ALB: [listener("HTTP", 80, forward(GROUP))]}), ""),
        (account({ALB: [listener("HTTP", 80, NOT_FOUND)]}, {"l/80": [rule(GROUP, path="/ours/*")]}), ""),
        (account({ALB: [listener("HTTP", 80, forward(GROUP)), listener("HTTP", 81, REDIRECT)]}), ""),
        (account({ALB: [listener("HTTP", 80, forward(GROUP))]}, {"l/80": [rule(OTHER, path="/", weight=0)]}), ""),
        (
            account({ALB: [listener("HTTP", 80, forward(OTHER))]}, {"l/80": [rule(GROUP, path="/ours/*")]}),
            "it sends requests to other as well",
        ),
        (
            account({ALB: [listener("HTTP", 80, forward(GROUP))]}, {"l/80": [rule(OTHER, host="other.example")]}),
            "it sends requests to other as well",
        ),
        (
            account({ALB: [listener("HTTP", 80, forward(GROUP)), listener("HTTP", 81, forward(OTHER))]}),
            "it sends requests to other as well",
        ),
        (account({ALB: [listener("HTTP", 80, forward(GROUP, OTHER))]}), "it sends requests to other as well"),
        (
            account({ALB: [listener("HTTP", 80, BUSY)]}, {"l/80": [rule(GROUP, path="/ours/*")]}),
            "it answers some requests with 503 by itself",
        ),
        (
            account(
                {ALB: [listener("HTTP", 80, forward(GROUP))]},
                {"l/80": [rule(*(f"{PREFIX}:targetgroup/n{number}/1" for number in range(5)), path="/")]},
            ),
            "it sends requests to n0, n1, n2 and 2 more as well",
        ),
    ],
)
async def test_who_else_uses_a_load_balancer_is_found_out(aws: ScriptedAws, shared: str) -> None:
    expected = (Counted("app/web/1", "targetgroup/ours/1", shared),)
    assert await find_counted(aws, TARGET, (GROUP,)) == expected
    assert (await find_reach(aws, TARGET, (GROUP,))).counted() == expected


async def test_only_the_load_balancer_that_others_use_is_shared_and_an_alternate_group_is_no_other() -> None:
    both = account(
        {ALB: [listener("HTTP", 80, forward(GROUP, OTHER))], INTERNAL: [listener("HTTP", 80, forward(SECOND))]},
        groups=(GROUP, SECOND),
    )
    named = {way.load_balancer: way.shared for way in await find_counted(both, TARGET, (GROUP, SECOND))}
    assert named == {"app/web/1": "it sends requests to other as well", "app/inside/1": ""}
    mine = {way.load_balancer: way.shared for way in await find_counted(both, TARGET, (GROUP, SECOND), (OTHER,))}
    assert mine == {"app/web/1": "", "app/inside/1": ""}


async def test_requests_are_counted_for_each_target_group_once() -> None:
    both = account(
        {
            ALB: [listener("HTTPS", 443, forward(GROUP)), listener("HTTP", 80, forward(GROUP))],
            INTERNAL: [listener("HTTPS", 443, forward(SECOND))],
        },
        groups=(GROUP, SECOND),
        group=BY_HTTP,
    )
    first, second = Counted("app/web/1", "targetgroup/ours/1"), Counted("app/inside/1", "targetgroup/second/1")
    assert await find_counted(both, TARGET, (GROUP, SECOND)) == (first, second)


async def test_requests_of_a_group_that_only_a_rule_names_are_counted_beside_those_of_the_default() -> None:
    shared = account(
        {ALB: [listener("HTTP", 80, forward(GROUP))]}, {"l/80": [rule(SECOND, path="/admin/*")]}, (GROUP, SECOND)
    )
    first, second = Counted("app/web/1", "targetgroup/ours/1"), Counted("app/web/1", "targetgroup/second/1")
    assert await find_counted(shared, TARGET, (GROUP, SECOND)) == (first, second)


@pytest.mark.parametrize("operation", ["describe_rules", "describe_listeners", "describe_load_balancers"])
@pytest.mark.parametrize("default", [forward(GROUP), NOT_FOUND])
async def test_where_nobody_may_read_rules_no_way_is_claimed_and_requests_are_counted_by_target_group(
    operation: str, default: list[dict[str, Any]]
) -> None:
    aws = account({ALB: [listener("HTTP", 80, default)]})
    aws.answers[operation] = refusal("AccessDenied")
    reach = await find_reach(aws, TARGET, (GROUP,))
    way = reach.to("/health")
    assert isinstance(way, Nowhere)
    assert way.unread
    name = "".join(map(str.capitalize, operation.split("_")))
    assert way.why.endswith(f"Elastic Load Balancing did not answer {name}: AccessDenied")
    assert reach.own_paths(["/health"]) == {}
    why = f"who else uses it is not known: Elastic Load Balancing did not answer {name}: AccessDenied"
    expected = (Counted("app/web/1", "targetgroup/ours/1", why),)
    assert (reach.counted(), await find_counted(aws, TARGET, (GROUP,))) == (expected, expected)
    aws.answers[operation] = refusal("Throttling")
    with pytest.raises(AwsError, match="Throttling"):
        await find_reach(aws, TARGET, (GROUP,))
    assert await find_counted(aws, TARGET, (GROUP,)) == (Counted("app/web/1", "targetgroup/ours/1", None),)


async def test_without_target_groups_nothing_is_known_of_what_is_counted() -> None:
    aws = account({ALB: [listener("HTTP", 80, forward(GROUP))]})
    aws.answers["describe_target_groups"] = refusal("AccessDenied")
    with pytest.raises(AwsError, match="DescribeTargetGroups"):
        await find_counted(aws, TARGET, (GROUP,))


@pytest.mark.parametrize(
    ("matcher", "statuses"),
    [
        (None, {200}),
        ("200", {200}),
        ("200,202", {200, 202}),
        ("200-202, 301", {200, 201, 202, 301}),
        ("nonsense", set()),
    ],
)
async def test_the_health_check_that_users_reach(matcher: str | None, statuses: set[int]) -> None:
    check: dict[str, Any] = BY_HTTP | {"HealthCheckPath": "/orders/health"}
    if matcher:
        check["Matcher"] = {"HttpCode": matcher}
    listeners = {ALB: [listener("HTTP", 80, NOT_FOUND)]}
    aws = account(listeners, {"l/80": [rule(GROUP, path="/orders/*")]}, group=check)
    reach = await find_reach(aws, TARGET, (GROUP,))
    assert reach.own_paths(["/health"]) == {"/orders/health": frozenset(statuses)}
    assert reach.own_paths(["/health", "/orders/1"]) == {}
    assert Reach.at("https://api.example").own_paths(["/health"]) == {}


async def test_among_equals_the_service_s_first_group_is_taken() -> None:
    aws = account(
        {ALB: [listener("HTTP", 80, forward(SECOND)), listener("HTTP", 81, forward(GROUP))]}, groups=(SECOND, GROUP)
    )
    assert (await find_reach(aws, TARGET, (GROUP, SECOND))).to("/") == Address("http://web.example:81")


async def test_each_group_s_listener_is_a_way_in_for_the_paths_that_it_takes() -> None:
    aws = account(
        {ALB: [listener("HTTP", 80, NOT_FOUND), listener("HTTP", 9000, forward(SECOND))]},
        {"l/80": [rule(GROUP, path="/api/*")]},
        groups=(GROUP, SECOND),
    )
    reach = await find_reach(aws, TARGET, (GROUP, SECOND))
    assert reach.to("/health") == Address("http://web.example:9000")
    only_first = await find_reach(aws, TARGET, (GROUP,))
    assert only_first.to("/api/v1/") == Address("http://web.example:80")
    assert isinstance(only_first.to("/health"), Nowhere)


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
