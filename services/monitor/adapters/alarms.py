"""The alarms in CloudWatch: all that exist, and Surefoot's own."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from contracts.policy import Monitoring
from services._aws.errors import changing, reading
from services._chassis.aws import Aws
from services.monitor.adapters.alarm_definitions import definitions, is_of, prefixes
from services.monitor.adapters.alarm_states import states_of
from services.monitor.domain.alarms import Alarm
from services.monitor.domain.rules import Rule
from services.monitor.domain.service_alarms import ServiceAlarms
from services.monitor.domain.watched_service import WatchedService


@dataclass(frozen=True, slots=True)
class CloudWatchAlarms:
    aws: Aws

    async def all(self, target: Target, named: Collection[str]) -> tuple[Alarm, ...]:
        aws = self.aws.at(target)
        with reading("CloudWatch", "DescribeAlarms"):
            found = await aws.pages("cloudwatch", "describe_alarms", "MetricAlarms", AlarmTypes=["MetricAlarm"])
            for kind in ("CompositeAlarm", "LogAlarm") if named else ():
                # at most 100 names go into one call, more than ECS and a policy name for one service
                names = sorted(named)[:100]
                found += await aws.pages(
                    "cloudwatch", "describe_alarms", f"{kind}s", AlarmNames=names, AlarmTypes=[kind]
                )
        return tuple(map(_alarm, found))

    async def named(self, target: Target, names: Collection[str]) -> ServiceAlarms:
        return await states_of(self.aws, target, names)

    async def put(self, target: Target, service: WatchedService, rule: Rule, monitoring: Monitoring) -> tuple[str, ...]:
        names: list[str] = []
        for alarm in definitions(service, rule, monitoring.metrics_namespace, monitoring.alarms_topic):
            with changing("CloudWatch", "PutMetricAlarm"):
                await self.aws.at(target).call("cloudwatch", "put_metric_alarm", **alarm)
            names.append(str(alarm["AlarmName"]))
        return tuple(names)

    async def ours(self, target: Target, service: WatchedService) -> Mapping[str, bool]:
        found: list[dict[str, Any]] = []
        for prefix in prefixes(service):
            with reading("CloudWatch", "DescribeAlarms"):
                found += await self.aws.at(target).pages(
                    "cloudwatch",
                    "describe_alarms",
                    "MetricAlarms",
                    AlarmNamePrefix=prefix,
                    AlarmTypes=["MetricAlarm"],
                )
        return {
            alarm["AlarmName"]: bool(alarm.get("ActionsEnabled"))
            for alarm in found
            if is_of(service, alarm["AlarmName"], alarm.get("AlarmDescription", ""))
        }

    async def delete(self, target: Target, names: Collection[str]) -> None:
        with changing("CloudWatch", "DeleteAlarms"):
            await self.aws.at(target).call("cloudwatch", "delete_alarms", AlarmNames=sorted(names))


def _alarm(found: dict[str, Any]) -> Alarm:
    actions = found.get("AlarmActions") or []
    return Alarm(
        name=found["AlarmName"],
        firing=found.get("StateValue") == "ALARM",
        armed=bool(found.get("ActionsEnabled")),
        scales=bool(actions) and all(":scalingPolicy:" in action for action in actions),
        dimensions=frozenset((dimension["Name"], dimension["Value"]) for dimension in _dimensions(found)),
    )


def _dimensions(found: dict[str, Any]) -> list[dict[str, str]]:
    metrics = [query.get("MetricStat", {}).get("Metric", {}) for query in found.get("Metrics") or ()]
    return [dimension for metric in (found, *metrics) for dimension in metric.get("Dimensions") or ()]
