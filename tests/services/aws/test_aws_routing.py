"""What a listener does with a request, by its rules as Elastic Load Balancing describes them."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from services._aws.reach import Front, Group, Nowhere, Reach
from services._aws.routing import (
    Action,
    Fixed,
    Forward,
    Login,
    Redirect,
    Request,
    actions,
    default_of,
    example,
    matches,
    rule_of,
    rules_of,
)
from services._chassis.web import Address

OURS, OTHERS = "arn:targetgroup/ours/1", "arn:targetgroup/others/1"
BALANCER = "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/web/1"
DNS = "web.elb.example"


def condition(kind: str, *values: Any, **more: Any) -> dict[str, Any]:
    part = {
        "host-header": "HostHeaderConfig",
        "path-pattern": "PathPatternConfig",
        "http-header": "HttpHeaderConfig",
        "query-string": "QueryStringConfig",
        "http-request-method": "HttpRequestMethodConfig",
        "source-ip": "SourceIpConfig",
    }[kind]
    return {"Field": kind, part: {"Values": list(values), **more}}


def rule(priority: int | str, group: str, *conditions: dict[str, Any]) -> dict[str, Any]:
    return {
        "Priority": str(priority),
        "Conditions": list(conditions),
        "Actions": [{"Type": "forward", "TargetGroupArn": group}],
    }


DEFAULT = rule("default", OTHERS)


def reach(*rules: dict[str, Any], protocol: str = "HTTP") -> Reach:
    front = Front(BALANCER, DNS, protocol, 80, (*rules_of(rules), rule_of(DEFAULT)))
    return Reach((front,), (Group(OURS),))


@pytest.mark.parametrize(
    ("pattern", "text", "case", "matched"),
    [
        ("/orders/*", "/orders/", True, True),
        ("/orders/*", "/orders", True, False),
        ("/Orders/*", "/orders/1", True, False),
        ("/a?c", "/abc", True, True),
        ("/a?c", "/ac", True, False),
        ("*", "", True, True),
        ("/a.c", "/abc", True, False),
        ("*.Example.com", "api.example.COM", False, True),
        ("*.example.com", "example.com", False, False),
        (r"what\?", "what?", False, True),
        (r"what\?", "whats", False, False),
        (r"a\*", "ab", False, False),
    ],
)
def test_wildcards(pattern: str, text: str, case: bool, matched: bool) -> None:
    assert matches(pattern, text, case=case) is matched


@given(st.text("ab*?\\.", max_size=12))
def test_an_example_of_a_pattern_matches_it(pattern: str) -> None:
    assert matches(pattern, example(pattern), case=True)


def test_rules_go_by_priority_as_numbers_and_the_default_comes_last() -> None:
    described = (DEFAULT, rule(10, OURS, condition("path-pattern", "/a*")), rule(9, OTHERS))
    found = rules_of(described)
    assert actions(found, Request(DNS, "/a")) == (Forward(frozenset({OTHERS})),)
    assert actions(rules_of(described[:2]), Request(DNS, "/a")) == (Forward(frozenset({OURS})),)
    assert actions(rules_of(described[:2]), Request(DNS, "/b")) == (Forward(frozenset({OTHERS})),)


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        ([{"Type": "redirect", "RedirectConfig": {"Host": "login.example"}}], Redirect("login.example")),
        ([{"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS"}}], Redirect("#{host}")),
        ([{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}], Fixed("503")),
        (
            [
                {"Type": "forward", "Order": 50000, "TargetGroupArn": OURS},
                {"Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig": {}},
            ],
            Login(frozenset({OURS})),
        ),
        (
            [
                {"Type": "authenticate-oidc", "AuthenticateOidcConfig": {"OnUnauthenticatedRequest": "allow"}},
                {"Type": "forward", "TargetGroupArn": OURS},
            ],
            Forward(frozenset({OURS})),
        ),
        ([{"Type": "jwt-validation"}, {"Type": "forward", "TargetGroupArn": OURS}], Login(frozenset({OURS}))),
        ([], Forward(frozenset())),
    ],
)
def test_actions(described: list[dict[str, Any]], expected: Action) -> None:
    assert rule_of({"Actions": described}).action == expected
    assert default_of({"DefaultActions": described}).action == expected


def test_weights_of_zero_get_nothing() -> None:
    weighted = [{"TargetGroupArn": OURS, "Weight": 0}, {"TargetGroupArn": OTHERS, "Weight": 3}]
    described = {"Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": weighted}}]}
    assert rule_of(described).action == Forward(frozenset({OTHERS}))


HEADER = condition("http-header", "gold*", HttpHeaderName="X-Tier")
TENANT = condition("query-string", {"Key": "tenant", "Value": "a?"}, {"Value": "blue"})


@pytest.mark.parametrize(
    ("conditions", "address"),
    [
        ((), Address(f"http://{DNS}:80")),
        ((condition("path-pattern", "/orders/*"),), Address(f"http://{DNS}:80")),
        ((condition("host-header", "api.example"),), Address(f"http://{DNS}:80", "api.example")),
        ((HEADER,), Address(f"http://{DNS}:80", headers={"X-Tier": SecretStr("goldsurefoot")})),
        ((TENANT,), Address(f"http://{DNS}:80", query="tenant=ax")),
        ((condition("http-request-method", "POST", "GET"),), Address(f"http://{DNS}:80")),
        ((condition("source-ip", "10.0.0.0/8", "0.0.0.0/0"),), Address(f"http://{DNS}:80")),
        (
            (condition("host-header", "*.api.example"), condition("path-pattern", "/x", "/orders/h*"), HEADER, TENANT),
            Address(
                f"http://{DNS}:80",
                "surefoot.api.example",
                headers={"X-Tier": SecretStr("goldsurefoot")},
                query="tenant=ax",
            ),
        ),
        (({"Field": "path-pattern", "Values": ["/orders/*"]},), Address(f"http://{DNS}:80")),
    ],
)
def test_a_request_is_sent_as_the_rule_asks_for_it(conditions: tuple[dict[str, Any], ...], address: Address) -> None:
    assert reach(rule(1, OURS, *conditions)).to("/orders/health") == address


@pytest.mark.parametrize(
    "conditions",
    [
        (condition("path-pattern", "/Orders/*"),),
        (condition("http-request-method", "POST"),),
        (condition("path-pattern", "/orders/*"), condition("http-request-method", "POST")),
    ],
)
def test_what_the_rule_does_not_take_goes_to_another_service(conditions: tuple[dict[str, Any], ...]) -> None:
    found = reach(rule(1, OURS, *conditions)).to("/orders/health?deep=1")
    assert found == Nowhere("the listener's rules send GET /orders/health to another service", 3)


@pytest.mark.parametrize(
    "unknown",
    [
        condition("source-ip", "10.0.0.0/8"),
        {"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/o.*"]}},
        {"Field": "of-tomorrow"},
    ],
)
def test_what_cannot_be_told_from_here_is_not_guessed(unknown: dict[str, Any]) -> None:
    """Neither where our rule has such a condition, nor where another's before it has."""
    told = Nowhere("it cannot be told from here where the listener's rules send GET /orders", 2)
    assert reach(rule(1, OURS, unknown)).to("/orders") == told
    assert reach(rule(1, OTHERS, unknown), rule(2, OURS)).to("/orders") == told
    assert reach(rule(1, OURS, unknown), rule(2, OURS)).to("/orders") == Address(f"http://{DNS}:80")


