"""Scripted outside events of a rehearsal: deployments by hand, autoscaling, a database outage, an AWS that fails."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sandbox.aws.server.gateway import Gateway
from sandbox.aws.server.in_process import InProcessAws
from sandbox.scenarios.model import Scenario
from sandbox.scenarios.world import OF_REQUESTS, OF_TASKS, Alarm, ScheduledIncident
from sandbox.virtual.aws import InProcessConnection

ALARM_SECONDS = 240.0
"""Product seconds before the request at which an alarm is created, so that it can fire by then."""


class OutsideActors:
    def __init__(
        self, aws: InProcessAws, gateway: Gateway, connection: InProcessConnection, scenario: Scenario
    ) -> None:
        self._aws = aws
        self._gateway = gateway
        self._connection = connection
        self._scenario = scenario

    async def prepare(self) -> None:
        """Create the scenario's alarms, and give them the time to fire."""
        alarms = self._scenario.world.alarms
        for alarm in sorted(alarms, key=lambda alarm: alarm.rule is not None):  # after those that it names
            self._create(alarm)
        if alarms:
            await asyncio.sleep(ALARM_SECONDS)

    async def happen(self, before: float) -> None:
        """Let everything happen at its time; the request comes ``before`` seconds from now."""
        scenario = self._scenario
        acts: list[tuple[float, Callable[[], object]]] = [
            (incident.at, partial(self._happen, incident)) for incident in scenario.world.happenings
        ]
        acts += [(rule.at, partial(self._gateway.fault_rules.add, rule)) for rule in scenario.harm]
        await _at_their_times(acts, asyncio.get_running_loop().time() + before)

    def _happen(self, incident: ScheduledIncident) -> None:
        if incident.moves_tag_to is not None:
            tags = self._aws.world.registry.tags
            tags[self._scenario.name] = tags[incident.moves_tag_to]
        self._aws.happen(incident)

    def _create(self, alarm: Alarm) -> None:
        cloudwatch = self._connection.client("cloudwatch")
        if alarm.rule is not None:
            cloudwatch.put_composite_alarm(AlarmName=alarm.name, AlarmRule=alarm.rule)
        else:
            cloudwatch.put_metric_alarm(**self._metric_alarm(alarm))
        if alarm.muted:
            schedule = {
                "Expression": f"at({datetime.fromtimestamp(self._aws.now(), UTC):%Y-%m-%dT%H:%M})",
                "Duration": "P2D",
            }
            targets = {"AlarmNames": [alarm.name]}
            cloudwatch.put_alarm_mute_rule(Name=f"{alarm.name}-muted", Rule={"Schedule": schedule}, MuteTargets=targets)
        if alarm.evaluation_state is not None:
            self._aws.hinder(alarm.name, alarm.evaluation_state)

    def _metric_alarm(self, alarm: Alarm) -> dict[str, Any]:
        """Return the parameters of PutMetricAlarm."""
        service, metric = self._scenario.world.service, alarm.metric or ""
        of_service = {"ClusterName": service.cluster, "ServiceName": service.service_name}
        dimensions = self._aws.balancer_dimensions() if metric in OF_REQUESTS else of_service
        namespaces = {**dict.fromkeys(OF_TASKS, "AWS/ECS"), **dict.fromkeys(OF_REQUESTS, "AWS/ApplicationELB")}
        return {
            "AlarmName": alarm.name,
            "Namespace": namespaces.get(metric, self._aws.world.workload.namespace),
            "MetricName": metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            "Statistic": "Sum" if metric.endswith("_Count") else "Average",
            "Period": alarm.period,
            "EvaluationPeriods": alarm.evaluation_periods,
            "DatapointsToAlarm": alarm.datapoints_to_alarm or alarm.evaluation_periods,
            "Threshold": alarm.above,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": alarm.treat_missing_data,
        }


async def _at_their_times(acts: Sequence[tuple[float, Callable[[], object]]], request: float) -> None:
    """Do each at its time, in seconds after the request, which comes at ``request`` of the loop's time."""
    loop = asyncio.get_running_loop()
    for at, act in sorted(acts, key=lambda scheduled: scheduled[0]):
        await asyncio.sleep(max(0.0, request + at - loop.time()))
        act()
