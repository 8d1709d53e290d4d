"""``surefoot acls | iam``: what the seven services need to be allowed to do on Kafka and at AWS."""
# ruff: noqa: PLC0415  so that no command waits for the imports of another

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from surefoot.exit_codes import Exit
from surefoot.output import CannotDo, Json, result


def acls(
    *,
    form: Annotated[
        Literal["table", "kafka-acls"],
        Parameter(name="--format", help="A table, or the arguments of Kafka's own kafka-acls.sh, a line for each."),
    ] = "table",
    json: Json = False,
) -> int:
    """List what each service and each outsider needs to be allowed to do on Kafka, by the catalogue of events."""
    from services._chassis.kafka_acls import acls
    from surefoot.acls import facts, listed

    found = [*acls()]
    result(facts(found), json, lambda _: listed(found, form))
    return Exit.SUCCEEDED


PolicyFile = Annotated[
    Path | None,
    Parameter(help="A policy file or directory; by default SUREFOOT_POLICY's, or the environment alone."),
]
OwnAccount = Annotated[
    str | None, Parameter(env_var="AWS_ACCOUNT", help="Surefoot's own account; by default AWS_ACCOUNT.")
]
Elsewhere = Annotated[
    str | None, Parameter(help="Another account of the policy: the role that Surefoot assumes there.")
]
Bucket = Annotated[
    str | None, Parameter(env_var="BACKUP_BUCKET", help="The bucket of the snapshots; by default BACKUP_BUCKET.")
]
BucketOwner = Annotated[
    str | None, Parameter(env_var="BACKUP_BUCKET_OWNER", help="Its account, where that is another one.")
]
KmsKey = Annotated[
    str | None, Parameter(env_var="BACKUP_KMS_KEY", help="The KMS key of the snapshots: id, ARN or alias.")
]
AuditBucket = Annotated[
    str | None, Parameter(env_var="AUDIT_BUCKET", help="The bucket of the audit; by default AUDIT_BUCKET, or none.")
]
AuditBucketOwner = Annotated[
    str | None, Parameter(env_var="AUDIT_BUCKET_OWNER", help="Its account, where that is another one.")
]
AuditKmsKey = Annotated[
    str | None, Parameter(env_var="AUDIT_KMS_KEY", help="The KMS key of the audit: id, ARN or alias.")
]
TaskRoles = Annotated[
    tuple[str, ...],
    Parameter(
        negative="",
        help="ARN of a task role or execution role, besides the policy's `change.roles`. May be repeated.",
    ),
]
InfrastructureRoles = Annotated[
    tuple[str, ...],
    Parameter(negative="", help="ARN of a role with which ECS manages volumes or load balancers. May be repeated."),
]
Families = Annotated[
    tuple[str, ...],
    Parameter(negative="", help="A family of task definitions that may be registered; by default all. Repeatable."),
]
Repositories = Annotated[
    tuple[str, ...],
    Parameter(negative="", help="ARN of a repository of images; by default all of the account. May be repeated."),
]
Trusted = Annotated[str, Parameter(help="Who may assume the roles: a service of AWS, or the ARN of a role or user.")]
WholeClusters = Annotated[
    bool, Parameter(negative="", help="Allow all services of the policy's clusters: for many services.")
]
Recreate = Annotated[
    bool,
    Parameter(negative="", help="Let recovery make a service again of which parts are gone: surefoot recreate."),
]
Form = Annotated[
    Literal["table", "cloudformation"],
    Parameter(name="--format", help="A table, or a template that makes the roles."),
]


def iam(
    *,
    file: PolicyFile = None,
    account: OwnAccount = None,
    elsewhere: Elsewhere = None,
    bucket: Bucket = None,
    bucket_owner: BucketOwner = None,
    kms_key: KmsKey = None,
    audit_bucket: AuditBucket = None,
    audit_bucket_owner: AuditBucketOwner = None,
    audit_kms_key: AuditKmsKey = None,
    task_role: TaskRoles = (),
    infrastructure_role: InfrastructureRoles = (),
    family: Families = (),
    repository: Repositories = (),
    trusted: Trusted = "ecs-tasks.amazonaws.com",
    whole_clusters: WholeClusters = False,
    recreate: Recreate = False,
    form: Form = "table",
    json: Json = False,
) -> int:
    """List what each of the seven services needs to be allowed to do at AWS, as roles: policies and trust.

    With --json, the policies as IAM takes them.
    """
    from surefoot.iam import Asked, facts, listed, own_roles, policies_of, role_elsewhere

    if account is None:
        raise CannotDo("name Surefoot's own account with --account, or in AWS_ACCOUNT", Exit.USAGE)
    snapshots, audit = (bucket, bucket_owner, kms_key), (audit_bucket, audit_bucket_owner, audit_kms_key)
    passed = (task_role, infrastructure_role)
    asked = Asked(account, *snapshots, *audit, *passed, family, repository, trusted, whole_clusters, recreate)
    policies = policies_of(file)
    roles = own_roles(policies, asked) if elsewhere is None else (role_elsewhere(policies, asked, elsewhere),)
    result(facts(roles), json, lambda _: listed(roles, form))
    return Exit.SUCCEEDED
