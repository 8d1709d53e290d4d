"""Scripted outside events of a rehearsal: deployments by hand, autoscaling, a database outage."""

import asyncio
from collections.abc import Iterable
from typing import Any

from sandbox.aws.server.in_process import InProcessAws
from sandbox.aws.server.seed import CLUSTER, SERVICE
from sandbox.scenarios.model import ScheduledIncident, World
from sandbox.virtual.aws import InProcessConnection

ALARM_SECONDS = 240.0
"""Product seconds before the request at which an alarm is created, so that it can fire by then."""
STEADY_SECONDS = 240.0
"""Product seconds before the request at which the service gets its tasks, so that it is steady by then."""
SPOT = {"capacityProvider": "FARGATE_SPOT", "weight": 1}


class OutsideActors:
    def __init__(self, aws: InProcessAws, connection: InProcessConnection, tag: str) -> None:
        """``tag`` is that of the image that is deployed."""
        self._aws = aws
        self._tag = tag
        self._connection = connection

    async def prepare(self, world: World) -> None:
        """Prepare the simulated world as the scenario describes it."""
        service = self._aws.world.ecs.service({"cluster": CLUSTER, "service": SERVICE})
        if service.desired != world.tasks or world.spot:
            spot: Any = {"capacityProviderStrategy": [SPOT], "forceNewDeployment": True} if world.spot else {}
            self._update(desiredCount=world.tasks, **spot)
            await asyncio.sleep(STEADY_SECONDS)
        if world.strategy != "ROLLING":
            self._update(deploymentConfiguration={"strategy": world.strategy, "bakeTimeInMinutes": 1})
        for alarm in world.alarms:
            self._connection.client("cloudwatch").put_metric_alarm(
                AlarmName=alarm.name,
                Namespace="AWS/ECS",
                MetricName=alarm.metric,
                Dimensions=[{"Name": "ClusterName", "Value": CLUSTER}, {"Name": "ServiceName", "Value": SERVICE}],
                Statistic="Average",
                Period=60,
                EvaluationPeriods=1,
                Threshold=alarm.above,
                ComparisonOperator="GreaterThanThreshold",
            )
        if world.alarms:
            await asyncio.sleep(ALARM_SECONDS)

    async def happen(self, incidents: Iterable[ScheduledIncident]) -> None:
        """Let each incident happen at its time, counted from now."""
        begun = asyncio.get_running_loop().time()
        for incident in sorted(incidents, key=lambda incident: incident.at):
            await asyncio.sleep(begun + incident.at - asyncio.get_running_loop().time())
            if incident.moves_tag_to is not None:
                tags = self._aws.world.registry.tags
                tags[self._tag] = tags[incident.moves_tag_to]
            self._aws.happen(incident)

    def _update(self, **changes: Any) -> None:
        self._connection.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, **changes)