def test_another_value_is_tried_where_an_earlier_rule_takes_the_first() -> None:
    ours = rule(2, OURS, condition("host-header", "a.example", "b.example"))
    theirs = rule(1, OTHERS, condition("host-header", "a.example"))
    assert reach(theirs, ours).to("/") == Address(f"http://{DNS}:80", "b.example")


def test_a_header_of_every_request_may_meet_a_rule_and_others_do_not() -> None:
    bots = rule(1, OTHERS, condition("http-header", "*bot*", HttpHeaderName="User-Agent"))
    canary = rule(2, OTHERS, condition("http-header", "*", HttpHeaderName="X-Canary"))
    assert reach(bots, canary, rule(3, OURS)).to("/") == Address(f"http://{DNS}:80")


@pytest.mark.parametrize(("host", "certified"), [("api.example", True), ("*.example", False), (None, False)])
def test_a_certificate_is_checked_where_the_host_is_known(host: str | None, certified: bool) -> None:
    conditions = (condition("host-header", host),) if host else ()
    found = reach(rule(1, OURS, *conditions), protocol="HTTPS").to("/")
    assert isinstance(found, Address)
    assert found.certified is certified


HOSTS = st.sampled_from(["a.example", "b.example", "*.example", "A.example", "?.example"])
PATHS = st.sampled_from(["/", "/a/*", "/a/b", "*", "/b*", "/A/*"])
CONDITIONS = st.one_of(
    st.lists(HOSTS, min_size=1, max_size=2).map(lambda values: condition("host-header", *values)),
    st.lists(PATHS, min_size=1, max_size=2).map(lambda values: condition("path-pattern", *values)),
    st.sampled_from([HEADER, TENANT, condition("http-request-method", "POST"), condition("source-ip", "10.0.0.0/8")]),
)
RULES = st.builds(
    lambda priority, group, conditions: rule(priority, group, *conditions),
    st.integers(1, 50000),
    st.sampled_from([OURS, OTHERS]),
    st.lists(CONDITIONS, max_size=3, unique_by=lambda found: found["Field"]),
)


