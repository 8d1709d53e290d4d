"""The work of each product minute: metrics, alarms and their notices, the bounds of scaling."""

import json
from collections import deque
from datetime import UTC, datetime
from random import Random

from moto.applicationautoscaling.models import applicationautoscaling_backends
from moto.cloudwatch.models import Alarm, cloudwatch_backends
from moto.sns.models import sns_backends

from sandbox.aws.accounts import Place
from sandbox.aws.cloudwatch import alarms
from sandbox.aws.cloudwatch.alarms import Transition
from sandbox.aws.cloudwatch.metric_store import MetricStore
from sandbox.aws.cloudwatch.mute_rules import muted
from sandbox.aws.world import scaling, traffic
from sandbox.aws.world.views import ServiceView
from sandbox.aws.world.world import World

REGION_NAMES = {"us-west-2": "US West (Oregon)", "eu-south-1": "EU (Milan)"}
"""Region → its name in CloudWatch's notices."""


class Telemetry:
    """The metrics and alarms of one world."""

    def __init__(self, world: World, store: MetricStore, random: Random) -> None:
        self._world = world
        self._store = store
        self._random = random
        self._waiting: deque[tuple[float, list[ServiceView]]] = deque()
        """Minutes whose metrics are not published yet: the end of each, and the services at that time."""

    def remember(self, now: float, days: int) -> None:
        """Write the ``days`` before ``now`` as if everything had been as it is."""
        for view in self._world.views():
            traffic.seed_history(self._store, view, now, days, self._random)

    def minute(self, now: float) -> None:
        """Write the minute that ends at ``now``, in product epoch seconds; evaluate alarms and bounds."""
        place = self._world.workload.place
        self._waiting.append((now, self._world.views()))
        while self._waiting and self._waiting[0][0] <= now - self._world.conditions.metrics_late:
            at, views = self._waiting.popleft()
            for view in views:
                traffic.publish(self._store, view, at, self._random)
        silent = muted(cloudwatch_backends[place.account][place.region], now)
        for transition in alarms.step(_alarms(place).values(), self._store, now, silent):
            if not self._world.loses_event():
                _notify(place, transition, now)
        backend = applicationautoscaling_backends[place.account][place.region]
        targets = backend.targets.get("ecs:service:DesiredCount", {})
        scaling.on_schedule(self._world, targets, backend.scheduled_actions, now)
        scaling.enforce(self._world, targets.values())


def _alarms(place: Place) -> dict[str, Alarm]:
    return dict(cloudwatch_backends[place.account][place.region].alarms)


def _notify(place: Place, transition: Transition, now: float) -> None:
    """Publish to the topics among an alarm's actions what CloudWatch publishes."""
    topics = sns_backends[place.account][place.region].topics
    message = {
        "AlarmName": transition.alarm,
        "AWSAccountId": place.account,
        "Region": REGION_NAMES[place.region],
        "OldStateValue": transition.old,
        "NewStateValue": transition.new,
        "NewStateReason": transition.reason,
        "StateChangeTime": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
    }
    for arn in transition.actions:
        if arn in topics:
            subject = f'{transition.new}: "{transition.alarm}" in {REGION_NAMES[place.region]}'
            topics[arn].publish(json.dumps(message), subject=subject[:100])
