"""What each of the seven services may do at AWS: the table from which ``surefoot iam`` makes a role for each.

A test holds it against the calls in the code, and against those of rehearsed deployments.
"""

from collections.abc import Mapping

from contracts.topics import Party

_FINDS = ("ecs:DescribeServices", "ecs:ListClusters", "ecs:ListServices")
_LISTENERS = (
    "elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeTargetGroups",
)  # fmt: skip
_TASKS = ("ecs:DescribeTasks", "ecs:ListTasks")
_NETWORK = ("ec2:DescribeSecurityGroups", "ec2:DescribeSubnets")

RIGHTS: Mapping[Party, tuple[str, ...]] = {
    Party.ORCHESTRATOR: _FINDS,
    Party.MONITOR: (
        *_FINDS, *_TASKS, *_LISTENERS,
        "ecs:DescribeTaskDefinition", "ecs:ListServiceDeployments",
        "elasticloadbalancing:DescribeTargetGroupAttributes", "cloudwatch:DescribeAlarmHistory",
        "cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData", "cloudwatch:ListAlarmMuteRules",
        "cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm",
        "cloudwatch:DeleteDashboards", "cloudwatch:GetDashboard", "cloudwatch:PutDashboard", "rds:DescribeDBInstances",
    ),
    Party.HEALTH: (
        *_FINDS, *_TASKS, *_LISTENERS,
        "ecs:DescribeServiceDeployments", "elasticloadbalancing:DescribeTargetHealth",
        "cloudwatch:GetMetricData", "rds:DescribeDBInstances", "secretsmanager:GetSecretValue",
    ),
    Party.DIAGNOSTICS: (*_FINDS, *_TASKS, "elasticloadbalancing:DescribeTargetHealth"),
    Party.OPTIMIZER: (
        *_FINDS,
        "ecs:DescribeTaskDefinition", "application-autoscaling:DescribeScalingPolicies", "cloudwatch:GetMetricData",
    ),
    Party.VALIDATOR: (
        *_FINDS, *_TASKS, *_LISTENERS, *_NETWORK,
        "ecs:DescribeServiceRevisions", "ecs:DescribeTaskDefinition", "ecs:ListServiceDeployments",
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        "ecr:BatchGetImage", "ecr:DescribePullThroughCacheRules", "ecr:GetDownloadUrlForLayer",
        "cloudwatch:GetMetricData", "iam:GetRole", "rds:DescribeDBInstances", "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue", "ssm:DescribeParameters",
    ),
    Party.RECOVERY: (
        *_FINDS, *_TASKS, *_LISTENERS, *_NETWORK,
        "ecs:DescribeServiceDeployments", "ecs:DescribeServiceRevisions", "ecs:DescribeTaskDefinition",
        "ecs:ListServiceDeployments", "ecs:ListServicesByNamespace", "ecs:ListTaskDefinitions",
        "ecs:RegisterTaskDefinition", "ecs:RunTask",
        "ecs:StopTask", "ecs:UpdateService", "logs:GetLogEvents",
        "elasticloadbalancing:DescribeTargetGroupAttributes", "elasticloadbalancing:DescribeTargetHealth",
        "application-autoscaling:DescribeScalableTargets", "application-autoscaling:DescribeScalingPolicies",
        "application-autoscaling:DescribeScheduledActions", "application-autoscaling:RegisterScalableTarget",
        "application-autoscaling:DescribeScalingActivities", "cloudformation:DescribeStacks", "cloudtrail:LookupEvents",
        "cloudwatch:DescribeAlarms", "cloudwatch:GetDashboard", "cloudwatch:GetMetricData",
        "ecr:BatchGetImage", "ecr:DescribeImages", "ecr:DescribePullThroughCacheRules", "ecr:GetLifecyclePolicy",
        "ecs:DescribeClusters", "logs:DescribeLogGroups", "servicequotas:GetServiceQuota",
        "acm:DescribeCertificate", "elasticfilesystem:DescribeAccessPoints", "elasticfilesystem:DescribeFileSystems",
        "elasticfilesystem:DescribeMountTargets", "kms:DescribeKey", "sns:GetTopicAttributes",
        "iam:GetRole", "secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "ssm:DescribeParameters",
        "s3:DeleteObject", "s3:GetBucketPublicAccessBlock", "s3:GetBucketVersioning", "s3:GetObject", "s3:ListBucket",
        "s3:PutObject",
        "servicediscovery:GetNamespace", "servicediscovery:GetService", "servicediscovery:ListInstances",
        "servicediscovery:ListNamespaces", "servicediscovery:ListServices",
    ),
}  # fmt: skip
"""Service → the actions that authorise its calls of AWS."""

RECREATION = (
    "application-autoscaling:PutScalingPolicy", "application-autoscaling:PutScheduledAction",
    "cloudwatch:PutCompositeAlarm", "cloudwatch:PutDashboard", "cloudwatch:PutMetricAlarm",
    "ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress", "ec2:CreateSecurityGroup",
    "ec2:RevokeSecurityGroupEgress", "ecs:CreateService", "elasticloadbalancing:CreateListener",
    "elasticloadbalancing:CreateRule", "elasticloadbalancing:CreateTargetGroup",
    "elasticloadbalancing:ModifyTargetGroupAttributes", "logs:CreateLogGroup", "logs:PutRetentionPolicy",
    "servicediscovery:CreateService",
)  # fmt: skip
"""What recovery calls besides to make a service again; its role has that only where ``surefoot iam`` is asked for it.

A rollback needs none of it, so that nobody who has taken over recovery can make anything with the usual role.
"""

