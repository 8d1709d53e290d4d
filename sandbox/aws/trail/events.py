"""The event history of CloudTrail in one account and region: every call that changes something, and who made it.

Of a call's parameters only those are kept that name a service, a version or a count: others may hold secrets.
Source: AWS CloudTrail user guide, "CloudTrail record contents" and "CloudTrail userIdentity element".
"""

import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

LATE = 300.0
"""Seconds after which an event can be looked up: on average about five minutes, 15 at most (CloudTrail user guide)."""
MOST_EVENTS = 20_000
SOURCES = {"application-autoscaling": "autoscaling"}
"""Service as signatures name it → as ``eventSource`` does, where that differs."""
_KEPT = (
    "cluster", "service", "serviceName", "serviceDeploymentArn", "desiredCount", "taskDefinition", "forceNewDeployment",
    "serviceNamespace", "resourceId", "scalableDimension", "minCapacity", "maxCapacity", "suspendedState",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call, and with what."""

    arn: str
    agent: str
    invoked_by: str = ""
    """The service of AWS that calls on behalf of somebody."""
    in_console: bool = False

    @property
    def identity(self) -> dict[str, Any]:
        """Return ``userIdentity``."""
        parts = self.arn.split(":")
        resource = parts[5].split("/")
        found: dict[str, Any] = {"arn": self.arn, "accountId": parts[4], "principalId": f"AIDA{resource[-1].upper()}"}
        if resource[0] == "assumed-role":
            issuer = {"type": "Role", "userName": resource[1], "accountId": parts[4]}
            found |= {"type": "AssumedRole", "sessionContext": {"sessionIssuer": issuer}}
        else:
            found |= {"type": "IAMUser", "userName": resource[-1]}
        return found | ({"invokedBy": self.invoked_by} if self.invoked_by else {})


@dataclass(frozen=True, slots=True)
class TrailEvent:
    id: str
    time: float
    """Product time, in epoch seconds."""
    name: str
    source: str
    document: Mapping[str, Any]

    @property
    def username(self) -> str:
        return str(self.document["userIdentity"]["arn"]).rpartition("/")[2]


@dataclass(slots=True)
class Trail:
    """The events, the oldest first."""

    region: str
    events: deque[TrailEvent] = field(default_factory=lambda: deque(maxlen=MOST_EVENTS))

    def add(
        self,
        now: float,
        service: str,
        operation: str,
        parameters: Mapping[str, Any],
        caller: Caller,
        effect: str = "",
        error: str = "",
    ) -> None:
        """Note a call. ``effect`` as the log of calls has it; ``error``: the code with which it was refused."""
        id_ = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{now}:{len(self.events)}:{operation}:{caller.arn}"))
        source = f"{SOURCES.get(service, service)}.amazonaws.com"
        asked = {f"{name[:1].lower()}{name[1:]}": value for name, value in parameters.items()}
        document: dict[str, Any] = {
            "eventVersion": "1.09",
            "userIdentity": caller.identity,
            "eventTime": f"{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%SZ}",
            "eventSource": source,
            "eventName": operation,
            "awsRegion": self.region,
            "sourceIPAddress": caller.invoked_by or "203.0.113.7",
            "userAgent": caller.agent,
            "requestParameters": {name: asked[name] for name in _KEPT if name in asked},
            "responseElements": _response(effect),
            "eventID": id_,
            "readOnly": False,
            "eventType": "AwsApiCall",
            "managementEvent": True,
        }
        if error:
            document["errorCode"] = error
        if caller.in_console:
            document["sessionCredentialFromConsole"] = "true"
        self.events.append(TrailEvent(id_, now, operation, source, document))


def _response(effect: str) -> dict[str, Any] | None:
    """Return of the answer what names the deployment that has begun."""
    deployment, _, version = effect.partition(", ")[0].partition(" ")
    if not deployment.startswith("ecs-svc/"):
        return None
    begun = {"id": deployment, "status": "PRIMARY", "taskDefinition": version}
    return {"service": {"deployments": [begun]}}
