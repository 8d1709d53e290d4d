"""On what of an account each action is allowed: by ARN where AWS has resources for it, else by region.

Which resources and which keys of conditions AWS knows for an action is in its Service Authorization Reference.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from contracts.base import Target
from contracts.cloudwatch_names import OURS
from services.recovery.domain.migration.migration_task import family_of

Condition = Mapping[str, Mapping[str, str | list[str]]]


@dataclass(frozen=True, slots=True)
class Grounds:
    """What Surefoot is to reach in one account."""

    account: str
    targets: tuple[Target, ...]
    """The services, all of this account."""
    databases: tuple[tuple[str, str], ...] = ()
    """(region, instance): the databases of the policy's services."""
    secrets: tuple[tuple[str, str], ...] = ()
    """(region, name or ARN): the secrets that the policy sends in headers."""
    topics: tuple[str, ...] = ()
    """ARNs of the SNS topics that Surefoot's alarms tell."""
    task_roles: tuple[str, ...] = ()
    """ARNs of the roles of the services' tasks: the task roles and the execution roles."""
    infrastructure_roles: tuple[str, ...] = ()
    """ARNs of the roles with which ECS itself manages volumes and load balancers for the services."""
    families: tuple[str, ...] = ("*",)
    repositories: tuple[str, ...] = ()
    """ARNs of the repositories of images; empty: all of the account."""
    bucket: str | None = None
    """The bucket of the snapshots; None in an account that is not Surefoot's own."""
    bucket_owner: str = ""
    kms_key: str | None = None
    """Id, ARN or alias of the key that encrypts the snapshots; None: S3's own."""
    audit_bucket: str | None = None
    """The bucket of the audit; None where there is none."""
    audit_owner: str = ""
    audit_key: str | None = None
    audit_of: tuple[str, ...] = ()
    """The services whose part of the audit may be written."""
    policy_objects: tuple[str, ...] = ()
    """``bucket/key`` of the policy and of its signature, where they are in S3."""
    policy_owner: str = ""
    roles_elsewhere: tuple[str, ...] = ()
    """ARNs of the roles that are assumed in other accounts."""
    recreate: bool = False
    """Let recovery make a service again of which parts are gone."""
    whole_clusters: bool = False
    """Allow all services of a cluster instead of naming each."""

    @property
    def regions(self) -> list[str]:
        return sorted({target.region for target in self.targets})

    @property
    def partition(self) -> str:
        return partition_of(self.targets[0].region)

    def everywhere(self, service: str, resource: str) -> list[str]:
        """Return the ARN of ``resource`` in each region."""
        return [f"arn:{self.partition}:{service}:{region}:{self.account}:{resource}" for region in self.regions]

    def of_services(self, kind: str, inside: str = "") -> list[str]:
        """Return the ARNs of one kind of ECS's resources for each service, or for each cluster."""
        found = (
            f"arn:{self.partition}:ecs:{target.region}:{self.account}:{kind}/{target.cluster}/"
            f"{'*' if self.whole_clusters else target.service + inside}"
            for target in self.targets
        )
        return sorted(set(found))

    def of_clusters(self, kind: str, inside: str = "") -> list[str]:
        found = (
            f"arn:{self.partition}:ecs:{target.region}:{self.account}:{kind}/{target.cluster}{inside}"
            for target in self.targets
        )
        return sorted(set(found))


@dataclass(frozen=True, slots=True)
class Granted:
    """Resources, and under which conditions; no resources at all grant nothing."""

    resources: list[str]
    condition: Condition = field(default_factory=dict)


Scope = Callable[[Grounds], Granted]
"""Returns on what an action is allowed."""


def partition_of(region: str) -> str:
    """Return the partition in ARNs of a region."""
    return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rpartition("-")[0].rpartition("-")[0], "aws")


def region_alone(grounds: Grounds) -> Granted:
    """What AWS cannot limit to resources: everything in the regions of the services."""
    return Granted(["*"], {"StringEquals": {"aws:RequestedRegion": grounds.regions}})


def services(grounds: Grounds) -> Granted:
    return Granted(grounds.of_services("service"))


def service_deployments(grounds: Grounds) -> Granted:
    """AWS checks the service and the deployment, both."""
    return Granted([*grounds.of_services("service"), *grounds.of_services("service-deployment", "/*")])


def service_revisions(grounds: Grounds) -> Granted:
    return Granted([*grounds.of_services("service"), *grounds.of_services("service-revision", "/*")])


def tasks(grounds: Grounds) -> Granted:
    return Granted(grounds.of_clusters("task", "/*"))


def cluster_alone(grounds: Grounds) -> Granted:
    """ListTasks is limited by container instances, of which Fargate has none, and ListServices by no resource."""
    return Granted(["*"], {"ArnEquals": {"ecs:cluster": grounds.of_clusters("cluster")}})


