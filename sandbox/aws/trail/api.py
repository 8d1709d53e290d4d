"""LookupEvents of CloudTrail, in AWS's JSON protocol (API reference, LookupEvents)."""

from collections.abc import Callable
from typing import Any

import orjson

from sandbox.aws.errors import AwsFault
from sandbox.aws.pages import page
from sandbox.aws.trail.events import Trail, TrailEvent

TARGET = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101"
MOST_RESULTS = 50
_ATTRIBUTES: dict[str, Callable[[TrailEvent], str]] = {
    "EventName": lambda event: event.name,
    "EventSource": lambda event: event.source,
    "EventId": lambda event: event.id,
    "Username": lambda event: event.username,
}


class CloudTrail:
    """Answers for one account and region. ``late``: the seconds after which an event can be looked up now."""

    def __init__(self, trail: Trail, late: Callable[[], float]) -> None:
        self._trail = trail
        self._late = late

    def call(self, operation: str, request: dict[str, Any], now: float) -> dict[str, Any]:
        if operation != "LookupEvents":
            raise AwsFault("UnsupportedOperationException", f"The simulated AWS has no {operation} of CloudTrail.")
        most = int(request.get("MaxResults") or MOST_RESULTS)
        if not 1 <= most <= MOST_RESULTS:
            raise AwsFault("InvalidMaxResultsException", "MaxResults must be between 1 and 50.")
        since, until = float(request.get("StartTime") or 0.0), float(request.get("EndTime") or now)
        if since > until:
            raise AwsFault("InvalidTimeRangeException", "The start time is after the end time.")
        known = [event for event in reversed(self._trail.events) if self._matches(event, request)]
        visible = [event for event in known if since <= event.time <= min(until, now - self._late())]
        shown, more = page(visible, {"nextToken": request.get("NextToken"), "maxResults": most}, MOST_RESULTS)
        token = {"NextToken": more["nextToken"]} if more else {}
        return {"Events": [_shown(event) for event in shown], **token}

    def _matches(self, event: TrailEvent, request: dict[str, Any]) -> bool:
        attributes = request.get("LookupAttributes") or []
        if len(attributes) > 1 or any(each.get("AttributeKey") not in _ATTRIBUTES for each in attributes):
            raise AwsFault("InvalidLookupAttributesException", "One lookup attribute of a known kind is allowed.")
        return all(_ATTRIBUTES[each["AttributeKey"]](event) == each.get("AttributeValue") for each in attributes)


def _shown(event: TrailEvent) -> dict[str, Any]:
    return {
        "EventId": event.id,
        "EventName": event.name,
        "ReadOnly": "false",
        "EventTime": event.time,
        "EventSource": event.source,
        "Username": event.username,
        "Resources": [],
        "CloudTrailEvent": orjson.dumps(event.document).decode(),
    }
