"""The service itself, what scales it, its alarms and its dashboard."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from services.recovery.domain.change import Body
from services.recovery.domain.ecs_service import live_deployment
from services.recovery.domain.recreation.recreate_discovery import connect_of
from services.recovery.domain.recreation.recreate_parts import Kind, Part, own_tags
from services.recovery.domain.snapshots.snapshot import OF_DEPLOYMENT, RESTORED_SETTINGS, Snapshot

_ON_FARGATE = frozenset({"FARGATE", "FARGATE_SPOT"})
_OF_ALARM = (
    "AlarmName", "AlarmDescription", "ActionsEnabled", "OKActions", "AlarmActions", "InsufficientDataActions",
    "MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit", "EvaluationPeriods",
    "DatapointsToAlarm", "Threshold", "ComparisonOperator", "TreatMissingData", "EvaluateLowSampleCountPercentile",
    "Metrics", "ThresholdMetricId",
)  # fmt: skip
_OF_COMPOSITE = (
    "AlarmName", "AlarmDescription", "ActionsEnabled", "OKActions", "AlarmActions", "InsufficientDataActions",
    "AlarmRule", "ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod",
)  # fmt: skip
_OF_POLICY = (
    "PolicyName", "ServiceNamespace", "ResourceId", "ScalableDimension", "PolicyType",
    "StepScalingPolicyConfiguration", "TargetTrackingScalingPolicyConfiguration",
    "PredictiveScalingPolicyConfiguration",
)  # fmt: skip
_OF_ACTION = (
    "ServiceNamespace", "ScheduledActionName", "ResourceId", "ScalableDimension", "Schedule", "Timezone", "StartTime",
    "EndTime", "ScalableTargetAction",
)  # fmt: skip
"""What PutMetricAlarm, PutCompositeAlarm, PutScalingPolicy and PutScheduledAction take of what is described."""


def service(snapshot: Snapshot, count: int | None) -> Part:
    """Return the service. ``count``: how many tasks are wanted; None: as many as when the snapshot was taken."""
    then, target = snapshot.service, snapshot.target
    live = live_deployment(then)
    body: Body = {"cluster": target.cluster, "serviceName": target.service, "taskDefinition": snapshot.version}
    body |= {name: then[name] for name in RESTORED_SETTINGS if then.get(name) not in (None, [], {}, "NONE", False)}
    body |= {name: live[name] for name in (*OF_DEPLOYMENT, "vpcLatticeConfigurations") if live.get(name)}
    connect, namespace = connect_of(body), snapshot.surroundings.get("connect_namespace")
    if connect and namespace and not connect.get("namespace"):  # it was the default of its cluster
        body["serviceConnectConfiguration"] = {**connect, "namespace": namespace["Arn"]}
    body |= {"schedulingStrategy": then.get("schedulingStrategy", "REPLICA")}
    if body["schedulingStrategy"] != "DAEMON":
        body["desiredCount"] = wanted_tasks(snapshot, count)
    if "capacityProviderStrategy" not in body:
        body["launchType"] = then.get("launchType", "EC2")
    if not _on_fargate(body):
        body.pop("platformVersion", None)
    if "loadBalancers" not in body:
        body.pop("healthCheckGracePeriodSeconds", None)
    tags = own_tags(then.get("tags", ()), "key")
    return Part(Kind.SERVICE, target.service, body | ({"tags": tags} if tags else {}))


def _on_fargate(body: Mapping[str, Any]) -> bool:
    providers = {each.get("capacityProvider") for each in body.get("capacityProviderStrategy", ())}
    return body.get("launchType") == "FARGATE" or bool(providers & _ON_FARGATE)


def wanted_tasks(snapshot: Snapshot, count: int | None) -> int:
    """Return how many tasks are wanted: never a default, since one task may not bear the load of ten."""
    return int(snapshot.service["desiredCount"]) if count is None else count


def scaling(snapshot: Snapshot, now: datetime) -> Iterator[Part]:
    around = snapshot.surroundings
    for target in around.get("scalable_targets", ()):
        names = ("ServiceNamespace", "ResourceId", "ScalableDimension", "MinCapacity", "MaxCapacity", "SuspendedState")
        body = {name: target[name] for name in names if target.get(name) is not None}
        yield Part(Kind.SCALABLE_TARGET, target["ScalableDimension"], body)
    for policy in around.get("scaling_policies", ()):
        body = {name: policy[name] for name in _OF_POLICY if policy.get(name)}
        yield Part(Kind.SCALING_POLICY, policy["PolicyName"], body, ref=policy.get("PolicyARN", ""))
    for action in around.get("scheduled_actions", ()):
        body = {name: action[name] for name in _OF_ACTION if action.get(name)}
        if not _is_over(action, now):
            yield Part(Kind.SCHEDULED_ACTION, action["ScheduledActionName"], body)


def _is_over(action: Mapping[str, Any], now: datetime) -> bool:
    """Return whether a scheduled action does nothing any more; AWS refuses one whose only time is in the past."""
    end = _moment(action.get("EndTime"))
    once = str(action.get("Schedule", ""))
    if once.startswith("at("):
        end = _moment(once[3:-1] + "Z")  # in UTC, unless a time zone says otherwise: then it is a day early at most
    return end is not None and end < now


def _moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None


def alarms(snapshot: Snapshot, *, after_scaling: bool) -> Iterator[Part]:
    """Yield the alarms that are made before the service, or those that come after what scales it.

    ECS takes no service whose deployments watch an alarm that is not there. Alarms that call a scaling policy need its
    new ARN, and composite ones the alarms that they are made of.
    """
    watched = set(((snapshot.service.get("deploymentConfiguration") or {}).get("alarms") or {}).get("alarmNames") or ())
    for alarm in snapshot.surroundings.get("alarms", ()):
        scales = any(":scalingPolicy:" in action for action in alarm.get("AlarmActions", ()))
        if scales is after_scaling:
            yield _alarm(Kind.ALARM, alarm, _OF_ALARM)
    for alarm in snapshot.surroundings.get("composite_alarms", ()):
        if (alarm["AlarmName"] not in watched) is after_scaling:
            yield _alarm(Kind.COMPOSITE_ALARM, alarm, _OF_COMPOSITE)


def _alarm(kind: Kind, alarm: Mapping[str, Any], names: tuple[str, ...]) -> Part:
    body = {name: alarm[name] for name in names if alarm.get(name) not in (None, [], "")}
    return Part(kind, alarm["AlarmName"], body, ref=alarm.get("AlarmArn", ""))


def dashboards(snapshot: Snapshot) -> Iterator[Part]:
    for name, body in snapshot.surroundings.get("dashboards", {}).items():
        yield Part(Kind.DASHBOARD, name, {"DashboardName": name, "DashboardBody": body})