def task_definitions(grounds: Grounds) -> Granted:
    return Granted(
        [arn for family in _families(grounds) for arn in grounds.everywhere("ecs", f"task-definition/{family}:*")]
    )


def _families(grounds: Grounds) -> Iterator[str]:
    """Yield the services' families and those of their migrations."""
    for family in grounds.families:
        yield family
        if family != "*":
            yield family_of(family)


def migrations(grounds: Grounds) -> Granted:
    """Tasks of a migration's task definition, in the services' clusters alone."""
    families = (family if family == "*" else family_of(family) for family in grounds.families)
    arns = [arn for family in families for arn in grounds.everywhere("ecs", f"task-definition/{family}:*")]
    return Granted(arns, {"ArnEquals": {"ecs:cluster": grounds.of_clusters("cluster")}})


def logs_of_tasks(grounds: Grounds) -> Granted:
    """Which groups the services log to is their task definitions' affair; a task's stream has three parts."""
    return Granted(grounds.everywhere("logs", "log-group:*:log-stream:*/*/*"))


def tags_of_new_task_definitions(grounds: Grounds) -> Granted:
    condition = {"StringEquals": {"ecs:CreateAction": "RegisterTaskDefinition"}}
    return Granted(task_definitions(grounds).resources, condition)


def roles_for_tasks(grounds: Grounds) -> Granted:
    return Granted(list(grounds.task_roles), {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}})


def roles_for_ecs(grounds: Grounds) -> Granted:
    return Granted(list(grounds.infrastructure_roles), {"StringEquals": {"iam:PassedToService": "ecs.amazonaws.com"}})


def roles_to_look_at(grounds: Grounds) -> Granted:
    return Granted(list(grounds.task_roles))


def own_alarms(grounds: Grounds) -> Granted:
    return Granted(grounds.everywhere("cloudwatch", f"alarm:{OURS}*"))


def own_alarms_for_people(grounds: Grounds) -> Granted:
    """An alarm's actions could stop machines or start functions; Surefoot's own tell the policy's topics, or nobody."""
    actions = {"cloudwatch:AlarmActions": list(grounds.topics)}
    alone: Condition = (
        {"ForAllValues:StringEquals": actions} if grounds.topics else {"Null": {"cloudwatch:AlarmActions": "true"}}
    )
    return Granted(own_alarms(grounds).resources, alone)


def own_dashboards(grounds: Grounds) -> Granted:
    """Dashboards belong to no region."""
    return Granted([f"arn:{grounds.partition}:cloudwatch::{grounds.account}:dashboard/{OURS}*"])


def databases(grounds: Grounds) -> Granted:
    return Granted(
        [f"arn:{grounds.partition}:rds:{region}:{grounds.account}:db:{name}" for region, name in grounds.databases]
    )


def secrets_of_headers(grounds: Grounds) -> Granted:
    """The end of a secret's ARN is six characters that AWS has chosen."""
    return Granted(sorted(set(_secrets(grounds))))


def _secrets(grounds: Grounds) -> Iterator[str]:
    for region, name in grounds.secrets:
        arn = (
            name
            if name.startswith("arn:")
            else f"arn:{grounds.partition}:secretsmanager:{region}:{grounds.account}:secret:{name}"
        )
        yield arn if name.startswith("arn:") and arn[-7:-6] == "-" else f"{arn}-??????"


def secrets_to_look_at(grounds: Grounds) -> Granted:
    """Whether a secret of a task definition is there; DescribeSecret returns no value."""
    return Granted(grounds.everywhere("secretsmanager", "secret:*"))


def repositories(grounds: Grounds) -> Granted:
    return Granted(list(grounds.repositories) or grounds.everywhere("ecr", "repository/*"))


def scalable_targets_of_services(grounds: Grounds) -> Granted:
    """Their ARNs end in what AWS has chosen and name no service; those of ECS services alone."""
    condition = {"StringEquals": {"application-autoscaling:service-namespace": "ecs"}}
    return Granted(grounds.everywhere("application-autoscaling", "scalable-target/*"), condition)


def snapshots(grounds: Grounds) -> Granted:
    return _in_bucket(grounds, "/snapshots/*")


def bucket_of_snapshots(grounds: Grounds) -> Granted:
    """Without a condition on the prefix: S3 answers a missing object with 404 only to those who may list."""
    return _in_bucket(grounds, "")


def key_of_snapshots(grounds: Grounds) -> Granted:
    """The key of the snapshots, through S3 alone."""
    return _key(grounds, grounds.kms_key if grounds.bucket else None, grounds.bucket_owner)


def own_audit(grounds: Grounds) -> Granted:
    """New objects with a service's own part of the audit: it reads none, deletes none, and writes no other's."""
    owner = {"StringEquals": {"s3:ResourceAccount": grounds.audit_owner}}
    if grounds.audit_bucket is None:
        return Granted([])
    bucket = f"arn:{grounds.partition}:s3:::{grounds.audit_bucket}"
    return Granted([f"{bucket}/audit/{service}/*" for service in grounds.audit_of], owner)


