"""Reads the alarms that a service has already, as CloudWatch has them: state, window, mute rules, evaluation.

Source: CloudWatch API reference, DescribeAlarms, DescribeAlarmHistory and ListAlarmMuteRules; CloudWatch user guide,
"Evaluating an alarm". Without ``AlarmTypes`` DescribeAlarms returns metric alarms only.
"""

import json
import re
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

import structlog

from contracts.base import Target
from contracts.prose import prose
from services._aws.errors import AwsError, reading
from services._chassis.aws import Aws
from services.monitor.domain.metrics import MINUTE
from services.monitor.domain.service_alarms import BEFORE, ServiceAlarm, ServiceAlarms

MOST = 100
"""The most alarms that one call of DescribeAlarms takes and returns."""
TYPES = {"MetricAlarm": "MetricAlarms", "CompositeAlarm": "CompositeAlarms", "LogAlarm": "LogAlarms"}
"""Type of alarm → its list in the answer."""
UNKNOWN_SPAN = 5 * MINUTE
"""Seconds over which an alarm is taken to be evaluated that does not say it: log alarms, and those of an expression."""
HISTORY = 3 * 3600.0
"""So far back it is asked when an alarm fired: the longest rollout, and what lies ``BEFORE`` it."""
LONGEST_REASON = 200
STARTING = frozenset({"CPUUtilization", "MemoryUtilization", "CpuUtilized", "MemoryUtilized"})
"""Metrics that are higher while tasks start; the latter two are those of Container Insights."""
_NAMED = re.compile(r'\b(?:ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*"?([^")]+?)"?\s*\)')
"""The alarms in an AlarmRule, by name or ARN (CloudWatch API reference, PutCompositeAlarm)."""

log = structlog.get_logger()


async def states_of(aws: Aws, target: Target, names: Collection[str]) -> ServiceAlarms:
    """Return these alarms. Raise ``AwsError`` where they cannot be described; what else is not read is said of each."""
    here = aws.at(target)
    found = await _described(here, sorted(names)[:MOST])
    children = {name for alarm in found if _is_firing(alarm) for name in _children(alarm)} - {_name(a) for a in found}
    parts = {_name(alarm): alarm for alarm in (*found, *(await _described(here, sorted(children)[:MOST])))}
    known = tuple([await _alarm(here, alarm, parts) for alarm in found])
    return ServiceAlarms(known=known, missing=tuple(sorted({*names} - {alarm.name for alarm in known})))


async def _described(aws: Aws, names: Collection[str]) -> list[dict[str, Any]]:
    if not names:
        return []
    with reading("CloudWatch", "DescribeAlarms"):
        answer = await aws.call("cloudwatch", "describe_alarms", AlarmNames=names, AlarmTypes=[*TYPES], MaxRecords=MOST)
    return [alarm for kind in TYPES.values() for alarm in answer.get(kind) or ()]


async def _alarm(aws: Aws, found: dict[str, Any], parts: dict[str, dict[str, Any]]) -> ServiceAlarm:
    own = _parts(found, parts)
    alarm = ServiceAlarm(
        name=_name(found),
        state=str(found.get("StateValue", "")),
        since=_seconds(found.get("StateTransitionedTimestamp") or found.get("StateUpdatedTimestamp")),
        reason=prose(str(found.get("StateReason") or ""))[:LONGEST_REASON],
        span=max(map(_span, own), default=UNKNOWN_SPAN),
        breached_from=_breached_from(found),
        keeps_state=found.get("TreatMissingData") == "ignore",
        warms_up=any(name in STARTING for part in own for name in _metrics(part)),
        evaluation=str(found.get("EvaluationState") or ""),
        muted=_suppressed(found),
    )
    if not _is_firing(found) or alarm.muted:
        return alarm
    muted, why_not = await _mute_rule(aws, alarm.name)
    fired, why_not_known = await _fired(aws, alarm)
    unread = tuple(filter(None, (why_not, why_not_known)))
    return alarm.model_copy(update={"muted": muted, "fired": fired, "unread": unread})


