"""The rules of a listener, with all their conditions and actions."""

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.aws.http_answers import Response
from tests.sandbox.built import Built, built


def fixed(status: str) -> list[dict[str, Any]]:
    return [{"type": "fixed-response", "status_code": status}]


RULES = {
    "load_balancers": [
        {
            "listeners": [
                {
                    "default_actions": fixed("404"),
                    "rules": [
                        {"priority": 7, "conditions": [{"path_pattern": ["/a/*"]}], "actions": fixed("201")},
                        {
                            "priority": 3,
                            "conditions": [{"path_pattern": ["/a/?"]}, {"host_header": ["*.example.com"]}],
                            "actions": fixed("202"),
                        },
                        {
                            "priority": 9,
                            "conditions": [{"http_header": {"name": "X-Canary", "values": ["yes", "1*"]}}],
                            "actions": fixed("203"),
                        },
                        {
                            "priority": 11,
                            "conditions": [{"query_string": [{"key": "v", "value": "2"}, {"value": "beta"}]}],
                            "actions": fixed("204"),
                        },
                        {
                            "priority": 12,
                            "conditions": [{"path_pattern": ["/post"]}, {"http_request_method": ["POST"]}],
                            "actions": fixed("205"),
                        },
                        {
                            "priority": 13,
                            "conditions": [{"path_pattern": ["/inside"]}, {"source_ip": ["10.0.0.0/8"]}],
                            "actions": fixed("206"),
                        },
                        {
                            "priority": 14,
                            "conditions": [{"path_pattern": ["/moved"]}],
                            "actions": [
                                {"type": "redirect", "status_code": "HTTP_301", "protocol": "HTTPS", "port": "443"}
                            ],
                        },
                        {
                            "priority": 15,
                            "conditions": [{"path_pattern": ["/members"]}],
                            "actions": [
                                {"type": "authenticate-oidc"},
                                {"target_groups": [{"target_group": "court-case-backend"}]},
                            ],
                        },
                        {
                            "priority": 16,
                            "conditions": [{"path_pattern": ["/nobody"]}],
                            "actions": [{"target_groups": [{"target_group": "court-case-backend", "weight": 0}]}],
                        },
                        {
                            "priority": 17,
                            "conditions": [{"path_pattern": ["/health"]}],
                            "actions": [{"target_groups": [{"target_group": "court-case-backend"}]}],
                        },
                    ],
                }
            ]
        }
    ]
}


@pytest.fixture(scope="module")
def ruled() -> Iterator[Built]:
    with built(RULES) as made:
        yield made


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/a/b", {}, 201),
        ("/a/b", {"host": "shop.example.com"}, 202),
        ("/a/bc", {"host": "shop.example.com"}, 201),
        ("/A/b", {}, 404),
        ("/x", {"x-canary": "YES"}, 203),
        ("/x", {"x-canary": "17"}, 203),
        ("/x", {"x-canary": "no"}, 404),
        ("/x?v=2", {}, 204),
        ("/x?w=2", {}, 404),
        ("/x?any=beta", {}, 204),
        ("/post", {}, 404),
        ("/inside", {}, 404),
        ("/members", {}, 302),
        ("/nobody", {}, 503),
    ],
)
def test_the_first_rule_whose_conditions_hold_decides(
    ruled: Built, path: str, headers: dict[str, str], status: int
) -> None:
    """Elastic Load Balancing user guide, "Listener rules for your Application Load Balancer"."""
    answer = ruled.ask(path, headers)
    assert isinstance(answer, Response)
    assert answer.status == status


def test_a_redirect_keeps_what_it_does_not_name(ruled: Built) -> None:
    answer = ruled.ask("/moved?x=1", {"host": "shop.example.com:80"})
    assert (answer.status, answer.location) == (301, "https://shop.example.com/moved?x=1")


def test_a_rule_forwards_to_the_tasks_of_its_group(ruled: Built) -> None:
    assert len(ruled.ask("/health")) == 3
    balancing, [listening, *_] = ruled.client("elbv2"), ruled.aws.listeners.all
    [listener] = balancing.describe_listeners(LoadBalancerArn=listening.balancer)["Listeners"]
    rules = balancing.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
    assert {rule["Priority"] for rule in rules} >= {"3", "7", "default"}
