"""Log groups and security groups: looks whether they are there, and makes them again."""

from collections.abc import Mapping
from typing import Any

from contracts.base import Target
from services._aws.errors import AwsError, changing, reading
from services._chassis.aws import Aws
from services.recovery.domain.change import Body
from services.recovery.domain.recreation.recreate_parts import Part, permission
from services.recovery.domain.recreation.recreate_plan import Found

_AUTHORIZE = {"ingress": "authorize_security_group_ingress", "egress": "authorize_security_group_egress"}
_EVERYWHERE = ("0.0.0.0/0", "::/0")


async def find_log_group(aws: Aws, target: Target, part: Part) -> Found | None:
    with reading("CloudWatch Logs", "DescribeLogGroups"):
        found = await aws.at(target).pages("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=part.name)
    group = next((group for group in found if group["logGroupName"] == part.name), None)
    return None if group is None else Found(body=_kept(group))


def _kept(group: Mapping[str, Any]) -> Body:
    return {name: group.get(name) for name in ("retentionInDays", "kmsKeyId")}


async def make_log_group(aws: Aws, target: Target, part: Part) -> str:
    key = {"kmsKeyId": part.body["kmsKeyId"]} if "kmsKeyId" in part.body else {}
    try:
        with changing("CloudWatch Logs", "CreateLogGroup"):
            await aws.at(target).call("logs", "create_log_group", logGroupName=part.name, **key)
    except AwsError as error:
        if error.code != "ResourceAlreadyExistsException":
            raise
    if "retentionInDays" in part.body:
        with changing("CloudWatch Logs", "PutRetentionPolicy"):
            await aws.at(target).call(
                "logs", "put_retention_policy", logGroupName=part.name, retentionInDays=part.body["retentionInDays"]
            )
    return ""


async def find_security_group(aws: Aws, target: Target, part: Part) -> Found | None:
    """Look by its name, which nobody can change, in its VPC."""
    named = {"vpc-id": part.body["VpcId"], "group-name": part.name}
    group = await _group(aws, target, named)
    return None if group is None else Found(str(group["GroupId"]), {"Description": group.get("Description")})


async def make_security_group(aws: Aws, target: Target, part: Part) -> str:
    body = dict(part.body)
    tags = body.pop("Tags", None)
    tagged = {"TagSpecifications": [{"ResourceType": "security-group", "Tags": tags}]} if tags else {}
    with changing("EC2", "CreateSecurityGroup"):
        answer = await aws.at(target).call("ec2", "create_security_group", **body, **tagged)
    return str(answer["GroupId"])


async def may_make(aws: Aws, target: Target) -> bool | None:
    """Return whether the role may make a security group; None where AWS does not say.

    Source: EC2 API reference, DryRun: the error is DryRunOperation with the permission, else UnauthorizedOperation.
    """
    try:
        with changing("EC2", "CreateSecurityGroup"):
            await aws.at(target).call(
                "ec2", "create_security_group", GroupName="surefoot-drill", Description="made by nobody", DryRun=True
            )
    except AwsError as error:
        return False if error.denied else True if error.code == "DryRunOperation" else None
    return None


async def find_security_rules(aws: Aws, target: Target, part: Part) -> Found | None:
    group = await _group(aws, target, {"group-id": part.body["GroupId"]})
    if group is None:
        return None
    return Found(body={"ingress": _rules(group, "IpPermissions"), "egress": _rules(group, "IpPermissionsEgress")})


async def make_security_rules(aws: Aws, target: Target, part: Part) -> str:
    """Let in and out what the snapshot has. AWS lets a new group's traffic out everywhere: that is taken back first."""
    there, group = aws.at(target), part.body["GroupId"]
    for rule in _added_by_aws(await _group(aws, target, {"group-id": group}) or {}, part.body["egress"]):
        with changing("EC2", "RevokeSecurityGroupEgress"):
            await there.call("ec2", "revoke_security_group_egress", GroupId=group, IpPermissions=[rule])
    for way, authorize in _AUTHORIZE.items():
        for rule in part.body[way]:
            try:
                with changing("EC2", f"AuthorizeSecurityGroup{way.title()}"):
                    await there.call("ec2", authorize, GroupId=group, IpPermissions=[rule])
            except AwsError as error:
                if error.code != "InvalidPermission.Duplicate":
                    raise
    return ""


def _added_by_aws(group: Mapping[str, Any], wanted: list[Body]) -> list[Body]:
    """Return the rules that let everything out everywhere, unless the snapshot has them."""
    rules = _rules(group, "IpPermissionsEgress")
    return [rule for rule in rules if rule not in wanted and rule.get("IpProtocol") == "-1" and _everywhere(rule)]


def _everywhere(rule: Body) -> bool:
    ranges = [each["CidrIp"] for each in rule.get("IpRanges", ())]
    ranges += [each["CidrIpv6"] for each in rule.get("Ipv6Ranges", ())]
    return bool(ranges) and set(ranges) <= set(_EVERYWHERE)


def _rules(group: Mapping[str, Any], name: str) -> list[Body]:
    return [permission(each) for each in group.get(name, ())]


async def _group(aws: Aws, target: Target, named: Mapping[str, str]) -> dict[str, Any] | None:
    filters = [{"Name": name, "Values": [value]} for name, value in named.items()]
    with reading("EC2", "DescribeSecurityGroups"):
        found = await aws.at(target).pages("ec2", "describe_security_groups", "SecurityGroups", Filters=filters)
    return found[0] if found else None
