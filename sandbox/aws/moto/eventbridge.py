"""EventBridge, as far as ECS speaks to it: moto keeps buses, rules and targets."""

import json
from collections.abc import Callable

from moto.events.models import EventsBackend, events_backends

from sandbox.aws.accounts import Place
from sandbox.aws.ecs.region import Ecs
from sandbox.aws.ecs.state_changes import StateChange, StateChanges
from sandbox.aws.ecs.tasks import Task


def publish(
    place: Place, changes: StateChanges, ecs: Ecs, lost: Callable[[], bool], tasks: list[Task], now: float
) -> None:
    """Send new events, unless ``lost``, to the targets of those rules of the default bus that they match."""
    backend = events_backends[place.account][place.region]
    has_rules = bool(backend.describe_event_bus("default").rules)
    for change in changes.new(ecs.services.values(), tasks, now):
        if has_rules and not lost():
            _put(backend, change)


def _put(backend: EventsBackend, change: StateChange) -> None:
    backend.put_events(
        [
            {
                "Source": "aws.ecs",
                "DetailType": change.kind,
                "Detail": json.dumps(change.detail),
                "Resources": [change.resource],
                "Time": change.at,
            }
        ]
    )
