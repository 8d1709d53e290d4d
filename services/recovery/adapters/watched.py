"""What a service needs besides itself to be made again: its alarms, its dashboard, its logs, and who lets it in."""

from collections.abc import Iterator, Mapping
from typing import Any

from contracts.base import Target
from contracts.cloudwatch_names import dashboard_name
from services._aws.ecs_views import EcsService
from services._aws.errors import reading
from services._chassis.aws import Aws
from services.recovery.adapters.recreate_scaling import dashboard_body
from services.recovery.domain.change import Body
from services.recovery.domain.recreation.recreate_parts import log_group_names

OF_TARGET_TRACKING = "TargetTracking-"
"""What the names of alarms begin with that Application Auto Scaling makes, changes and deletes itself."""


async def alarms(aws: Aws, target: Target, service: Body) -> dict[str, Any]:
    """Return the alarms about the service, and composite ones that are made of them."""
    with reading("CloudWatch", "the service's alarms"):
        there = aws.at(target)
        metric = await there.pages("cloudwatch", "describe_alarms", "MetricAlarms", AlarmTypes=["MetricAlarm"])
        composite = await there.pages("cloudwatch", "describe_alarms", "CompositeAlarms", AlarmTypes=["CompositeAlarm"])
    seen = EcsService(service)
    ours = [alarm for alarm in metric if _is_about(alarm, target, seen) and not _tracks(alarm)]
    names = {alarm["AlarmName"] for alarm in ours}
    made_of = [
        alarm
        for alarm in composite
        if alarm["AlarmName"] in seen.alarm_names or any(_named(name, alarm["AlarmRule"]) for name in names)
    ]
    return {"alarms": ours, "composite_alarms": made_of}


def _tracks(alarm: Mapping[str, Any]) -> bool:
    return str(alarm["AlarmName"]).startswith(OF_TARGET_TRACKING)


def _is_about(alarm: Mapping[str, Any], target: Target, service: EcsService) -> bool:
    """Return whether it is about the service or one of its target groups, or ECS watches it during deployments."""
    dimensions = set(_dimensions(alarm))
    if alarm["AlarmName"] in service.alarm_names:
        return True
    if {("ClusterName", target.cluster), ("ServiceName", target.service)} <= dimensions:
        return True
    groups = {("TargetGroup", arn.rpartition(":")[2]) for arn in (*service.target_groups, *service.alternate_groups)}
    return bool(groups & dimensions)


def _dimensions(alarm: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    metrics = [query.get("MetricStat", {}).get("Metric", {}) for query in alarm.get("Metrics") or ()]
    for metric in (alarm, *metrics):
        for dimension in metric.get("Dimensions") or ():
            yield dimension["Name"], dimension["Value"]


def _named(name: str, rule: str) -> bool:
    """Return whether a composite alarm's rule names an alarm: by its name, or at the end of its ARN."""
    return any(f"{border}{name}{end}" in rule for border, end in (('"', '"'), ("(", ")"), (":", '"'), (":", ")")))


async def dashboards(aws: Aws, target: Target) -> dict[str, Any]:
    """Return the dashboard that Surefoot makes of the service, by its name; AWS does not tell which others show it."""
    name = dashboard_name(target.cluster, target.service)
    body = await dashboard_body(aws, target, name)
    return {"dashboards": {} if body is None else {name: body}}


async def log_groups(aws: Aws, target: Target, definition: Body) -> dict[str, Any]:
    """Return the log groups of its containers, with retention and key."""
    names = log_group_names(definition, target.region)
    with reading("CloudWatch Logs", "DescribeLogGroups"):
        found = [
            group
            for name in names
            for group in await aws.at(target).pages("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=name)
            if group["logGroupName"] == name
        ]
    kept = ("logGroupName", "retentionInDays", "kmsKeyId")
    return {"log_groups": [{name: group[name] for name in kept if group.get(name)} for group in found]}


async def referring_groups(aws: Aws, target: Target, service: Body) -> dict[str, Any]:
    """Return the other security groups whose rules let the service's groups in."""
    ours = set(EcsService(service).security_groups)
    if not ours:
        return {}
    named = [{"Name": "ip-permission.group-id", "Values": sorted(ours)}]
    with reading("EC2", "the groups that let the service in"):
        found = await aws.at(target).pages("ec2", "describe_security_groups", "SecurityGroups", Filters=named)
    return {
        "referring_groups": [
            {
                "GroupId": group["GroupId"],
                "GroupName": group.get("GroupName", ""),
                "IpPermissions": [each for each in group.get("IpPermissions", ()) if _lets_in(each, ours)],
            }
            for group in found
            if group["GroupId"] not in ours
        ]
    }


def _lets_in(permission: Mapping[str, Any], groups: set[str]) -> bool:
    return any(pair.get("GroupId") in groups for pair in permission.get("UserIdGroupPairs", ()))
