"""CloudWatch's alarms: those that are there, and ours."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from services._aws.errors import changing, reading
from services._chassis.aws import Aws
from services.monitor.adapters.alarm_definitions import definition
from services.monitor.domain.alarms import Alarm
from services.monitor.domain.metrics import WatchedService
from services.monitor.domain.rules import Rule


@dataclass(frozen=True, slots=True)
class CloudWatchAlarms:
    aws: Aws
    metrics_namespace: str
    """The application's namespace."""
    topic: str | None
    """The ARN of the topic that is told."""

    async def all(self, target: Target, named: Collection[str]) -> tuple[Alarm, ...]:
        aws = self.aws.at(target)
        with reading("CloudWatch", "DescribeAlarms"):
            found = await aws.pages("cloudwatch", "describe_alarms", "MetricAlarms", AlarmTypes=["MetricAlarm"])
            if named:
                # at most 100 names go into one call, more than ECS takes for one service
                found += await aws.pages(
                    "cloudwatch",
                    "describe_alarms",
                    "CompositeAlarms",
                    AlarmNames=sorted(named)[:100],
                    AlarmTypes=["CompositeAlarm"],
                )
        return tuple(map(_alarm, found))

    async def put(self, target: Target, service: WatchedService, rule: Rule) -> str | None:
        alarm = definition(service, rule, self.metrics_namespace, self.topic)
        if alarm is None:
            return None
        with changing("CloudWatch", "PutMetricAlarm"):
            await self.aws.at(target).call("cloudwatch", "put_metric_alarm", **alarm)
        return str(alarm["AlarmName"])

    async def armed(self, target: Target, names: Collection[str]) -> frozenset[str]:
        with reading("CloudWatch", "DescribeAlarms"):
            answer = await self.aws.at(target).call("cloudwatch", "describe_alarms", AlarmNames=sorted(names))
        return frozenset(one["AlarmName"] for one in answer.get("MetricAlarms", ()) if one.get("ActionsEnabled"))


def _alarm(found: dict[str, Any]) -> Alarm:
    actions = found.get("AlarmActions") or []
    return Alarm(
        name=found["AlarmName"],
        firing=found.get("StateValue") == "ALARM",
        armed=bool(found.get("ActionsEnabled")),
        scales=bool(actions) and all(":scalingPolicy:" in action for action in actions),
        dimensions=frozenset((one["Name"], one["Value"]) for one in _dimensions(found)),
    )


def _dimensions(found: dict[str, Any]) -> list[dict[str, str]]:
    metrics = [query.get("MetricStat", {}).get("Metric", {}) for query in found.get("Metrics") or ()]
    return [one for metric in (found, *metrics) for one in metric.get("Dimensions") or ()]