def key_of_audit(grounds: Grounds) -> Granted:
    """The key of the audit, through S3 alone."""
    return _key(grounds, grounds.audit_key if grounds.audit_bucket else None, grounds.audit_owner)


def _key(grounds: Grounds, key: str | None, owner: str) -> Granted:
    if key is None:
        return Granted([])
    through: dict[str, dict[str, str | list[str]]] = {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}}
    keys = f"arn:{grounds.partition}:kms:*:{owner}:key/"
    name = key.rpartition(":")[2]
    if name.startswith("alias/"):
        return Granted([f"{keys}*"], {**through, "ForAnyValue:StringEquals": {"kms:ResourceAliases": name}})
    return Granted([key if ":" in key else keys + name.removeprefix("key/")], through)


def _in_bucket(grounds: Grounds, inside: str) -> Granted:
    if grounds.bucket is None:
        return Granted([])
    owner = {"StringEquals": {"s3:ResourceAccount": grounds.bucket_owner}}
    return Granted([f"arn:{grounds.partition}:s3:::{grounds.bucket}{inside}"], owner)


def policy_in_s3(grounds: Grounds) -> Granted:
    owner = {"StringEquals": {"s3:ResourceAccount": grounds.policy_owner}}
    return Granted([f"arn:{grounds.partition}:s3:::{name}" for name in grounds.policy_objects], owner)


def accounts_elsewhere(grounds: Grounds) -> Granted:
    return Granted(list(grounds.roles_elsewhere))


def recreated_services(grounds: Grounds) -> Granted:
    return services(grounds) if grounds.recreate else Granted([])


def tags_of_recreated_services(grounds: Grounds) -> Granted:
    return Granted(recreated_services(grounds).resources, {"StringEquals": {"ecs:CreateAction": "CreateService"}})


def tags_of_recreated_groups(grounds: Grounds) -> Granted:
    """Tags of security groups, while they are made."""
    resources = grounds.everywhere("ec2", "security-group/*") if grounds.recreate else []
    return Granted(resources, {"StringEquals": {"ec2:CreateAction": "CreateSecurityGroup"}})


def recreated_parts(grounds: Grounds) -> Granted:
    """What has another id once it is made again, so that no ARN can name it before."""
    return region_alone(grounds) if grounds.recreate else Granted([])


SCOPES: Mapping[str, tuple[Scope, ...]] = {
    "ecs:DescribeServices": (services,),
    "ecs:ListServiceDeployments": (services,),
    "ecs:UpdateService": (services,),
    "ecs:DescribeServiceDeployments": (service_deployments,),
    "ecs:DescribeServiceRevisions": (service_revisions,),
    "ecs:DescribeTasks": (tasks,),
    "ecs:ListServices": (cluster_alone,),
    "ecs:ListTasks": (cluster_alone,),
    "ecs:RegisterTaskDefinition": (task_definitions,),
    "ecs:RunTask": (migrations,),
    "ecs:StopTask": (tasks,),
    "logs:GetLogEvents": (logs_of_tasks,),
    "ecs:TagResource": (tags_of_new_task_definitions,),
    "iam:PassRole": (roles_for_tasks, roles_for_ecs),
    "iam:GetRole": (roles_to_look_at,),
    "application-autoscaling:RegisterScalableTarget": (scalable_targets_of_services,),
    "cloudwatch:DeleteAlarms": (own_alarms,),
    "cloudwatch:PutMetricAlarm": (own_alarms_for_people,),
    "cloudwatch:DeleteDashboards": (own_dashboards,),
    "cloudwatch:GetDashboard": (own_dashboards,),
    "cloudwatch:PutDashboard": (own_dashboards,),
    "rds:DescribeDBInstances": (databases,),
    "secretsmanager:GetSecretValue": (secrets_of_headers,),
    "secretsmanager:DescribeSecret": (secrets_to_look_at,),
    "ecr:BatchGetImage": (repositories,),
    "ecr:DescribeImages": (repositories,),
    "ecr:GetLifecyclePolicy": (repositories,),
    "ecr:GetDownloadUrlForLayer": (repositories,),
    "s3:DeleteObject": (snapshots,),
    "s3:GetObject": (snapshots,),
    "s3:PutObject": (snapshots,),
    "s3:ListBucket": (bucket_of_snapshots,),
    "kms:Decrypt": (key_of_snapshots,),
    "kms:GenerateDataKey": (key_of_snapshots,),
    "s3:GetBucketPublicAccessBlock": (bucket_of_snapshots,),
    "s3:GetBucketVersioning": (bucket_of_snapshots,),
}
"""Action → on what it is allowed. For all others AWS has no resources: ``region_alone``. Of alarms it has, and shows
composite ones and mute rules only to those who may see all (API reference, DescribeAlarms)."""
