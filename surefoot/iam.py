"""``surefoot iam``: a role of AWS for each of the seven services, with the rights that its calls need and no others."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from contracts.base import Target
from contracts.topics import SERVICES, Party
from services._policy.faults import PolicyFaults
from services._policy.load import UNKNOWN_ACCOUNT
from services._policy.policies import Policies
from services._policy.read import S3, SIGNATURE
from surefoot.aws_rights import ALONG_WITH, RARELY, RECREATION, RIGHTS
from surefoot.aws_scopes import (
    SCOPES,
    Condition,
    Granted,
    Grounds,
    Scope,
    accounts_elsewhere,
    key_of_audit,
    own_audit,
    policy_in_s3,
    recreated_parts,
    recreated_services,
    region_alone,
    tags_of_recreated_groups,
    tags_of_recreated_services,
)
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo
from surefoot.policy import loaded

Format = Literal["table", "cloudformation"]
Document = dict[str, Any]
ROLE = "surefoot-{service}"
ECS_TASKS = "ecs-tasks.amazonaws.com"
MOST_CHARACTERS = 10_240
"""Characters of a role's inline policies, without white space (IAM user guide, "IAM and AWS STS quotas")."""

_RECREATE = "ecs:CreateService"
RECREATION_SCOPES: Mapping[Scope, list[str]] = {
    recreated_services: [_RECREATE],
    recreated_parts: [action for action in RECREATION if action != _RECREATE],
    tags_of_recreated_services: ["ecs:TagResource"],
    tags_of_recreated_groups: ["ec2:CreateTags"],
}


@dataclass(frozen=True, slots=True)
class Role:
    """One role: its name, what it may do, and who may assume it."""

    name: str
    statements: tuple[Document, ...]
    trust: Document
    rarely: Mapping[str, str]
    """Action → what needs it, where an ordinary deployment does not."""

    @property
    def policy(self) -> Document:
        return {"Version": "2012-10-17", "Statement": [*self.statements]}

    @property
    def policies(self) -> list[Document]:
        """Return the policy as CloudFormation takes it: none without rights, since IAM refuses one that is empty."""
        return [{"PolicyName": "surefoot", "PolicyDocument": self.policy}] if self.statements else []


@dataclass(frozen=True, slots=True)
class Asked:
    """What the policy does not say, and the command line does."""

    account: str
    """Surefoot's own account."""
    bucket: str | None = None
    bucket_owner: str | None = None
    kms_key: str | None = None
    audit_bucket: str | None = None
    audit_owner: str | None = None
    audit_key: str | None = None
    task_roles: tuple[str, ...] = ()
    infrastructure_roles: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    trusted: str = ECS_TASKS
    """Who may assume the seven roles: a service of AWS, or the ARN of a role or user."""
    whole_clusters: bool = False
    recreate: bool = False
    """Let recovery make a service again of which parts are gone."""


def own_roles(policies: Policies, asked: Asked) -> tuple[Role, ...]:
    """Return the roles of the seven services in Surefoot's own account. Raise ``CannotDo``."""
    if asked.bucket is None:
        raise CannotDo("name the bucket of the snapshots with --bucket, or in BACKUP_BUCKET", Exit.USAGE)
    grounds = _grounds(
        policies,
        asked,
        asked.account,
        bucket=asked.bucket,
        bucket_owner=asked.bucket_owner or asked.account,
        kms_key=asked.kms_key,
        audit_bucket=asked.audit_bucket,
        audit_owner=asked.audit_owner or asked.account,
        audit_key=asked.audit_key,
        policy_objects=_objects(os.environ.get("SUREFOOT_POLICY", "")),
        policy_owner=os.environ.get("SUREFOOT_POLICY_OWNER") or asked.account,
        roles_elsewhere=tuple(held.role for other, held in policies.accounts.items() if other != asked.account),
    )
    trust = _trust(asked.trusted, asked.account)
    return tuple(_role(ROLE.format(service=service), (service,), grounds, trust) for service in SERVICES)


def _objects(location: str) -> tuple[str, ...]:
    """Return ``bucket/key`` of a policy in S3, and of its signature."""
    if not location.startswith(S3):
        return ()
    policy = location.removeprefix(S3)
    return policy, policy + SIGNATURE


def role_elsewhere(policies: Policies, asked: Asked, account: str) -> Role:
    """Return the role that all seven services assume in another account of the policy. Raise ``CannotDo``."""
    access = policies.access(account)
    if access is None:
        raise CannotDo(f"the policy has no role for account {account}; add one under `accounts`", Exit.USAGE)
    grounds = _grounds(policies, asked, account)
    ours = [f"arn:{grounds.partition}:iam::{asked.account}:role/{ROLE.format(service=service)}" for service in SERVICES]
    demanded = {"StringEquals": {"sts:ExternalId": access.external_id}} if access.external_id else {}
    return _role(access.role.rpartition("/")[2], SERVICES, grounds, _assumable({"AWS": ours}, demanded))


