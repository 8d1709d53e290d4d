"""Reads Elastic Load Balancing v2: where users reach a service, and the health of its targets."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from contracts.base import Target
from contracts.prose import prose
from services._aws.errors import AwsError, reading
from services._aws.reach import Counted, Front, Group, Reach, is_application
from services._aws.routing import Body, Rule, default_of, rules_of
from services._chassis.aws import Aws

_SPOKEN: Mapping[str, Literal["http", "https"]] = {"HTTP": "http", "HTTPS": "https"}
"""Protocol of a health check → what its targets speak."""


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


async def target_health(aws: Aws, target: Target, groups: Sequence[str]) -> tuple[TargetHealth, ...]:
    """Return every registered target of these target groups (ARNs)."""
    found = await asyncio.gather(*(_health(aws, target, group) for group in groups))
    return tuple(health for of_group in found for health in of_group)


async def _health(aws: Aws, target: Target, group: str) -> tuple[TargetHealth, ...]:
    with reading("Elastic Load Balancing", "DescribeTargetHealth"):
        answer = await aws.at(target).call("elbv2", "describe_target_health", TargetGroupArn=group)
    return tuple(_target_health(group, body) for body in answer.get("TargetHealthDescriptions") or ())


def _target_health(group: str, body: Body) -> TargetHealth:
    health = body.get("TargetHealth") or {}
    return TargetHealth(
        group,
        str((body.get("Target") or {}).get("Id", "")),
        str(health.get("State", "")),
        str(health.get("Reason", "")),
        prose(str(health.get("Description", ""))),
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


async def find_reach(aws: Aws, target: Target, groups: Sequence[str]) -> Reach:
    """Return where users reach a service with these target groups (ARNs). All of Surefoot decides that here.

    Only ``application.url`` of a policy wins over it (``Reach.at``). What nobody may read is said by the reach itself:
    no way is known then, not even that of a listener's default. Raise ``AwsError`` where another try may help, or the
    target groups cannot be read.
    """
    there = aws.at(target)
    found = await _described(there, groups)
    try:
        return await _with_fronts(there, found)
    except AwsError as error:
        if error.temporary:
            raise
        return replace(found, unread=str(error))


async def find_counted(
    aws: Aws, target: Target, groups: Sequence[str], alternates: Collection[str] = ()
) -> tuple[Counted, ...]:
    """Return under which names CloudWatch counts the service's requests; none where no load balancer counts them.

    ``alternates`` are its target groups (ARNs) that take no requests now. Where AWS says nothing of listeners and
    rules, what the target groups say is enough, and nobody knows who else uses the load balancer. Raise ``AwsError``
    where the target groups cannot be read.
    """
    there = aws.at(target)
    found = replace(await _described(there, groups), alternates=frozenset(alternates))
    try:
        return (await _with_fronts(there, found)).counted()
    except AwsError as error:
        counted = replace(found, unread=str(error)).counted()
        return tuple(replace(way, shared=None) for way in counted) if error.temporary else counted


async def _described(aws: Aws, arns: Sequence[str]) -> Reach:
    """Return what the target groups (ARNs) say of themselves: a reach without listeners."""
    if not arns:
        return Reach()
    try:
        with reading("Elastic Load Balancing", "DescribeTargetGroups"):
            answer = await aws.call("elbv2", "describe_target_groups", TargetGroupArns=list(arns))
    except AwsError as error:
        if error.code == "TargetGroupNotFound":
            return Reach(why_none="the service's target group does not exist any more")
        raise
    described = {str(body["TargetGroupArn"]): body for body in answer.get("TargetGroups") or ()}
    return Reach(groups=tuple(_group(described[arn]) for arn in arns if arn in described))


async def _with_fronts(aws: Aws, reach: Reach) -> Reach:
    balancers = dict.fromkeys(arn for group in reach.groups for arn in group.balancers)
    if not balancers:
        return reach
    with reading("Elastic Load Balancing", "DescribeLoadBalancers"):
        found = await aws.pages("elbv2", "describe_load_balancers", "LoadBalancers", LoadBalancerArns=list(balancers))
    listening = await asyncio.gather(*(_fronts(aws, body) for body in found))
    return replace(reach, fronts=tuple(front for fronts in listening for front in fronts))


def _group(body: Body) -> Group:
    """Read what a target group's targets speak: HTTP, where its health check asks for that at the traffic's port."""
    at_traffic = str(body.get("HealthCheckPort", "traffic-port")) in {"traffic-port", str(body.get("Port"))}
    spoken = _SPOKEN.get(str(body.get("HealthCheckProtocol", ""))) if at_traffic else None
    return Group(
        str(body["TargetGroupArn"]),
        spoken,
        grpc=body.get("ProtocolVersion") == "GRPC",
        health_path=str(body.get("HealthCheckPath") or "") if spoken else "",
        healthy_statuses=_statuses(str((body.get("Matcher") or {}).get("HttpCode") or "200")),
        balancers=tuple(map(str, body.get("LoadBalancerArns") or ())),
    )


def _statuses(matcher: str) -> frozenset[int]:
    """Read the statuses of a health check: ``200``, ``200,202`` or ``200-299``."""
    ranges = (part.partition("-") for part in matcher.replace(" ", "").split(","))
    return frozenset(
        status
        for first, _, last in ranges
        if first.isdecimal() and (last or first).isdecimal()
        for status in range(int(first), int(last or first) + 1)
    )


async def _fronts(aws: Aws, balancer: Body) -> tuple[Front, ...]:
    arn = str(balancer["LoadBalancerArn"])
    with reading("Elastic Load Balancing", "DescribeListeners"):
        listeners = await aws.pages("elbv2", "describe_listeners", "Listeners", LoadBalancerArn=arn)
    spoken_to = [listener for listener in listeners if listener.get("Protocol") and listener.get("Port")]
    rules = await asyncio.gather(*(_rules(aws, arn, listener) for listener in spoken_to))
    return tuple(
        Front(
            balancer=arn,
            dns=str(balancer["DNSName"]),
            protocol=str(listener["Protocol"]),
            port=int(listener["Port"]),
            rules=of_listener,
            internal=balancer.get("Scheme") == "internal",
        )
        for listener, of_listener in zip(spoken_to, rules, strict=True)
    )


async def _rules(aws: Aws, balancer: str, listener: Body) -> tuple[Rule, ...]:
    """Return a listener's rules by priority; network load balancers have no rule but the default."""
    default = default_of(listener)
    if not is_application(balancer):
        return (default,)
    with reading("Elastic Load Balancing", "DescribeRules"):
        described = await aws.pages("elbv2", "describe_rules", "Rules", ListenerArn=listener["ListenerArn"])
    return (*rules_of([body for body in described if not body.get("IsDefault")]), default)