def _met(described: dict[str, Any], address: Address, path: str) -> bool:
    """Return whether a request meets a rule, by another reading of the conditions than the one that is tested."""
    sent = (address.host or DNS, path.partition("?")[0])
    tier = address.headers.get("X-Tier")
    for found in described["Conditions"]:
        values = next(part["Values"] for key, part in found.items() if key.endswith("Config"))
        glob = [re.escape(str(value)).replace(r"\*", ".*").replace(r"\?", ".") for value in values]
        met = {
            "host-header": any(re.fullmatch(value, sent[0], re.IGNORECASE) for value in glob),
            "path-pattern": any(re.fullmatch(value, sent[1]) for value in glob),
            "http-header": tier is not None and tier.get_secret_value().startswith("gold"),
            "query-string": any(pair in address.query for pair in ("tenant=ax", "=blue")),
            "http-request-method": "GET" in values,
            "source-ip": False,
        }[found["Field"]]
        if not met:
            return False
    return True


@given(st.lists(RULES, max_size=6), st.sampled_from(["/", "/a/b", "/a/c?x=1", "/b", "/A/x"]))
def test_whatever_address_is_returned_leads_to_this_service(rules: list[dict[str, Any]], path: str) -> None:
    """The first rule by priority that such a request meets forwards to our group, wherever the caller is."""
    found = reach(*rules).to(path)
    if isinstance(found, Address):
        by_priority = sorted(rules, key=lambda described: int(described["Priority"]))
        first = next(described for described in by_priority if _met(described, found, path))
        assert first["Actions"][0]["TargetGroupArn"] == OURS


@given(st.lists(RULES, max_size=6), st.sampled_from(["/", "/a/b", "/b"]))
def test_a_rule_that_takes_everything_first_is_found(rules: list[dict[str, Any]], path: str) -> None:
    later = [described | {"Priority": str(int(described["Priority"]) + 1)} for described in rules]
    assert reach(*later, rule(1, OURS)).to(path) == Address(f"http://{DNS}:80")
