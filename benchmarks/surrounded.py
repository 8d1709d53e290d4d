"""A person who surrounds the sandbox's service with what services have, and compares what there is then and later."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from contracts.cloudwatch_names import dashboard_name
from sandbox.scenarios.service import Service
from surefoot.rehearsal.stage import Stage

LOGS = "/ecs/court-case-backend"
_ABOVE: Any = {"EvaluationPeriods": 2, "ComparisonOperator": "GreaterThanThreshold"}
_ID = re.compile(r"sg-[0-9a-f]+|arn:aws:(?:elasticloadbalancing|autoscaling):[^\"\\]+")
_MOMENTS = frozenset({
    "StateValue", "StateReason", "StateReasonData", "StateUpdatedTimestamp", "StateTransitionedTimestamp",
    "AlarmConfigurationUpdatedTimestamp", "CreationTime", "creationTime", "storedBytes", "ScalableTargetARN", "RuleArn",
    "CreateDate",
})  # fmt: skip
"""Fields that are others for what was made again."""
_COMPARED = (
    "attributes", "listeners", "rules", "scalable", "policies", "actions", "alarms", "composite", "dashboards", "logs",
    "names",
)  # fmt: skip


@dataclass
class Person:
    """Whoever owns the service. ``then`` and ``now``: what there was, and what there is."""

    service: Service
    then: dict[str, Any] = field(default_factory=dict)
    now: dict[str, Any] = field(default_factory=dict)

    def surround(self, stage: Stage) -> None:
        """Add alarms of three sorts, a composite one, steps of scaling, a dashboard, retention and a database."""
        groups = [group["TargetGroupArn"].rpartition(":")[2] for group in _groups(stage)]
        self._alarms(stage, groups)
        self._dashboard(stage, groups)
        _network(stage)
        stage.connection.client("logs").put_retention_policy(logGroupName=LOGS, retentionInDays=30)
        self.then = self.everything(stage)

    def look(self, stage: Stage) -> None:
        self.now = self.everything(stage)

    def _alarms(self, stage: Stage, groups: list[str]) -> None:
        service, cloudwatch = self.service, stage.connection.client("cloudwatch")
        named = {"ClusterName": service.cluster, "ServiceName": service.service_name}
        cloudwatch.put_metric_alarm(
            AlarmName="busy", Namespace="AWS/ECS", MetricName="CPUUtilization", Statistic="Average", Period=60,
            Dimensions=_dimensions(named), Threshold=95.0, AlarmActions=self._steps(stage), **_ABOVE,
        )  # fmt: skip
        for number, group in enumerate(groups):
            named = {"TargetGroup": group}
            metric = {
                "Namespace": "AWS/ApplicationELB", "MetricName": "RequestCount", "Dimensions": _dimensions(named),
            }  # fmt: skip
            counted: Any = {"Metric": metric, "Period": 60, "Stat": "Sum"}
            cloudwatch.put_metric_alarm(
                AlarmName=f"requests-{number}", Threshold=1e9, **_ABOVE,
                Metrics=[
                    {"Id": "m", "MetricStat": counted, "ReturnData": False},
                    {"Id": "e", "Expression": "m * 2", "ReturnData": True},
                ],
            )  # fmt: skip
        cloudwatch.put_composite_alarm(AlarmName="all", AlarmRule='ALARM("busy")')

    def _steps(self, stage: Stage) -> list[str]:
        """Add steps of scaling, where something scales it; return their ARN, for the alarm that calls them."""
        scaling = stage.connection.client("application-autoscaling")
        if not scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]:
            return []
        policy = scaling.put_scaling_policy(
            PolicyName="steps", PolicyType="StepScaling", ServiceNamespace="ecs",
            ResourceId=f"service/{self.service.name}", ScalableDimension="ecs:service:DesiredCount",
            StepScalingPolicyConfiguration={
                "AdjustmentType": "ChangeInCapacity", "Cooldown": 60,
                "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
            },
        )  # fmt: skip
        return [str(policy["PolicyARN"])]

    def _dashboard(self, stage: Stage, groups: list[str]) -> None:
        """Add the dashboard that Surefoot makes of a service, as far as its name and its metrics go."""
        service = self.service
        metrics = [["AWS/ECS", "CPUUtilization", "ClusterName", service.cluster, "ServiceName", service.service_name]]
        metrics += [["AWS/ApplicationELB", "RequestCount", "TargetGroup", group] for group in groups]
        shown = {"region": "us-west-2", "metrics": metrics}
        widgets = [{"type": "metric", "x": 0, "y": 0, "width": 6, "height": 6, "properties": shown}]
        stage.connection.client("cloudwatch").put_dashboard(
            DashboardName=dashboard_name(service.cluster, service.service_name),
            DashboardBody=json.dumps({"widgets": widgets}),
        )

    def everything(self, stage: Stage) -> dict[str, Any]:
        """Return what there is, as AWS describes it."""
        client, named = stage.connection.client, {"services": [self.service.service_name]}
        scaling, cloudwatch = client("application-autoscaling"), client("cloudwatch")
        boards = [board["DashboardName"] for board in cloudwatch.list_dashboards()["DashboardEntries"]]
        return {
            "service": client("ecs").describe_services(cluster=self.service.cluster, **named)["services"][0],
            "security_groups": client("ec2").describe_security_groups()["SecurityGroups"],
            "scalable": scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"],
            "policies": scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"],
            "actions": scaling.describe_scheduled_actions(ServiceNamespace="ecs")["ScheduledActions"],
            "alarms": cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm"])["MetricAlarms"],
            "composite": cloudwatch.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"],
            "dashboards": {name: cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"] for name in boards},
            "logs": client("logs").describe_log_groups()["logGroups"],
            "names": client("servicediscovery").list_services()["Services"],
            **_entrance(stage),
        }

    @property
    def old_ids(self) -> set[str]:
        """Return what names something that is gone, as far as what there is now still has it."""
        there = {group["GroupId"] for group in self.now["security_groups"]}
        there |= {listener["LoadBalancerArn"] for listener in self.then["listeners"]}
        there |= {listener["ListenerArn"] for listener in self.now["listeners"]}
        there |= _ids(_groups_not_of(self.then)) | _ids(self.then["rules"]) & _ids(self.now["rules"])
        scheduled = {action["ScheduledActionARN"] for action in self.then["actions"]}  # named alike each time
        return _ids(self.then) & _ids(self.now) - there - scheduled


def settings(everything: dict[str, Any]) -> Any:
    """Return what there is with each id as an ellipsis, and without what no snapshot can bring back."""
    return _settings({name: everything[name] for name in _COMPARED} | {"rules of groups": _rules(everything)})


def _rules(everything: dict[str, Any]) -> dict[str, Any]:
    """Return name of a security group → its rules; those of others that named a group of the service are left out."""
    named = ("IpPermissions", "IpPermissionsEgress")
    return {
        group["GroupName"]: [group[name] for name in named]
        for group in everything["security_groups"]
        if group["GroupName"] != "database"
    }


def _settings(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _settings(part) for key, part in value.items() if key not in _MOMENTS}
    if isinstance(value, list):
        return sorted((_settings(part) for part in value), key=str)
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{16,17}", "…", str(value))


def _ids(found: Any) -> set[str]:
    """Return the ids and ARNs in what there is, and the ends of those under which metrics are counted."""
    names = set(_ID.findall(json.dumps(found, default=str)))
    return names | {arn.rpartition(":")[2] for arn in names if ":targetgroup/" in arn}


def _groups_not_of(everything: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the target groups that are not the service's."""
    own = {balancer["targetGroupArn"] for balancer in everything["service"]["loadBalancers"]}
    return [group for group in everything["target_groups"] if group["TargetGroupArn"] not in own]


