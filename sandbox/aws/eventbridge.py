"""EventBridge, as far as ECS speaks to it: moto keeps buses, rules and targets."""

import json

from moto.events.models import events_backends

from sandbox.aws.ecs.state_changes import StateChange
from sandbox.aws.world import ACCOUNT, REGION


def publish(change: StateChange) -> None:
    """Send to the targets of the default bus's rules that it matches. Without rules it costs nothing."""
    backend = events_backends[ACCOUNT][REGION]
    if not backend.describe_event_bus("default").rules:
        return
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
