"""CloudTrail's event history: who changed a service's version, its desired count or its limits.

It is for people: minutes late (five on average, 15 at most), slow, and often not allowed. No decision waits for it.
Of a call only names, counts and the caller are kept; what else was sent may hold secrets.

Source: CloudTrail API reference, LookupEvents; user guide, "CloudTrail record contents".
"""

import json
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from contracts.base import Target
from contracts.prose import quote
from services._aws.body import Body, epoch
from services._aws.errors import AwsError, reading
from services._chassis.aws import Aws
from services._chassis.clock import moment
from services.recovery.domain.moves.trail import Trail, TrailCall

OPERATIONS = ("UpdateService", "RegisterScalableTarget", "StopServiceDeployment")
"""The calls that change a version, a desired count or limits; CloudTrail takes one name for each look-up."""
OF_TASK_SETS = "UpdateServicePrimaryTaskSet"
"""The call that changes the version of a service that ECS does not deploy itself."""
PAGE = 50
"""Events of a page, the most that CloudTrail gives."""
MOST_PAGES = 4
"""Pages that are read of each operation; what came before them is not known."""
_LONGEST = 160


async def look_up(aws: Aws, target: Target, operations: Sequence[str], since: float) -> Trail:
    """Return the calls since then (epoch seconds) in the target's account and region. No error is raised."""
    calls: list[TrailCall] = []
    reached = since
    for operation in operations:
        try:
            found, complete = await _pages(aws, target, operation, since)
        except AwsError as error:
            return Trail(_sorted(calls), inf, _why(error), denied=error.denied)
        calls += found
        if not complete and found:
            reached = max(reached, min(call.at for call in found))
    unread = "" if reached <= since else f"it tells more calls than are read: those before {moment(reached):%H:%M} UTC"
    return Trail(_sorted(calls), reached, unread)


def _why(error: AwsError) -> str:
    return "not allowed: cloudtrail:LookupEvents" if error.denied else str(error)


def _sorted(calls: Sequence[TrailCall]) -> tuple[TrailCall, ...]:
    return tuple(sorted(calls, key=lambda call: (call.at, call.event_id), reverse=True))


async def _pages(aws: Aws, target: Target, operation: str, since: float) -> tuple[list[TrailCall], bool]:
    """Return the calls of an operation that AWS took, and whether these are all."""
    found: list[TrailCall] = []
    token: dict[str, str] = {}
    for _ in range(MOST_PAGES):
        with reading("CloudTrail", "LookupEvents"):
            page = await aws.at(target).call(
                "cloudtrail",
                "lookup_events",
                LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": operation}],
                StartTime=moment(since),
                MaxResults=PAGE,
                **token,
            )
        events = [call_of(event) for event in page.get("Events") or ()]
        found += [call for call in events if call is not None]
        if not page.get("NextToken"):
            return found, True
        token = {"NextToken": str(page["NextToken"])}
    return found, False


def call_of(event: Mapping[str, Any]) -> TrailCall | None:
    """Return an event of LookupEvents; None for a call that was refused, or that cannot be read."""
    try:
        record = json.loads(event.get("CloudTrailEvent") or "{}")
    except ValueError:
        return None
    if not isinstance(record, dict) or record.get("errorCode"):
        return None
    identity, asked = _part(record, "userIdentity"), _part(record, "requestParameters")
    at = _time(event, record)
    if at is None:
        return None
    cluster, service = _named(asked)
    return TrailCall(
        event_id=_text(record.get("eventID") or event.get("EventId")),
        at=at,
        operation=_text(record.get("eventName") or event.get("EventName")),
        cluster=cluster,
        service=service,
        principal=_text(identity.get("arn") or identity.get("principalId")),
        agent=_text(record.get("userAgent"), 1024),
        invoked_by=_text(identity.get("invokedBy")),
        in_console=str(record.get("sessionCredentialFromConsole", "")).lower() == "true",
        user=identity.get("type") in {"IAMUser", "Root"},
        desired=_count(asked.get("desiredCount")),
        task_definition=_text(asked.get("taskDefinition"), 400),
        forced=bool(asked.get("forceNewDeployment")),
        low=_count(asked.get("minCapacity")),
        high=_count(asked.get("maxCapacity")),
        suspends=bool(asked.get("suspendedState")),
        deployment_id=_begun(_part(record, "responseElements")),
    )


def _part(record: Body, name: str) -> Body:
    found = record.get(name)
    return found if isinstance(found, dict) else {}


def _time(event: Mapping[str, Any], record: Body) -> float | None:
    found = epoch(record.get("eventTime"))
    return epoch(event.get("EventTime")) if found is None else found


def _named(asked: Body) -> tuple[str, str]:
    """Return the names of the cluster and the service that a call is about; a name left out is ECS's ``default``."""
    resource = str(asked.get("resourceId") or "").split("/")
    if resource[0] == "service" and len(resource) == 3:
        return _text(resource[1]), _text(resource[2])
    deployment = str(asked.get("serviceDeploymentArn") or "").split("/")
    if len(deployment) == 4:
        return _text(deployment[1]), _text(deployment[2])
    cluster = str(asked.get("cluster") or "default").rpartition("/")[2]
    return _text(cluster), _text(str(asked.get("service") or "").rpartition("/")[2])


def _begun(answer: Body) -> str:
    """Return the id of the deployment that is PRIMARY in ECS's answer."""
    deployments = _part(answer, "service").get("deployments")
    known = [each for each in deployments if isinstance(each, dict)] if isinstance(deployments, list) else []
    return next((_text(each.get("id")) for each in known if each.get("status") == "PRIMARY"), "")


def _text(value: object, most: int = _LONGEST) -> str:
    return quote(str(value), most) if value else ""


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
