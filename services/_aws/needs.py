"""What a version of a service needs of AWS to start again: is it there? Only names are read, never a value.

No decision depends on any of these reads: what cannot be read is told as not known.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from contracts.base import Target
from contracts.image_reference import Reference
from services._aws.body import epoch
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError, Missing, answer_within, reading
from services._aws.image_lookup import Unseen, find_image
from services._aws.task_definition import EcsTaskDefinition
from services._chassis.aws import Aws

WAIT_SECONDS = 10.0
"""How long each read may take, in real seconds."""
AT_ONCE = 8
"""How many reads of many versions are under way at a time."""
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
    changed_at: float | None = None
    """When a secret or a parameter was changed last (epoch seconds); None for all others, and where it is not told."""
    free: int | None = None
    """How many addresses a subnet has left; None for all others."""


class NeededBy(NamedTuple):
    """A version of a service, as a rollback would start it."""

    service: EcsService
    definition: EcsTaskDefinition
    digests: Mapping[str, str] = {}
    """Container name → digest of the image that ran, which is what a rollback runs."""


async def needs_of(aws: Aws, target: Target, service: EcsService, definition: EcsTaskDefinition) -> tuple[Need, ...]:
    """Look whether target groups, network, roles, secrets and parameters are there, each by itself and all at once."""
    questions = _questions(_Reader(aws, target), target, service, definition)
    return tuple(await asyncio.gather(*(_answer(question) for question in questions)))


async def needs_of_versions(aws: Aws, target: Target, versions: Sequence[NeededBy]) -> list[tuple[Need, ...]]:
    """Return what each version needs, its images as well. What several need is asked once, ``AT_ONCE`` at a time."""
    read, limit = _Reader(aws, target), asyncio.Semaphore(AT_ONCE)
    asked = [
        (*_images(read, version), *_questions(read, target, version.service, version.definition))
        for version in versions
    ]

    async def answer(question: _Question) -> Need:
        async with limit:
            return await _answer(question)

    unique = {question.key: question for questions in asked for question in questions}
    answers = dict(zip(unique, await asyncio.gather(*map(answer, unique.values())), strict=True))
    return [tuple(answers[question.key] for question in questions) for questions in asked]


async def target_types(aws: Aws, target: Target, groups: tuple[str, ...]) -> dict[str, str]:
    """Return ARN of a target group → its target type (``ip``, ``instance``); empty where they cannot be read."""
    if not groups:
        return {}
    found = await answer_within(WAIT_SECONDS, _Reader(aws, target).target_groups(groups))
    if isinstance(found, AwsError):
        return {}
    return {str(group["TargetGroupArn"]): str(group["TargetType"]) for group in found if group.get("TargetType")}


class _There(NamedTuple):
    """It is there; the rest as ``Need`` has it."""

    changed_at: float | None = None
    free: int | None = None


class _Question(NamedTuple):
    what: str
    key: str
    """What tells it from all others."""
    ask: Callable[[], Awaitable[object]]
    """Returns False, or raises ``AwsError``, for what is not there."""


async def _answer(question: _Question) -> Need:
    what, _, ask = question
    found = await answer_within(WAIT_SECONDS, ask())
    match found:
        case AwsError():
            return Need(what, False) if found.code in _GONE else Need(what, None, str(found))
        case _There(changed_at, free):
            return Need(what, True, changed_at=changed_at, free=free)
        case Unseen(why):
            return Need(what, None, why)
        case _:
            return Need(what, found is not False)


def _images(read: "_Reader", version: NeededBy) -> Iterator[_Question]:
    for container, image in version.definition.images.items():
        try:
            reference = Reference.parse(image)
        except ValueError as error:
            yield _Question(f"the image {image}", image, partial(_not_read, str(error)))
            continue
        digest = version.digests.get(container)
        named = reference.pinned(digest) if digest else reference
        yield _Question(f"the image {named}", str(named), partial(read.image, named))


def _questions(
    read: "_Reader", target: Target, service: EcsService, definition: EcsTaskDefinition
) -> Iterator[_Question]:
    for group in service.target_groups:
        yield _Question(f"the target group {_name(group)}", group, partial(read.target_groups, (group,)))
    for subnet in service.subnets:
        yield _Question(f"the subnet {subnet}", subnet, partial(read.subnet, subnet))
    for group in service.security_groups:
        asked = partial(read.ec2, "describe_security_groups", GroupIds=[group])
        yield _Question(f"the security group {group}", group, asked)
    for role in definition.roles:
        yield _Question(f"the role {role.rpartition('/')[2]}", role, partial(read.role, role))
    for secret in definition.secrets:
        parts = secret.split(":")
        if parts[0] == "arn" and parts[3] != target.region:
            yield _Question(f"the secret {_secret_name(secret)}", secret, partial(_not_read, f"it is in {parts[3]}"))
        elif parts[0] == "arn" and parts[2] == "secretsmanager":
            named = ":".join(parts[:7])
            yield _Question(f"the secret {_secret_name(secret)}", named, partial(read.secret, named))
        else:
            name = secret.partition(":parameter")[2] if parts[0] == "arn" else secret
            yield _Question(f"the parameter {name.removeprefix('/')}", f"ssm:{name}", partial(read.parameter, name))


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

    async def ec2(self, operation: str, **named: Any) -> dict[str, Any]:
        with reading("EC2", operation.title().replace("_", "")):
            return await self.aws.at(self.target).call("ec2", operation, **named)

    async def subnet(self, subnet: str) -> _There:
        answer = await self.ec2("describe_subnets", SubnetIds=[subnet])
        found: dict[str, Any] = next(iter(answer.get("Subnets") or ()), {})
        return _There(free=found.get("AvailableIpAddressCount"))

    async def image(self, reference: Reference) -> object:
        found = await find_image(self.aws, self.target, reference)
        return False if isinstance(found, Missing) else found

    async def role(self, arn: str) -> object:
        if arn.split(":")[4:5] != [self.target.account]:
            return await _not_read("it is of another account")
        with reading("IAM", "GetRole"):
            return await self.aws.at(self.target).call("iam", "get_role", RoleName=arn.rpartition("/")[2])

    async def secret(self, name: str) -> _There | bool:
        """Return False also for a secret that is being deleted: nobody can read it any more."""
        with reading("Secrets Manager", "DescribeSecret"):
            found = await self.aws.at(self.target).call("secretsmanager", "describe_secret", SecretId=name)
        if found.get("DeletedDate") is not None:
            return False
        return _There(changed_at=epoch(found.get("LastChangedDate") or found.get("CreatedDate")))

    async def parameter(self, name: str) -> _There | bool:
        with reading("Systems Manager", "DescribeParameters"):
            named = {"Key": "Name", "Option": "Equals", "Values": [name]}
            answer = await self.aws.at(self.target).call("ssm", "describe_parameters", ParameterFilters=[named])
        found = next(iter(answer.get("Parameters") or ()), None)
        return _There(changed_at=epoch(found.get("LastModifiedDate"))) if found else False