def _parts(found: dict[str, Any], known: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the metric alarms that a composite one fires for: those that fire, else all that it names."""
    if "AlarmRule" not in found:
        return [found]
    named = [known[name] for name in _children(found) if name in known]
    return [part for part in named if _is_firing(part)] or named


def _suppressed(found: dict[str, Any]) -> str:
    """Return why a composite alarm acts not, though it is armed; only such have a suppressor.

    Alarms whose actions are disabled count: like ECS, whoever names an alarm for deployments wants its state looked at.
    """
    suppressed = found.get("ActionsSuppressedBy")
    return f"its actions are suppressed by {found.get('ActionsSuppressor') or 'another alarm'}" if suppressed else ""


async def _mute_rule(aws: Aws, name: str) -> tuple[str, str]:
    """Return why the alarm is muted, and why that could not be read; one of them or both are empty."""
    try:
        with reading("CloudWatch", "ListAlarmMuteRules"):
            answer = await aws.call("cloudwatch", "list_alarm_mute_rules", AlarmName=name, Statuses=["ACTIVE"])
    except AwsError as error:
        return "", f"whether a mute rule holds for {name} is not known: {error}"
    rules = [str(rule.get("AlarmMuteRuleArn", "")) for rule in answer.get("AlarmMuteRuleSummaries") or ()]
    return (f"muted by {rules[0].rpartition(':')[2]}" if rules else ""), ""


async def _fired(aws: Aws, alarm: ServiceAlarm) -> tuple[tuple[float, ...], str]:
    """Return when the alarm began to fire before its present state, and why that could not be read."""
    if alarm.since is None:
        return (), ""
    end = datetime.fromtimestamp(alarm.since, UTC)
    try:
        with reading("CloudWatch", "DescribeAlarmHistory"):
            items = await aws.pages(
                "cloudwatch",
                "describe_alarm_history",
                "AlarmHistoryItems",
                AlarmName=alarm.name,
                AlarmTypes=[*TYPES],
                HistoryItemType="StateUpdate",
                StartDate=datetime.fromtimestamp(alarm.since - HISTORY - BEFORE, UTC),
                EndDate=end,
            )
    except AwsError as error:
        return (), f"whether {alarm.name} fired before the deployment is not known: {error}"
    at = (_seconds(item.get("Timestamp")) for item in items if _to_alarm(item))
    return tuple(sorted(moment for moment in at if moment is not None and moment < alarm.since)), ""


def _to_alarm(item: dict[str, Any]) -> bool:
    """Return whether an item of an alarm's history says that it began to fire."""
    return bool(_json(item.get("HistoryData")).get("newState", {}).get("stateValue") == "ALARM")


def _breached_from(found: dict[str, Any]) -> float | None:
    """Return the begin of the oldest of the newest points that broke the rule, as many as it takes to fire.

    ``StateReasonData`` has them for metric alarms, the newest first.
    """
    data, needed = _json(found.get("StateReasonData")), found.get("DatapointsToAlarm") or found.get("EvaluationPeriods")
    points = data.get("evaluatedDatapoints")
    compare, threshold = _BREAKS.get(str(found.get("ComparisonOperator"))), found.get("Threshold")
    if not isinstance(points, list) or compare is None or threshold is None or not needed:
        return None
    breaking = [
        moment
        for point in points
        if isinstance(point, dict) and compare(float(point.get("value", "nan")), float(threshold))
        if (moment := _moment(point.get("timestamp"))) is not None
    ]
    newest = sorted(breaking, reverse=True)[: int(needed)]
    return min(newest) if len(newest) == int(needed) else None


_BREAKS: dict[str, Any] = {
    "GreaterThanThreshold": float.__gt__,
    "GreaterThanOrEqualToThreshold": float.__ge__,
    "LessThanThreshold": float.__lt__,
    "LessThanOrEqualToThreshold": float.__le__,
}


def _json(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _moment(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None


def _seconds(at: Any) -> float | None:
    return at.timestamp() if isinstance(at, datetime) else None


def _is_firing(found: dict[str, Any]) -> bool:
    return found.get("StateValue") == "ALARM"


def _name(found: dict[str, Any]) -> str:
    return str(found["AlarmName"])


def _children(found: dict[str, Any]) -> list[str]:
    """Return the names of the alarms in a composite alarm's rule."""
    named = _NAMED.findall(str(found.get("AlarmRule") or ""))
    return [name.rpartition(":alarm:")[2] or name for name in named]


def _span(found: dict[str, Any]) -> float:
    periods = found.get("EvaluationPeriods") or 1
    stats = (query.get("MetricStat", {}).get("Period") or query.get("Period") for query in found.get("Metrics") or ())
    period = found.get("Period") or max((period for period in stats if period), default=None)
    return UNKNOWN_SPAN if period is None else float(period) * periods


def _metrics(found: dict[str, Any]) -> Iterable[str]:
    """Yield the names of the metrics that an alarm looks at."""
    yield str(found.get("MetricName") or "")
    for query in found.get("Metrics") or ():
        yield str(query.get("MetricStat", {}).get("Metric", {}).get("MetricName") or "")
