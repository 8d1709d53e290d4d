"""Those who act beside Surefoot in a rehearsal: people, an autoscaler, the database's own fate."""

import asyncio
from collections.abc import Iterable

from sandbox.aws.account import Account
from sandbox.aws.ecs import api as ecs
from sandbox.aws.ecs.answers import Answer
from sandbox.aws.seed import CLUSTER, FAMILY, SERVICE, task_definition
from sandbox.scenarios.model import Happening, World
from sandbox.virtual.aws import InProcessConnection

ALARM_SECONDS = 240.0
"""So long before the request an alarm is put up, that it may fire by then."""
SCALE_SECONDS = 120.0
"""So long before the request the service gets its tasks, that it may be steady by then."""


class Others:
    def __init__(self, account: Account, connection: InProcessConnection, tag: str) -> None:
        """``tag``: of the image that is being deployed."""
        self._account = account
        self._tag = tag
        self._connection = connection

    async def prepare(self, world: World) -> None:
        """Let the world be as the scenario wants it."""
        service = self._account.world.ecs.service({"cluster": CLUSTER, "service": SERVICE})
        if service.desired != world.tasks:
            self._update(desiredCount=world.tasks)
            await asyncio.sleep(SCALE_SECONDS)
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

    async def happen(self, happenings: Iterable[Happening]) -> None:
        """Act when the time has come, which is counted from now."""
        begun = asyncio.get_running_loop().time()
        for one in sorted(happenings, key=lambda one: one.at):
            await asyncio.sleep(begun + one.at - asyncio.get_running_loop().time())
            if one.database is not None:
                self._account.database(available=one.database == "back")
            if one.capacity is not None:
                self._account.world.ecs.capacity = one.capacity == "back"
            if one.metrics_late is not None:
                self._account.world.conditions.metrics_late = one.metrics_late
            if one.moves_tag_to is not None:
                tags = self._account.world.registry.tags
                tags[self._tag] = tags[one.moves_tag_to]
            if one.scale_to is not None:
                self._update(desiredCount=one.scale_to)
            if one.deploys is not None:
                image = f"{self._account.world.registry.uri}:{one.deploys}"
                made = self._call("RegisterTaskDefinition", {**task_definition(image), "family": FAMILY})
                self._update(taskDefinition=made["taskDefinition"]["taskDefinitionArn"])

    def _update(self, **changes: object) -> None:
        self._call("UpdateService", {"cluster": CLUSTER, "service": SERVICE, **changes})

    def _call(self, operation: str, request: dict[str, object]) -> Answer:
        with self._account.world.lock:
            self._account.world.step(self._account.now())
            return ecs.call(self._account.world.ecs, operation, request, self._account.world.now)
