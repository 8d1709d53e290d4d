"""Reads Elastic Load Balancing v2: where users reach a service, and the health of its targets."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from services._aws.errors import AwsError, Missing, reading
from services._chassis.aws import Aws

_SCHEMES = {"HTTP": "http", "TCP": "http", "TCP_UDP": "http", "HTTPS": "https", "TLS": "https"}
"""Protocol of a listener → scheme of its URL. Listeners of other protocols (UDP for instance) take no HTTP."""


@dataclass(frozen=True, slots=True)
class PublicEndpoint:
    """A listener that forwards to one of a service's target groups."""

    url: str
    """``http://host:port``, without a path."""
    load_balancer: str
    """ARN."""
    target_group: str
    """ARN."""
    protocol: str
    """The listener's protocol: HTTP, HTTPS, TCP, TLS, TCP_UDP."""
    scheme: str = ""
    """``internet-facing`` or ``internal``; empty where AWS leaves it out."""
    host: str | None = None
    """The Host header that the listener's rule asks for."""
    by_rule: bool = False
    """True: a rule forwards, which may have conditions besides the host. False: the listener forwards by default."""

    @property
    def counts_requests(self) -> bool:
        """Return whether CloudWatch has counts of requests and errors: only application load balancers have them."""
        return is_application(self.load_balancer)

    @property
    def load_balancer_dimension(self) -> str:
        """Return CloudWatch's name of the load balancer: ``app/<name>/<id>``."""
        return self.load_balancer.partition(":loadbalancer/")[2]

    @property
    def target_group_dimension(self) -> str:
        """Return CloudWatch's name of the target group: ``targetgroup/<name>/<id>``."""
        return target_group_dimension(self.target_group)


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """One address of one target group."""

    group: str
    """The ARN of its target group."""
    address: str
    state: str
    """healthy, initial, unhealthy, unused, draining or unavailable; empty where AWS leaves it out."""
    reason: str = ""
    """AWS's reason code, ``Target.Timeout`` for instance."""
    description: str = ""


@dataclass(frozen=True, slots=True)
class HealthCheckTiming:
    """How long target groups take with a target, in seconds."""

    registration: float
    """From its first health check until it counts as healthy."""
    draining: float
    """From its deregistration until no request reaches it any more."""


def is_application(load_balancer: str) -> bool:
    return ":loadbalancer/app/" in load_balancer


def target_group_dimension(arn: str) -> str:
    return arn.rpartition(":")[2]


async def target_health(aws: Aws, target: Target, groups: Sequence[str]) -> tuple[TargetHealth, ...]:
    """Return every registered target of these target groups (ARNs)."""
    found = await asyncio.gather(*(_health(aws, target, group) for group in groups))
    return tuple(health for of_group in found for health in of_group)


async def _health(aws: Aws, target: Target, group: str) -> tuple[TargetHealth, ...]:
    with reading("Elastic Load Balancing", "DescribeTargetHealth"):
        answer = await aws.at(target).call("elbv2", "describe_target_health", TargetGroupArn=group)
    return tuple(_target_health(group, body) for body in answer.get("TargetHealthDescriptions") or ())


def _target_health(group: str, body: dict[str, Any]) -> TargetHealth:
    health = body.get("TargetHealth") or {}
    return TargetHealth(
        group,
        str((body.get("Target") or {}).get("Id", "")),
        str(health.get("State", "")),
        str(health.get("Reason", "")),
        str(health.get("Description", "")),
    )


async def health_check_timing(aws: Aws, target: Target, groups: Sequence[str]) -> HealthCheckTiming:
    """Return the times of the slowest of these target groups (ARNs); what AWS leaves out counts as 0."""
    there = aws.at(target)
    with reading("Elastic Load Balancing", "DescribeTargetGroups"):
        answer = await there.call("elbv2", "describe_target_groups", TargetGroupArns=list(groups))
    delays = await asyncio.gather(*(_deregistration_delay(there, group) for group in groups))
    return HealthCheckTiming(
        registration=max(
            (
                float(group.get("HealthCheckIntervalSeconds") or 0) * float(group.get("HealthyThresholdCount") or 0)
                for group in answer.get("TargetGroups") or ()
            ),
            default=0.0,
        ),
        draining=max(delays, default=0.0),
    )


async def _deregistration_delay(aws: Aws, group: str) -> float:
    with reading("Elastic Load Balancing", "DescribeTargetGroupAttributes"):
        answer = await aws.call("elbv2", "describe_target_group_attributes", TargetGroupArn=group)
    attributes = {attribute.get("Key"): attribute.get("Value") for attribute in answer.get("Attributes") or ()}
    return float(attributes.get("deregistration_delay.timeout_seconds") or 0)


