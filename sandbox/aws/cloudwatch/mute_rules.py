"""Alarm mute rules: while one is active, its alarms change their state and nobody is told.

Source: PutAlarmMuteRule and ListAlarmMuteRules in the CloudWatch API Reference. Of schedules ``at(…)`` alone acts here.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.models import CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

Now = Callable[[], float]
_AT = re.compile(r"^at\((\d{4}-\d\d-\d\dT\d\d:\d\d)\)$")
_DURATION = re.compile(r"^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?$")
_KEPT = "alarm_mute_rules"
"""The attribute of moto's backend that has the rules, by name."""


@dataclass(frozen=True, slots=True)
class MuteRule:
    name: str
    arn: str
    alarms: frozenset[str]
    begins: float
    """Product time, epoch seconds; also ``ends``."""
    ends: float

    def status(self, now: float) -> str:
        if now < self.begins:
            return "SCHEDULED"
        return "ACTIVE" if now < self.ends else "EXPIRED"


def mute_rule_patches(now: Now) -> Mapping[tuple[object, str], object]:
    """Return (owner, name) → what moto lacks; ``now`` returns product time in epoch seconds."""

    def put_alarm_mute_rule(self: CloudWatchResponse) -> ActionResult:
        rule = _rule(self._get_params(), self.cloudwatch_backend)
        _rules(self.cloudwatch_backend)[rule.name] = rule
        return ActionResult({})

    def list_alarm_mute_rules(self: CloudWatchResponse) -> ActionResult:
        asked = self._get_params()
        name, statuses = asked.get("AlarmName"), asked.get("Statuses")
        found = [
            {"AlarmMuteRuleArn": rule.arn, "Status": rule.status(now()), "MuteType": "ONE_TIME"}
            for rule in _rules(self.cloudwatch_backend).values()
            if (name is None or name in rule.alarms) and (not statuses or rule.status(now()) in statuses)
        ]
        return ActionResult({"AlarmMuteRuleSummaries": found})

    return {
        (CloudWatchResponse, "put_alarm_mute_rule"): put_alarm_mute_rule,
        (CloudWatchResponse, "list_alarm_mute_rules"): list_alarm_mute_rules,
    }


def muted(backend: CloudWatchBackend, now: float) -> frozenset[str]:
    """Return the names of the alarms that a rule mutes at ``now``."""
    active: Iterable[MuteRule] = (rule for rule in _rules(backend).values() if rule.status(now) == "ACTIVE")
    return frozenset(name for rule in active for name in rule.alarms)


def _rules(backend: CloudWatchBackend) -> dict[str, MuteRule]:
    found: dict[str, MuteRule] = backend.__dict__.setdefault(_KEPT, {})
    return found


def _rule(asked: Mapping[str, Any], backend: CloudWatchBackend) -> MuteRule:
    schedule, name = asked["Rule"]["Schedule"], str(asked["Name"])
    begins, seconds = _at(str(schedule["Expression"])), _seconds(str(schedule["Duration"]))
    alarms = frozenset(asked.get("MuteTargets", {}).get("AlarmNames") or ())
    if not alarms or len(alarms) > 100:
        raise ValidationError("A mute rule has between 1 and 100 alarms.")
    arn = f"arn:aws:cloudwatch:{backend.region_name}:{backend.account_id}:alarm-mute-rule:{name}"
    return MuteRule(name, arn, alarms, begins, begins + seconds)


def _at(expression: str) -> float:
    found = _AT.match(expression)
    if found is None:
        raise ValidationError("The sandbox knows schedules of the form at(yyyy-MM-ddThh:mm) only.")
    return datetime.fromisoformat(found[1]).replace(tzinfo=UTC).timestamp()


def _seconds(duration: str) -> float:
    found = _DURATION.match(duration)
    days, hours, minutes = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    total = days * 86_400 + hours * 3_600 + minutes * 60
    if not 60 <= total <= 15 * 86_400:
        raise ValidationError("The duration of a mute rule is between PT1M and P15D.")
    return float(total)
