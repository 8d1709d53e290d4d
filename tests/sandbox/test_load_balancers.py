"""Load balancers as they are described: weights, protocols, health checks, seen as clients see them."""

from random import Random

import httpx2
import pytest
from botocore.exceptions import ClientError

from sandbox.aws.http_answers import Request
from tests.sandbox.built import ECR, built


def test_weights_share_the_requests() -> None:
    weighted = [{"target_group": "court-case-backend", "weight": 1}, {"target_group": "other", "weight": 3}]
    with built(
        {
            "target_groups": [{"name": "court-case-backend"}, {"name": "other"}],
            "service": {"load_balancers": [{"target_group": "court-case-backend"}]},
            "load_balancers": [{"listeners": [{"default_actions": [{"target_groups": weighted}]}]}],
        }
    ) as made:
        random = Random(3)
        request = Request("GET", "/", {})
        empty = sum(not made.aws.listeners.way(0, random, request) for _ in range(400))
        assert 250 < empty < 350, "three of four go to the group that has no targets"


def test_tls_is_refused_by_a_wrong_name_and_an_internal_load_balancer_is_out_of_reach() -> None:
    forward = [{"target_groups": [{"target_group": "court-case-backend"}]}]
    secured = {"protocol": "HTTPS", "port": 443, "certificate": "shop.example.com", "default_actions": forward}
    names = ["shop.example.com", "old.example.com"]
    with built(
        {
            "load_balancers": [
                {"names": names, "listeners": [secured]},
                {"name": "inside", "scheme": "internal", "listeners": [{"port": 8080, "default_actions": forward}]},
            ]
        }
    ) as made:
        assert made.get("https://shop.example.com/health").status_code == 200
        assert made.get("https://app.sandbox/health").status_code == 200, "by its own name nobody looks"
        for wrong in ("https://old.example.com/health", "http://app.sandbox:443/", "http://app.sandbox:8080/health"):
            with pytest.raises(httpx2.ConnectError):
                made.get(wrong)
        described = made.client("elbv2").describe_load_balancers()["LoadBalancers"]
        assert [balancer["Scheme"] for balancer in described] == ["internet-facing", "internal"]


TCP = {
    "service": {"load_balancers": [{"target_group": "broker"}]},
    "target_groups": [{"name": "broker", "protocol": "TCP"}],
    "load_balancers": [
        {
            "name": "broker",
            "type": "network",
            "listeners": [
                {"protocol": "TCP", "port": 1883, "default_actions": [{"target_groups": [{"target_group": "broker"}]}]}
            ],
        }
    ],
}


def test_a_network_load_balancer_counts_flows_and_asks_for_a_connection_only() -> None:
    """CloudWatch metrics for Network Load Balancers; their health checks by TCP."""
    with built(TCP, {"tcp": {"speaks": "TCP", "passes_health_check": False}}) as made:
        made.deploy(f"{ECR}/backend:tcp")
        made.aws.step(600)
        group = made.service()["loadBalancers"][0]["targetGroupArn"]
        health = made.client("elbv2").describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        assert {one["TargetHealth"]["State"] for one in health} == {"healthy"}
        with pytest.raises(httpx2.RemoteProtocolError):
            made.get("http://app.sandbox:1883/health")
        metrics = made.client("cloudwatch").list_metrics()["Metrics"]
        assert {"NewFlowCount", "HealthyHostCount"} <= {
            one["MetricName"] for one in metrics if one["Namespace"] == "AWS/NetworkELB"
        }
        assert not [one for one in metrics if one["Namespace"] == "AWS/ApplicationELB"]


def test_a_health_check_asks_for_its_path_and_takes_its_codes() -> None:
    """Elastic Load Balancing user guide, "Health checks for your target groups"."""
    with built({"target_groups": [{"health_check_path": "/docs", "matcher": "200-299"}]}) as made:
        assert made.service()["deployments"][0]["rolloutState"] == "COMPLETED"
        group = made.service()["loadBalancers"][0]["targetGroupArn"]
        made.client("elbv2").modify_target_group(TargetGroupArn=group, HealthCheckPath="/nowhere")
        made.deploy(f"{ECR}/backend:healthy")
        made.aws.step(120)
        told = made.client("elbv2").describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        reasons = {one["TargetHealth"].get("Description") for one in told}
        assert "Health checks failed with these codes: [404]" in reasons


def test_a_service_may_be_behind_two_target_groups() -> None:
    """ECS developer guide, "Registering multiple target groups with an Amazon ECS service"."""
    forward = [{"target_groups": [{"target_group": "court-case-backend"}]}]
    inside = [{"target_groups": [{"target_group": "inside"}]}]
    with built(
        {
            "service": {"load_balancers": [{"target_group": "court-case-backend"}, {"target_group": "inside"}]},
            "target_groups": [
                {"name": "court-case-backend"},
                {"name": "inside", "health_check_interval_seconds": 30, "healthy_threshold_count": 3},
            ],
            "load_balancers": [
                {"listeners": [{"default_actions": forward}]},
                {"name": "inside", "scheme": "internal", "listeners": [{"port": 8080, "default_actions": inside}]},
            ],
        }
    ) as made:
        balancing, groups = made.client("elbv2"), [each["targetGroupArn"] for each in made.service()["loadBalancers"]]
        made.deploy(f"{ECR}/backend:healthy")
        made.aws.step(75)  # they run after 20 seconds or so, and have passed two checks of one group by then
        states = [
            {
                health["TargetHealth"]["State"]
                for health in balancing.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
            }
            for group in groups
        ]
        assert "initial" in states[1] - states[0], "the slower group decides"
        made.aws.step(600)
        assert made.service()["deployments"][0]["rolloutState"] == "COMPLETED"
        metrics = made.client("cloudwatch").list_metrics(Namespace="AWS/ApplicationELB", MetricName="RequestCount")
        assert len({str(metric["Dimensions"]) for metric in metrics["Metrics"]}) == 4, "two balancers, two groups"


def test_the_same_target_group_and_the_same_listener_are_made_once() -> None:
    """Elastic Load Balancing API reference, CreateTargetGroup, CreateListener: with the same settings they succeed."""
    with built() as made:
        balancing, vpc = made.client("elbv2"), made.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
        asked = {"Name": "again", "Protocol": "HTTP", "Port": 80, "VpcId": vpc, "TargetType": "ip"}
        first, second = (balancing.create_target_group(**asked)["TargetGroups"][0] for _ in range(2))
        assert first["TargetGroupArn"] == second["TargetGroupArn"]
        with pytest.raises(ClientError, match="DuplicateTargetGroupName"):
            balancing.create_target_group(**asked | {"Port": 81})
        [balancer] = balancing.describe_load_balancers()["LoadBalancers"]
        forward = [{"Type": "forward", "TargetGroupArn": first["TargetGroupArn"]}]
        listens = {"LoadBalancerArn": balancer["LoadBalancerArn"], "Protocol": "HTTP", "Port": 8081}
        made_of = [balancing.create_listener(**listens, DefaultActions=forward)["Listeners"][0] for _ in range(2)]
        assert made_of[0]["ListenerArn"] == made_of[1]["ListenerArn"]
        with pytest.raises(ClientError, match="DuplicateListener"):
            balancing.create_listener(**listens, DefaultActions=[*forward, *forward])
