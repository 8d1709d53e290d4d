"""The scaling activities of Application Auto Scaling, in its own words (API reference, ScalingActivity)."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from sandbox.aws.errors import AwsFault
from sandbox.aws.pages import page

TARGET = "AnyScaleFrontendService"
OPERATION = "DescribeScalingActivities"
DIMENSION = "ecs:service:DesiredCount"


@dataclass(frozen=True, slots=True)
class Activity:
    id: str
    time: float
    resource: str
    """``service/cluster/name``."""
    description: str
    cause: str


@dataclass(slots=True)
class Activities:
    """The activities, the oldest first."""

    known: list[Activity] = field(default_factory=list)

    def add(self, now: float, resource: str, description: str, cause: str) -> None:
        id_ = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{now}:{len(self.known)}:{resource}"))
        self.known.append(Activity(id_, now, resource, description, cause))

    def call(self, operation: str, request: dict[str, Any], now: float) -> dict[str, Any]:
        """Answer DescribeScalingActivities. Raise ``AwsFault``."""
        del now
        if operation != OPERATION or request.get("ServiceNamespace") != "ecs":
            raise AwsFault("ValidationException", f"The simulated AWS has no {operation} of this namespace.")
        wanted = request.get("ResourceId")
        found = [each for each in reversed(self.known) if wanted in {None, each.resource}]
        paged = {"nextToken": request.get("NextToken"), "maxResults": request.get("MaxResults")}
        shown, more = page(found, paged, 50)
        token = {"NextToken": more["nextToken"]} if more else {}
        return {"ScalingActivities": [_shown(activity) for activity in shown], **token}


def _shown(activity: Activity) -> dict[str, Any]:
    return {
        "ActivityId": activity.id,
        "ServiceNamespace": "ecs",
        "ResourceId": activity.resource,
        "ScalableDimension": DIMENSION,
        "Description": activity.description,
        "Cause": activity.cause,
        "StartTime": activity.time,
        "EndTime": activity.time,
        "StatusCode": "Successful",
        "StatusMessage": activity.description.replace("Setting", "Successfully set").rstrip(".")
        + ". Change successfully fulfilled by ecs.",
    }
