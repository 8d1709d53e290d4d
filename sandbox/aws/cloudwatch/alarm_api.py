"""The alarm calls of moto's CloudWatch, made to keep, check and show what CloudWatch would."""

import itertools
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from moto.cloudwatch import models
from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.models import CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult

from sandbox.aws.cloudwatch import alarms
from sandbox.aws.cloudwatch.metric_math import InvalidExpression
from sandbox.aws.cloudwatch.mute_rules import mute_rule_patches

Now = Callable[[], float]

_STATE = (
    "history",
    "state_reason",
    "state_reason_data",
    "state_transitioned_timestamp",
    "state_updated_timestamp",
    "state_value",
)


def alarm_patches(now: Now) -> Mapping[tuple[object, str], object]:
    """Return (owner, name) → the replacement for moto's attribute; ``now`` returns product time in epoch seconds."""
    return {
        # moto's alarms begin as OK and take any nonsense.
        (models, "Alarm"): _checked_alarm(now),
        # moto forgets an alarm's state when it is put again.
        (CloudWatchBackend, "put_metric_alarm"): _put_metric_alarm(),
        # moto's takes an AlarmRule, and is called for plain alarms only.
        (CloudWatchResponse, "put_composite_alarm"): CloudWatchResponse.put_metric_alarm,
        # moto stamps the machine's time.
        (CloudWatchBackend, "set_alarm_state"): _set_alarm_state(now),
        # moto applies one filter at most, has no pages, and ignores AlarmTypes.
        (CloudWatchResponse, "describe_alarms"): _describe_alarms,
        # moto has neither of these.
        (CloudWatchResponse, "describe_alarm_history"): _describe_alarm_history,
        **mute_rule_patches(now),
    }


def _checked_alarm(now: Now) -> type[models.Alarm]:
    class Alarm(models.Alarm):
        """An alarm that is checked before moto keeps it, and has INSUFFICIENT_DATA until it is evaluated.

        Its name matters: moto's serializer finds ``name`` as AlarmName because the class is an Alarm.
        """

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            try:
                alarms.check(self)
            except InvalidExpression as error:
                raise ValidationError(f"{error}.") from error
            self.state_value = alarms.INSUFFICIENT_DATA
            self.configuration_updated_timestamp = alarms.naive(now())
            alarms.stamp(self, now())
            # The name under which moto's serializer looks for the field of the answer.
            self.metrics = [_data_query(query) for query in self.metric_data_queries] or None

    return Alarm


def _data_query(query: models.MetricDataQuery) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "Id": query.id,
        "Label": query.label,
        "Expression": query.expression,
        "ReturnData": alarms.is_returned(query),
        "Period": query.period,
    }
    if query.metric_stat is not None:
        how = query.metric_stat
        dimensions = [{"Name": dimension.name, "Value": dimension.value} for dimension in how.metric.dimensions]
        metric = {"Namespace": how.metric.namespace, "MetricName": how.metric.metric_name, "Dimensions": dimensions}
        answer["MetricStat"] = {"Metric": metric, "Period": how.period, "Stat": how.stat, "Unit": how.unit}
    return answer


def _put_metric_alarm() -> Callable[..., models.Alarm]:
    original = CloudWatchBackend.put_metric_alarm

    def put_metric_alarm(self: CloudWatchBackend, **asked: Any) -> models.Alarm:
        before = self.alarms.get(asked["name"])
        alarm = original(self, **asked)
        if before is not None:
            for name in _STATE:
                setattr(alarm, name, getattr(before, name))
        return alarm

    return put_metric_alarm


def _set_alarm_state(now: Now) -> Callable[..., None]:
    original = CloudWatchBackend.set_alarm_state

    def set_alarm_state(self: CloudWatchBackend, alarm_name: str, *rest: Any) -> None:
        original(self, alarm_name, *rest)
        alarms.stamp(self.alarms[alarm_name], now())

    return set_alarm_state


def _describe_alarms(self: CloudWatchResponse) -> ActionResult:
    asked = self._get_params()
    offset, size = read_token(asked.get("NextToken")), int(asked.get("MaxRecords") or 50)
    types = asked.get("AlarmTypes") or ["MetricAlarm"]
    found = [
        alarm
        for _, alarm in sorted(self.cloudwatch_backend.alarms.items())
        if ("MetricAlarm" if alarm.rule is None else "CompositeAlarm") in types and _described(alarm, asked)
    ]
    page = found[offset : offset + size]
    return ActionResult(
        {
            "MetricAlarms": [alarm for alarm in page if alarm.rule is None],
            "CompositeAlarms": [alarm for alarm in page if alarm.rule is not None],
            "NextToken": str(offset + size) if len(found) > offset + size else None,
        }
    )


def _describe_alarm_history(self: CloudWatchResponse) -> ActionResult:
    """Return the changes of one alarm's state, the newest first; other items of a history are not kept."""
    asked = self._get_params()
    alarm: Any = self.cloudwatch_backend.alarms.get(str(asked.get("AlarmName")))
    if alarm is None or asked.get("HistoryItemType") not in {None, "StateUpdate"}:
        return ActionResult({"AlarmHistoryItems": []})
    past = [(state, at) for _, _, _, state, at in alarm.history]
    states = [*past, (alarm.state_value, alarm.state_transitioned_timestamp)]
    items = [_update(alarm, old, new, at) for (old, _), (new, at) in itertools.pairwise(states)]
    start, end = (alarms.aware(asked.get(name)) for name in ("StartDate", "EndDate"))
    found = [
        item
        for item in reversed(items)
        if (start is None or start <= item["Timestamp"]) and (end is None or item["Timestamp"] <= end)
    ]
    return ActionResult({"AlarmHistoryItems": found})


def _update(alarm: Any, old: str, new: str, at: datetime) -> dict[str, Any]:
    data = {"version": "1.0", "oldState": {"stateValue": old}, "newState": {"stateValue": new}}
    return {
        "AlarmName": alarm.name,
        "AlarmType": "MetricAlarm" if alarm.rule is None else "CompositeAlarm",
        "Timestamp": alarms.aware(at),
        "HistoryItemType": "StateUpdate",
        "HistorySummary": f"Alarm updated from {old} to {new}",
        "HistoryData": json.dumps(data),
    }


def _described(alarm: models.Alarm, asked: Mapping[str, Any]) -> bool:
    names, state = asked.get("AlarmNames"), asked.get("StateValue")
    actions = (*alarm.alarm_actions, *alarm.ok_actions, *alarm.insufficient_data_actions)
    prefix = asked.get("ActionPrefix")
    return (
        (not names or alarm.name in names)
        and alarm.name.startswith(asked.get("AlarmNamePrefix") or "")
        and state in {None, alarm.state_value}
        and (prefix is None or any(action.startswith(prefix) for action in actions))
    )


class _InvalidNextToken(ServiceException):
    code = "InvalidNextToken"
    message = "The token is not one that this operation gave."


def read_token(token: str | None) -> int:
    """Return the index at which the token's page begins. Raise ``InvalidNextToken`` for an unknown token."""
    if not token:
        return 0
    if not token.isdecimal() or len(token) > 12:
        raise _InvalidNextToken
    return int(token)