ALONG_WITH: Mapping[str, tuple[str, ...]] = {
    "ecs:RegisterTaskDefinition": ("ecs:TagResource", "iam:PassRole"),
    "ecs:RunTask": ("iam:PassRole",),
    "s3:GetObject": ("kms:Decrypt",),
    "s3:PutObject": ("kms:GenerateDataKey",),
}
"""Action → others that AWS demands for the same call: for the task's tags and its roles, and for a snapshot's key."""

_LISTS = "a name that is not there: the answer lists those that are"
_WRONG_NAME = {"ecs:ListClusters": _LISTS, "ecs:ListServices": _LISTS}
_HEADERS = {"secretsmanager:GetSecretValue": "a policy that sends headers, for their values"}
_NO_TASKS_LEFT = "a service whose tasks may all stop before others start: how long its starts take"

_MIGRATION = "a database migration: the one task that runs it"
_AGAIN = "making a service again from a snapshot, and showing what is missing of it"
_OTHERS = f"{_AGAIN}: what it names and others own"
_NAMED = "a service that others find by Cloud Map or by Service Connect"
_MOVED = "who has changed a service: `surefoot moved`, and a look where something has changed"
_WAY_BACK = (
    "whether one can go back: a look once an hour, `surefoot ready`, and before an alert rolls back outside a run"
)

_SOON = "whether a lifecycle policy deletes an image of the way back: a look once an hour, and `surefoot ready`"

RARELY: Mapping[Party, Mapping[str, str]] = {
    Party.ORCHESTRATOR: {**_WRONG_NAME, "ecs:DescribeServices": "a request over HTTP, which is answered at once"},
    Party.MONITOR: {
        **_WRONG_NAME,
        "cloudwatch:DeleteAlarms": "rules that the policy has dropped, and names of an earlier version",
        "cloudwatch:DeleteDashboards": "names of an earlier version",
        "ecs:DescribeTaskDefinition": _NO_TASKS_LEFT,
        "elasticloadbalancing:DescribeTargetGroupAttributes": _NO_TASKS_LEFT,
    },
    Party.HEALTH: {**_WRONG_NAME, **_HEADERS},
    Party.DIAGNOSTICS: {**_WRONG_NAME, "ecs:DescribeTasks": "tasks that have stopped: why"},
    Party.OPTIMIZER: _WRONG_NAME,
    Party.VALIDATOR: {
        **_WRONG_NAME,
        **_HEADERS,
        "ecr:DescribePullThroughCacheRules": "an image that is not in ECR, and that a cache may have",
        "ssm:DescribeParameters": "a task definition that takes secrets from Systems Manager",
    },
    Party.RECOVERY: {
        **_WRONG_NAME,
        **_HEADERS,
        "application-autoscaling:DescribeScalingActivities": _MOVED,
        "cloudformation:DescribeStacks": f"{_MOVED}, and a rollback: where its tags name a stack",
        "cloudtrail:LookupEvents": f"{_MOVED}: without it that is often not known, and nothing else is missing",
        "application-autoscaling:RegisterScalableTarget": "an emergency scaling of a service that is scaled by itself",
        "cloudwatch:GetMetricData": "an emergency scaling: whether resources are exhausted, and the database has room",
        "ecr:DescribeImages": _SOON,
        "ecr:DescribePullThroughCacheRules": _WAY_BACK,
        "ecr:GetLifecyclePolicy": _SOON,
        "ecs:RunTask": _MIGRATION,
        "ecs:StopTask": "a migration, where `recovery.migration_at_limit` or `recovery.migration_on_alert` is `stop`",
        "ecs:DescribeClusters": _AGAIN,
        "acm:DescribeCertificate": _OTHERS,
        "elasticfilesystem:DescribeAccessPoints": _OTHERS,
        "elasticfilesystem:DescribeFileSystems": _OTHERS,
        "elasticfilesystem:DescribeMountTargets": _OTHERS,
        "kms:DescribeKey": _OTHERS,
        "sns:GetTopicAttributes": _OTHERS,
        "ecs:ListServicesByNamespace": f"{_AGAIN}: {_NAMED}",
        "iam:GetRole": _WAY_BACK,
        "logs:GetLogEvents": "the last lines of a migration's log",
        "secretsmanager:DescribeSecret": _WAY_BACK,
        "servicequotas:GetServiceQuota": "whether the quota of Fargate vCPUs has room: as for the images",
        "ssm:DescribeParameters": _WAY_BACK,
        "s3:DeleteObject": "snapshots that are older than the policy keeps them",
        "s3:GetBucketPublicAccessBlock": "a look at how the bucket is protected",
        "s3:GetBucketVersioning": "a look at how the bucket is protected",
        "servicediscovery:GetNamespace": f"snapshots of {_NAMED}",
        "servicediscovery:GetService": f"snapshots of {_NAMED}",
        "servicediscovery:ListInstances": f"{_AGAIN}: {_NAMED}",
        "servicediscovery:ListNamespaces": f"snapshots of {_NAMED}",
        "servicediscovery:ListServices": f"{_AGAIN}: {_NAMED}",
    },
}
"""Service → the actions that an ordinary deployment does not need → what needs them."""
