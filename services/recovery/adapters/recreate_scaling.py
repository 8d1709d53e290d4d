"""What scales a service, its alarms and its dashboard: looks whether they are there, and makes them again."""

import json
from typing import Any

from contracts.base import Target
from services._aws.errors import AwsError, changing, reading
from services._chassis.aws import Aws
from services.recovery.domain.recreation.recreate_parts import Kind, Part
from services.recovery.domain.recreation.recreate_plan import Found


async def find_scalable_target(aws: Aws, target: Target, part: Part) -> Found | None:
    found = await _scaling(
        aws, target, part, "describe_scalable_targets", "ScalableTargets", ResourceIds=[part.body["ResourceId"]]
    )
    return Found(body=found) if found else None


async def make_scalable_target(aws: Aws, target: Target, part: Part) -> str:
    with changing("Application Auto Scaling", "RegisterScalableTarget", secrets=()):
        await aws.at(target).call("application-autoscaling", "register_scalable_target", **part.body)
    return ""


async def find_scaling_policy(aws: Aws, target: Target, part: Part) -> Found | None:
    found = await _scaling(
        aws,
        target,
        part,
        "describe_scaling_policies",
        "ScalingPolicies",
        ResourceId=part.body["ResourceId"],
        PolicyNames=[part.name],
    )
    return Found(str(found.get("PolicyARN", "")), found) if found else None


async def make_scaling_policy(aws: Aws, target: Target, part: Part) -> str:
    with changing("Application Auto Scaling", "PutScalingPolicy", secrets=()):
        answer = await aws.at(target).call("application-autoscaling", "put_scaling_policy", **part.body)
    return str(answer.get("PolicyARN", ""))


async def find_scheduled_action(aws: Aws, target: Target, part: Part) -> Found | None:
    found = await _scaling(
        aws,
        target,
        part,
        "describe_scheduled_actions",
        "ScheduledActions",
        ResourceId=part.body["ResourceId"],
        ScheduledActionNames=[part.name],
    )
    times = ("StartTime", "EndTime")  # the snapshot has them as texts
    return Found(body={name: value for name, value in found.items() if name not in times}) if found else None


async def make_scheduled_action(aws: Aws, target: Target, part: Part) -> str:
    with changing("Application Auto Scaling", "PutScheduledAction", secrets=()):
        await aws.at(target).call("application-autoscaling", "put_scheduled_action", **part.body)
    return ""


async def _scaling(aws: Aws, target: Target, part: Part, operation: str, key: str, **named: Any) -> dict[str, Any]:
    with reading("Application Auto Scaling", operation.title().replace("_", "")):
        found = await aws.at(target).pages(
            "application-autoscaling", operation, key, ServiceNamespace=part.body["ServiceNamespace"], **named
        )
    body = part.body
    wanted = {name: body[name] for name in ("ScalableDimension", "PolicyName", "ScheduledActionName") if name in body}
    return next((each for each in found if all(each.get(name, is_) == is_ for name, is_ in wanted.items())), {})


async def find_alarm(aws: Aws, target: Target, part: Part) -> Found | None:
    kind = "CompositeAlarm" if part.kind is Kind.COMPOSITE_ALARM else "MetricAlarm"
    with reading("CloudWatch", "DescribeAlarms"):
        found = await aws.at(target).pages(
            "cloudwatch", "describe_alarms", f"{kind}s", AlarmNames=[part.name], AlarmTypes=[kind]
        )
    return Found(str(found[0].get("AlarmArn", "")), found[0]) if found else None


async def make_alarm(aws: Aws, target: Target, part: Part) -> str:
    if part.kind is Kind.COMPOSITE_ALARM:
        with changing("CloudWatch", "PutCompositeAlarm"):
            await aws.at(target).call("cloudwatch", "put_composite_alarm", **part.body)
    else:
        with changing("CloudWatch", "PutMetricAlarm"):
            await aws.at(target).call("cloudwatch", "put_metric_alarm", **part.body)
    found = await find_alarm(aws, target, part)
    return found.id if found else ""


async def find_dashboard(aws: Aws, target: Target, part: Part) -> Found | None:
    body = await dashboard_body(aws, target, part.name)
    if body is None:
        return None
    same = json.loads(body) == json.loads(part.body["DashboardBody"])
    return Found(body={"DashboardBody": part.body["DashboardBody"] if same else body})


async def make_dashboard(aws: Aws, target: Target, part: Part) -> str:
    with changing("CloudWatch", "PutDashboard"):
        await aws.at(target).call("cloudwatch", "put_dashboard", **part.body)
    return ""


async def dashboard_body(aws: Aws, target: Target, name: str) -> str | None:
    """Return a dashboard as JSON; None where there is none of this name."""
    try:
        with reading("CloudWatch", "GetDashboard"):
            answer = await aws.at(target).call("cloudwatch", "get_dashboard", DashboardName=name)
    except AwsError as error:
        if error.code in {"ResourceNotFound", "DashboardNotFoundError"}:
            return None
        raise
    return str(answer["DashboardBody"])