async def find_public_endpoint(
    aws: Aws, target: Target, groups: Sequence[str], *, counting: bool = False
) -> PublicEndpoint | Missing:
    """Return where users reach a service with these target groups (ARNs). All of Surefoot decides that here.

    A listener counts that forwards to a group by default or by a rule; a group with weight 0 gets no request.
    Plain HTTP comes before TLS, since a load balancer's own name is in no certificate of its owner; a listener's
    default comes before a rule, which may ask for more than we send. With ``counting``, only load balancers that
    count requests in CloudWatch.
    """
    if not groups:
        return Missing("no load balancer stands before the service, so that there is nowhere to send a test")
    try:
        found = await _endpoints(aws.at(target), groups)
    except AwsError as error:
        if error.code == "TargetGroupNotFound":
            return Missing("the service's target group does not exist any more")
        raise
    usable = [endpoint for endpoint in found if endpoint.counts_requests or not counting]
    if not usable:
        return Missing("no listener forwards to the service's target group")
    return min(usable, key=lambda endpoint: (not endpoint.url.startswith("http:"), endpoint.by_rule))


async def _endpoints(aws: Aws, groups: Sequence[str]) -> list[PublicEndpoint]:
    """Return all endpoints, in the order of the groups; a group may be behind several load balancers."""
    with reading("Elastic Load Balancing", "DescribeTargetGroups"):
        answer = await aws.call("elbv2", "describe_target_groups", TargetGroupArns=list(groups))
    behind: dict[str, list[str]] = {
        body["TargetGroupArn"]: body.get("LoadBalancerArns") or [] for body in answer.get("TargetGroups") or ()
    }
    arns = list(dict.fromkeys(arn for group in groups for arn in behind.get(group, ())))
    if not arns:
        return []
    with reading("Elastic Load Balancing", "DescribeLoadBalancers"):
        described = await aws.pages("elbv2", "describe_load_balancers", "LoadBalancers", LoadBalancerArns=arns)
    listening = await asyncio.gather(*(_of_load_balancer(aws, body, groups) for body in described))
    found = [endpoint for endpoints in listening for endpoint in endpoints]
    return sorted(found, key=lambda endpoint: groups.index(endpoint.target_group))


async def _of_load_balancer(aws: Aws, balancer: dict[str, Any], groups: Sequence[str]) -> list[PublicEndpoint]:
    arn = balancer["LoadBalancerArn"]
    with reading("Elastic Load Balancing", "DescribeListeners"):
        listeners = await aws.pages("elbv2", "describe_listeners", "Listeners", LoadBalancerArn=arn)
    spoken_to = [listener for listener in listeners if listener.get("Protocol") in _SCHEMES]
    found = await asyncio.gather(*(_of_listener(aws, balancer, listener, groups) for listener in spoken_to))
    return [endpoint for endpoints in found for endpoint in endpoints]


async def _of_listener(
    aws: Aws, balancer: dict[str, Any], listener: dict[str, Any], groups: Sequence[str]
) -> list[PublicEndpoint]:
    """Return the endpoints of each group: by default if the listener does that, otherwise by its rules."""
    by_default = set(_forwards(listener.get("DefaultActions") or ()))
    found = [_endpoint(balancer, listener, group) for group in groups if group in by_default]
    others = [group for group in groups if group not in by_default]
    if not others or not is_application(balancer["LoadBalancerArn"]):
        return found  # network load balancers have no rules
    with reading("Elastic Load Balancing", "DescribeRules"):
        rules = await aws.pages("elbv2", "describe_rules", "Rules", ListenerArn=listener["ListenerArn"])
    return found + [
        _endpoint(balancer, listener, group, rule)
        for rule in rules
        for group in _forwards(rule.get("Actions") or ())
        if group in others
    ]


def _endpoint(
    balancer: dict[str, Any], listener: dict[str, Any], group: str, rule: dict[str, Any] | None = None
) -> PublicEndpoint:
    protocol = listener["Protocol"]
    return PublicEndpoint(
        url=f"{_SCHEMES[protocol]}://{balancer['DNSName']}:{listener['Port']}",
        load_balancer=balancer["LoadBalancerArn"],
        target_group=group,
        protocol=protocol,
        scheme=balancer.get("Scheme", ""),
        host=_host(rule) if rule else None,
        by_rule=rule is not None,
    )


def _forwards(actions: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the target groups that get requests; a group with weight 0 gets none."""
    for action in actions:
        if action.get("Type") != "forward":
            continue
        weighted = (action.get("ForwardConfig") or {}).get("TargetGroups") or ()
        if weighted:
            yield from (group["TargetGroupArn"] for group in weighted if group.get("Weight", 1) > 0)
        elif action.get("TargetGroupArn"):
            yield action["TargetGroupArn"]


def _host(rule: dict[str, Any]) -> str | None:
    """Return a host that the rule's host-header condition accepts."""
    for condition in rule.get("Conditions") or ():
        if condition.get("Field") == "host-header":
            values = (condition.get("HostHeaderConfig") or {}).get("Values") or condition.get("Values") or ()
            return next((str(value).replace("*", "surefoot").replace("?", "x") for value in values), None)
    return None
