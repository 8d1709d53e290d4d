"""The operations that a healthy and a bad deployment call, when they do, and what their answers may lack.

A test plays deployments without harm and demands that their calls are exactly these.
"""

from dataclasses import dataclass
from enum import StrEnum


class When(StrEnum):
    """The part of a deployment in which AWS does harm."""

    ALWAYS = "always"
    BEFORE = "before"
    """Up to the change. UpdateService, by which the change is made, and what prepares it belong to it."""
    AFTER = "after"
    """From the change to the end, a rollback included."""
    ROLLBACK = "rollback"
    """Calls of a rollback."""


@dataclass(frozen=True, slots=True)
class Operation:
    """How a deployment uses one operation."""

    when: frozenset[When]
    """The parts in which it is called; never ``ALWAYS``."""
    optional: tuple[str, ...] = ()
    """Fields that its answer may lack, by the API reference or since AWS leaves out what is empty or unknown."""


def _at(*when: When, optional: tuple[str, ...] = ()) -> Operation:
    return Operation(frozenset(when), optional)


_B, _A, _R = When.BEFORE, When.AFTER, When.ROLLBACK
_TASK_DEFINITION = ("registeredAt", "registeredBy", "compatibilities", "requiresAttributes", "placementConstraints")
_DEPLOYMENT = ("createdAt", "startedAt", "updatedAt", "finishedAt", "statusReason")

OPERATIONS: dict[str, Operation] = {
    "application-autoscaling:DescribeScalableTargets": _at(_B, _A, optional=("CreationTime", "SuspendedState")),
    "application-autoscaling:DescribeScalingPolicies": _at(_B, _A, optional=("Alarms", "CreationTime")),
    "application-autoscaling:DescribeScheduledActions": _at(_B, _A, optional=("Timezone", "CreationTime")),
    "ec2:DescribeSecurityGroups": _at(_B, _A, optional=("tagSet", "groupDescription")),
    "ec2:DescribeSubnets": _at(_B, _A, optional=("tagSet", "availableIpAddressCount")),
    "ecr:BatchGetImage": _at(_B, _R, optional=("imageManifestMediaType",)),
    "ecs:DescribeServiceDeployments": _at(_R, optional=_DEPLOYMENT),
    "ecs:DescribeServiceRevisions": _at(_B, _A, _R, optional=("createdAt", "containerImages")),
    "ecs:DescribeServices": _at(
        _B, _A, _R, optional=("createdAt", "updatedAt", "events", "rolloutStateReason", "failedTasks", "tags")
    ),
    "ecs:DescribeTaskDefinition": _at(_B, _A, _R, optional=_TASK_DEFINITION),
    "ecs:DescribeTasks": _at(_B, _A, _R, optional=("createdAt", "startedAt", "stoppedReason", "healthStatus")),
    "ecs:ListServiceDeployments": _at(_B, _A, _R, optional=_DEPLOYMENT),
    "ecs:ListTaskDefinitions": _at(_B),
    "ecs:ListTasks": _at(_B, _A, _R),
    "ecs:RegisterTaskDefinition": _at(_B, optional=_TASK_DEFINITION),
    "ecs:UpdateService": _at(_B, _R, optional=("createdAt", "events", "deployments")),
    "elasticloadbalancing:DescribeListeners": _at(_B, _A, optional=("Certificates", "SslPolicy")),
    "elasticloadbalancing:DescribeLoadBalancers": _at(_B, _A, optional=("CreatedTime", "SecurityGroups")),
    "elasticloadbalancing:DescribeRules": _at(_B, _A),
    "elasticloadbalancing:DescribeTargetGroupAttributes": _at(_B, _A, _R),
    "elasticloadbalancing:DescribeTargetGroups": _at(_B, _A, _R, optional=("Matcher", "HealthCheckPath")),
    "elasticloadbalancing:DescribeTargetHealth": _at(_B, _A, _R, optional=("Reason", "Description", "HealthCheckPort")),
    "iam:GetRole": _at(_B, optional=("RoleLastUsed", "Description", "MaxSessionDuration")),
    "logs:DescribeLogGroups": _at(_B, _A),
    "monitoring:DescribeAlarmHistory": _at(_A),
    "monitoring:DescribeAlarms": _at(_B, _A),
    "monitoring:GetDashboard": _at(_B, _A),
    "monitoring:GetMetricData": _at(_B, _A),
    "monitoring:ListAlarmMuteRules": _at(_A),
    "monitoring:PutDashboard": _at(_A),
    "monitoring:PutMetricAlarm": _at(_A),
    "rds:DescribeDBInstances": _at(_A, optional=("InstanceCreateTime", "LatestRestorableTime")),
    "s3:GetObject": _at(_B, _A, _R),
    "s3:ListObjectsV2": _at(_B),
    "s3:PutObject": _at(_B, _A),
    "secretsmanager:DescribeSecret": _at(_B, optional=("LastAccessedDate", "RotationEnabled", "Description")),
    "sts:GetCallerIdentity": _at(_B),
}  # fmt: skip
"""``service:Operation``, the service as signatures name it → its use. Answers of CloudWatch can lack nothing here."""

OF_ALARMS = frozenset({
    "monitoring:DescribeAlarms", "monitoring:DescribeAlarmHistory", "monitoring:ListAlarmMuteRules",
})  # fmt: skip
"""What reads the alarms that a service has already: the service of their cells has one, which fires for many errors."""
NEEDED_BACK = frozenset({"s3:GetObject", "ecs:DescribeServices", "ecs:UpdateService"})
"""All that a rollback needs in order to be sent: the snapshot, what is live, and the change itself."""
NEEDED_FOR_ALARMS = frozenset({
    "monitoring:PutMetricAlarm", "ecs:DescribeServices", "elasticloadbalancing:DescribeTargetGroups",
})  # fmt: skip
"""All that Surefoot's own alarms need in order to be put: their names of the service and of its load balancer."""
