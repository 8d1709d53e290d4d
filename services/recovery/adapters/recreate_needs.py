"""Looks whether what the parts name is there and can be used: certificates, keys, topics, and file systems."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from contracts.base import Target
from services._aws.errors import AwsError, answer_within, reading
from services._chassis.aws import Aws
from services.recovery.domain.readiness import Need
from services.recovery.domain.recreation.recreate_needs import Named, Thing, mounted, uncovered

WAIT_SECONDS = 15.0
"""How long a look at one thing may take, in real seconds."""
AT_ONCE = 8
"""How many things are looked at at a time."""
_GONE = frozenset({
    "AccessPointNotFound", "FileSystemNotFound", "NotFound", "NotFoundException", "ResourceNotFoundException",
})  # fmt: skip
"""Error codes of a thing that does not exist, of ACM, EFS, KMS and SNS."""
Look = Callable[[Aws, Target, Named], Awaitable[Need]]


async def look_at(aws: Aws, target: Target, named: Sequence[Named]) -> tuple[Need, ...]:
    """Return of each thing whether it is there. No error is raised: what cannot be read is not known."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def look(each: Named) -> Need:
        async with limit:
            return await _looked(aws, target, each)

    return tuple(await asyncio.gather(*map(look, named)))


async def _looked(aws: Aws, target: Target, named: Named) -> Need:
    if named.region not in ("", target.region):
        return named.need(None, f"it is in {named.region}")
    if named.thing is Thing.CERTIFICATE and ":acm:" not in named.id:
        return named.need(None, "it is not of ACM")
    found = await answer_within(WAIT_SECONDS, _BY_THING[named.thing](aws, target, named))
    if isinstance(found, AwsError):
        return named.need(False) if found.code in _GONE else named.need(None, str(found).rstrip("."))
    return found


async def _certificate(aws: Aws, target: Target, named: Named) -> Need:
    """Elastic Load Balancing takes one that is issued alone; which names it has decides for whom a browser takes it."""
    with reading("ACM", "DescribeCertificate"):
        answer = await aws.at(target).call("acm", "describe_certificate", CertificateArn=named.id)
    found = answer["Certificate"]
    if found.get("Status") != "ISSUED":
        return named.need(False, f"is {found.get('Status', 'in no known state')}")
    names = {str(found.get("DomainName", "")), *map(str, found.get("SubjectAlternativeNames") or ())}
    strange = ", ".join(uncovered(named.hosts, names))
    warning = f"{named.what} does not name {strange}, for which a rule of the listener is made"
    return named.need(True, beware=warning if strange else "")


async def _key(aws: Aws, target: Target, named: Named) -> Need:
    with reading("KMS", "DescribeKey"):
        answer = await aws.at(target).call("kms", "describe_key", KeyId=named.id)
    state = answer["KeyMetadata"].get("KeyState", "Enabled")
    return named.need(True) if state == "Enabled" else named.need(False, f"is {state}")


async def _topic(aws: Aws, target: Target, named: Named) -> Need:
    with reading("SNS", "GetTopicAttributes"):
        await aws.at(target).call("sns", "get_topic_attributes", TopicArn=named.id)
    return named.need(True)


async def _file_system(aws: Aws, target: Target, named: Named) -> Need:
    return _available(named, await _of_efs(aws, target, "FileSystems", FileSystemId=named.id))


async def _access_point(aws: Aws, target: Target, named: Named) -> Need:
    return _available(named, await _of_efs(aws, target, "AccessPoints", AccessPointId=named.id))


async def _mount_target(aws: Aws, target: Target, named: Named) -> Need:
    found = await _of_efs(aws, target, "MountTargets", FileSystemId=named.id)
    ready = [each for each in found if each.get("LifeCycleState") == "available"]
    zones = frozenset[str]()
    if named.subnets:
        with reading("EC2", "DescribeSubnets"):
            answer = await aws.at(target).call("ec2", "describe_subnets", SubnetIds=list(named.subnets))
        zones = frozenset(str(each["AvailabilityZone"]) for each in answer.get("Subnets") or ())
    return mounted(named, frozenset(str(each.get("AvailabilityZoneName", "")) for each in ready), zones)


async def _of_efs(aws: Aws, target: Target, kind: str, **which: str) -> list[Mapping[str, Any]]:
    """Return what EFS describes of a kind. Raise ``AwsError``, also where it is not there."""
    operations = {
        "FileSystems": ("DescribeFileSystems", "describe_file_systems"),
        "AccessPoints": ("DescribeAccessPoints", "describe_access_points"),
        "MountTargets": ("DescribeMountTargets", "describe_mount_targets"),
    }
    shown, operation = operations[kind]
    with reading("EFS", shown):
        answer = await aws.at(target).call("efs", operation, **which)
    found: list[Mapping[str, Any]] = answer.get(kind) or []
    return found


def _available(named: Named, found: Sequence[Mapping[str, Any]]) -> Need:
    """Return whether it can be mounted; while its settings are updated, it can."""
    state = found[0].get("LifeCycleState", "available") if found else ""
    if not state:
        return named.need(False)
    return named.need(True) if state in {"available", "updating"} else named.need(False, f"is in the state {state}")


_BY_THING: Mapping[Thing, Look] = {
    Thing.CERTIFICATE: _certificate,
    Thing.KEY: _key,
    Thing.TOPIC: _topic,
    Thing.FILE_SYSTEM: _file_system,
    Thing.ACCESS_POINT: _access_point,
    Thing.MOUNT_TARGET: _mount_target,
}