def _entrance(stage: Stage) -> dict[str, Any]:
    balancing = stage.connection.client("elbv2")
    groups, listeners = _groups(stage), []
    for balancer in balancing.describe_load_balancers()["LoadBalancers"]:
        listeners += balancing.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    attributes = [
        balancing.describe_target_group_attributes(TargetGroupArn=group["TargetGroupArn"]) for group in groups
    ]
    rules = [
        rule
        for listener in listeners
        for rule in balancing.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
    ]
    return {
        "target_groups": groups,
        "attributes": [each["Attributes"] for each in attributes],
        "listeners": listeners,
        "rules": rules,
    }


def _groups(stage: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.connection.client("elbv2").describe_target_groups()["TargetGroups"]
    return found


def _network(stage: Stage) -> None:
    """Let the tasks reach one another, and a database that lets in nobody else."""
    ec2 = stage.connection.client("ec2")
    [own] = ec2.describe_security_groups(GroupNames=["backend"])["SecurityGroups"]
    rule = {"IpProtocol": "tcp", "UserIdGroupPairs": [{"GroupId": own["GroupId"]}]}
    among, reads = ({**rule, "FromPort": port, "ToPort": port} for port in (7000, 5432))
    ec2.authorize_security_group_ingress(GroupId=own["GroupId"], IpPermissions=[among])
    database = ec2.create_security_group(GroupName="database", Description="it", VpcId=own["VpcId"])["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=database, IpPermissions=[reads])


def _dimensions(named: dict[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in named.items()]
