"""What a version of a service needs of AWS to start again: is it there? Only names are read, never a value.

No decision depends on any of these reads: what cannot be read is told as not known.
"""

import asyncio
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError, answer_within, reading
from services._aws.task_definition import EcsTaskDefinition
from services._chassis.aws import Aws

WAIT_SECONDS = 10.0
"""How long each read may take, in real seconds."""
_GONE = frozenset({
    "TargetGroupNotFound", "TargetGroupNotFoundException", "InvalidSubnetID.NotFound", "InvalidGroup.NotFound",
    "InvalidGroupId.NotFound", "NoSuchEntity", "NoSuchEntityException", "ResourceNotFoundException",
})  # fmt: skip
"""Error codes of a thing that does not exist, of Elastic Load Balancing, EC2, IAM and Secrets Manager."""


@dataclass(frozen=True, slots=True)
class Need:
    """One thing, and whether it is there."""

    what: str
    """Its kind and its name: ``the role ecsTaskRole``."""
    there: bool | None
    """None: it could not be read."""
    why: str = ""
    """Why it is not known."""


async def needs_of(aws: Aws, target: Target, service: EcsService, definition: EcsTaskDefinition) -> tuple[Need, ...]:
    """Look whether target groups, network, roles, secrets and parameters are there, each by itself and all at once."""
    questions = _questions(_Reader(aws, target), target, service, definition)
    return tuple(await asyncio.gather(*(_answer(what, question) for what, question in questions)))


async def target_types(aws: Aws, target: Target, groups: tuple[str, ...]) -> dict[str, str]:
    """Return ARN of a target group → its target type (``ip``, ``instance``); empty where they cannot be read."""
    if not groups:
        return {}
    found = await answer_within(WAIT_SECONDS, _Reader(aws, target).target_groups(groups))
    if isinstance(found, AwsError):
        return {}
    return {str(group["TargetGroupArn"]): str(group["TargetType"]) for group in found if group.get("TargetType")}


async def _answer(what: str, question: Awaitable[object]) -> Need:
    found = await answer_within(WAIT_SECONDS, question)
    if not isinstance(found, AwsError):
        return Need(what, found is not False)
    return Need(what, False) if found.code in _GONE else Need(what, None, str(found))


def _questions(
    read: "_Reader", target: Target, service: EcsService, definition: EcsTaskDefinition
) -> Iterator[tuple[str, Awaitable[object]]]:
    for group in service.target_groups:
        yield f"the target group {_name(group)}", read.target_groups((group,))
    for subnet in service.subnets:
        yield f"the subnet {subnet}", read.ec2("describe_subnets", SubnetIds=[subnet])
    for group in service.security_groups:
        yield f"the security group {group}", read.ec2("describe_security_groups", GroupIds=[group])
    for role in definition.roles:
        yield f"the role {role.rpartition('/')[2]}", read.role(role)
    for secret in definition.secrets:
        parts = secret.split(":")
        if parts[0] == "arn" and parts[3] != target.region:
            yield f"the secret {_secret_name(secret)}", _not_read(f"it is in {parts[3]}")
        elif parts[0] == "arn" and parts[2] == "secretsmanager":
            yield f"the secret {_secret_name(secret)}", read.secret(":".join(parts[:7]))
        else:
            name = secret.partition(":parameter")[2] if parts[0] == "arn" else secret
            yield f"the parameter {name.removeprefix('/')}", read.parameter(name)


def _name(group: str) -> str:
    """Return the name in the ARN of a target group."""
    parts = group.split("/")
    return parts[1] if len(parts) > 1 else group


def _secret_name(arn: str) -> str:
    return ":".join(arn.split(":")[6:7])


async def _not_read(why: str) -> object:
    raise AwsError(why, code="NotRead", temporary=False)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Each method raises ``AwsError``, or returns False, for what is not there."""

    aws: Aws
    target: Target

    async def target_groups(self, groups: tuple[str, ...]) -> list[dict[str, Any]]:
        with reading("Elastic Load Balancing", "DescribeTargetGroups"):
            answer = await self.aws.at(self.target).call(
                "elbv2", "describe_target_groups", TargetGroupArns=list(groups)
            )
        found: list[dict[str, Any]] = answer.get("TargetGroups") or []
        return found

    async def ec2(self, operation: str, **named: Any) -> object:
        with reading("EC2", operation.title().replace("_", "")):
            return await self.aws.at(self.target).call("ec2", operation, **named)

    async def role(self, arn: str) -> object:
        if arn.split(":")[4:5] != [self.target.account]:
            return await _not_read("it is of another account")
        with reading("IAM", "GetRole"):
            return await self.aws.at(self.target).call("iam", "get_role", RoleName=arn.rpartition("/")[2])

    async def secret(self, name: str) -> bool:
        """Return False also for a secret that is being deleted: nobody can read it any more."""
        with reading("Secrets Manager", "DescribeSecret"):
            found = await self.aws.at(self.target).call("secretsmanager", "describe_secret", SecretId=name)
        return found.get("DeletedDate") is None

    async def parameter(self, name: str) -> bool:
        with reading("Systems Manager", "DescribeParameters"):
            named = {"Key": "Name", "Option": "Equals", "Values": [name]}
            answer = await self.aws.at(self.target).call("ssm", "describe_parameters", ParameterFilters=[named])
        return bool(answer.get("Parameters"))
