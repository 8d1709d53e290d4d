"""Scripted outside events of a rehearsal: deployments by hand, autoscaling, a database outage, an AWS that fails."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from sandbox.aws.server.gateway import Gateway
from sandbox.aws.server.in_process import InProcessAws
from sandbox.scenarios.model import Scenario
from sandbox.scenarios.world import Alarm, ScheduledIncident
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
        for alarm in self._scenario.world.alarms:
            self._create(alarm)
        if self._scenario.world.alarms:
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
        service = self._scenario.world.service
        self._connection.client("cloudwatch").put_metric_alarm(
            AlarmName=alarm.name,
            Namespace="AWS/ECS",
            MetricName=alarm.metric,
            Dimensions=[
                {"Name": "ClusterName", "Value": service.cluster},
                {"Name": "ServiceName", "Value": service.service_name},
            ],
            Statistic="Average",
            Period=60,
            EvaluationPeriods=1,
            Threshold=alarm.above,
            ComparisonOperator="GreaterThanThreshold",
        )


async def _at_their_times(acts: Sequence[tuple[float, Callable[[], object]]], request: float) -> None:
    """Do each at its time, in seconds after the request, which comes at ``request`` of the loop's time."""
    loop = asyncio.get_running_loop()
    for at, act in sorted(acts, key=lambda scheduled: scheduled[0]):
        await asyncio.sleep(max(0.0, request + at - loop.time()))
        act()