def _grounds(policies: Policies, asked: Asked, account: str, **more: Any) -> Grounds:
    found = {target: policies.of(target) for target in policies.all()}
    there = {target: policy for target, policy in found.items() if _account(target, asked) == account}
    if not there:
        raise CannotDo(f"the policy lists no service in account {account}: there is nothing to allow", Exit.USAGE)
    named = (role for policy in there.values() for role in policy.change.roles)
    task_roles = _of_account((*asked.task_roles, *named), account)
    if not task_roles:
        raise CannotDo(
            f"name the roles of the services' tasks in account {account} with --task-role, task roles and execution "
            "roles: recovery may pass no others on",
            Exit.USAGE,
        )
    monitored = [(target.region, policy.monitoring) for target, policy in there.items()]
    return Grounds(
        account=account,
        targets=tuple(there),
        databases=tuple(dict.fromkeys((region, held.database) for region, held in monitored if held.database)),
        secrets=tuple(
            dict.fromkeys(
                (target.region, name)
                for target, policy in there.items()
                for name in policy.application.headers.values()
            )
        ),
        topics=tuple(sorted({held.alarms_topic for _, held in monitored if held.alarms_topic})),
        task_roles=task_roles,
        infrastructure_roles=_of_account(asked.infrastructure_roles, account),
        families=asked.families or ("*",),
        repositories=asked.repositories,
        whole_clusters=asked.whole_clusters,
        recreate=asked.recreate,
        **more,
    )


def policies_of(file: Path | None) -> Policies:
    """Return the policies of a file, of ``SUREFOOT_POLICY`` or of the environment alone. Raise ``CannotDo``."""
    location = os.environ.get("SUREFOOT_POLICY", "")
    if file is None and location.startswith(S3):
        raise CannotDo("download the policy, and name the file with --file: S3 is not read here", Exit.USAGE)
    path = file or (Path(location) if location else None)
    try:
        return loaded(path, os.environ)
    except PolicyFaults as faults:
        raise CannotDo(f"the policy has faults:\n{faults}", Exit.USAGE) from None


def _account(target: Target, asked: Asked) -> str:
    return asked.account if target.account == UNKNOWN_ACCOUNT else target.account


def _of_account(roles: tuple[str, ...], account: str) -> tuple[str, ...]:
    """Return the roles of this account: a role can be passed on in its own only."""
    return tuple(dict.fromkeys(role for role in roles if role.split(":")[4:5] == [account]))


def _role(name: str, services: tuple[Party, ...], grounds: Grounds, trust: Document) -> Role:
    actions = dict.fromkeys(action for service in services for action in RIGHTS[service])
    actions |= dict.fromkeys(more for action in actions for more in ALONG_WITH.get(action, ()))
    statements = tuple(_statements(tuple(actions), replace(grounds, audit_of=services)))
    length = len(json.dumps(statements, separators=(",", ":")))
    if length > MOST_CHARACTERS - 100:
        raise CannotDo(
            f"the policy of {name} would have {length:,} characters, and IAM takes {MOST_CHARACTERS:,}: allow whole "
            "clusters with --whole-clusters",
            Exit.USAGE,
        )
    rarely = RARELY[services[0]] if len(services) == 1 else {}
    return Role(name, statements, trust, rarely)


def _statements(actions: tuple[str, ...], grounds: Grounds) -> Iterator[Document]:
    """Yield one statement for all actions of a scope; none for a scope in which there is nothing."""
    by_scope: dict[Scope, list[str]] = {}
    for action in actions:
        for scope in SCOPES.get(action, (region_alone,)):
            by_scope.setdefault(scope, []).append(action)
    by_scope |= {policy_in_s3: ["s3:GetObject"], accounts_elsewhere: ["sts:AssumeRole"]}
    if Party.RECOVERY in grounds.audit_of:
        by_scope |= RECREATION_SCOPES
    by_scope |= {own_audit: ["s3:PutObject"], key_of_audit: ["kms:GenerateDataKey"]}
    for scope, allowed in by_scope.items():
        granted = scope(grounds)
        if granted.resources:
            yield _statement(scope.__name__, sorted(allowed), granted)


def _statement(name: str, actions: list[str], granted: Granted) -> Document:
    sid = name.title().replace("_", "")
    statement: Document = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": granted.resources}
    return statement | ({"Condition": granted.condition} if granted.condition else {})


def _trust(trusted: str, account: str) -> Document:
    if trusted.startswith("arn:"):
        return _assumable({"AWS": [trusted]}, {})
    # other services of AWS do not say for whom they act
    own = {"StringEquals": {"aws:SourceAccount": account}} if trusted == ECS_TASKS else {}
    return _assumable({"Service": trusted}, own)


def _assumable(principal: Document, condition: Condition) -> Document:
    statement: Document = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return {
        "Version": "2012-10-17",
        "Statement": [statement | ({"Condition": condition} if condition else {})],
    }


def listed(roles: tuple[Role, ...], shape: Format) -> str:
    """Return the roles as a table, or as a template of CloudFormation that makes them."""
    if shape == "cloudformation":
        return json.dumps(template(roles), indent=2)
    return "\n".join(line for role in roles for line in _table(role))


def template(roles: tuple[Role, ...]) -> Document:
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "The roles of Surefoot's services (surefoot iam)",
        "Resources": {
            role.name.title().replace("-", ""): {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "RoleName": role.name,
                    "AssumeRolePolicyDocument": role.trust,
                    "Policies": role.policies,
                },
            }
            for role in roles
        },
    }


def facts(roles: tuple[Role, ...]) -> Document:
    return {"roles": {role.name: _facts(role) for role in roles}}


def _facts(role: Role) -> Document:
    """Return a role as a program reads it; one that needs no rights has no policy."""
    return ({"policy": role.policy} if role.statements else {}) | {"trust": role.trust}


def _table(role: Role) -> Iterator[str]:
    if not role.statements:
        yield f"{role.name}  needs no rights"
    for statement in role.statements:
        condition = f"  if {json.dumps(statement['Condition'])}" if "Condition" in statement else ""
        for action in statement["Action"]:
            rarely = f"  (only for {role.rarely[action]})" if action in role.rarely else ""
            for resource in statement["Resource"]:
                yield f"{role.name}  {action}  {resource}{condition}{rarely}"
