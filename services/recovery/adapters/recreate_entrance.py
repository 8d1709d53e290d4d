"""Target groups, listeners and rules: looks whether they are there, and makes them again."""

from collections.abc import Mapping
from typing import Any

from contracts.base import Target
from services._aws.errors import AwsError, changing, reading
from services._chassis.aws import Aws
from services.recovery.domain.recreation.recreate_entrance import condition_of
from services.recovery.domain.recreation.recreate_parts import Part
from services.recovery.domain.recreation.recreate_plan import Found
from services.recovery.domain.snapshots.canonical import canonical

_NOT_THERE = frozenset({
    "TargetGroupNotFound", "LoadBalancerNotFound", "ListenerNotFound", "TargetGroupNotFoundException",
    "LoadBalancerNotFoundException", "ListenerNotFoundException",
})  # fmt: skip


async def find_target_group(aws: Aws, target: Target, part: Part) -> Found | None:
    """Look by its name, of which a region has one."""
    found = await _described(aws, target, "describe_target_groups", "TargetGroups", Names=[part.name])
    if not found:
        return None
    group, arn = found[0], str(found[0]["TargetGroupArn"])
    with reading("Elastic Load Balancing", "DescribeTargetGroupAttributes"):
        answer = await aws.at(target).call("elbv2", "describe_target_group_attributes", TargetGroupArn=arn)
    wanted = {each["Key"] for each in part.body["Attributes"]}
    attributes = [each for each in answer.get("Attributes", ()) if each["Key"] in wanted]
    return Found(arn, {**group, "Attributes": attributes}, balanced=bool(group.get("LoadBalancerArns")))


async def make_target_group(aws: Aws, target: Target, part: Part) -> str:
    """Make it: the same call again returns the same group (Elastic Load Balancing API reference)."""
    body = dict(part.body)
    attributes = body.pop("Attributes")
    with changing("Elastic Load Balancing", "CreateTargetGroup", secrets=()):
        answer = await aws.at(target).call("elbv2", "create_target_group", **body)
    arn = str(answer["TargetGroups"][0]["TargetGroupArn"])
    if attributes:
        with changing("Elastic Load Balancing", "ModifyTargetGroupAttributes", secrets=()):
            await aws.at(target).call(
                "elbv2", "modify_target_group_attributes", TargetGroupArn=arn, Attributes=attributes
            )
    return arn


async def find_listener(aws: Aws, target: Target, part: Part) -> Found | None:
    """Look by load balancer and port."""
    balancer = part.body["LoadBalancerArn"]
    found = await _described(aws, target, "describe_listeners", "Listeners", LoadBalancerArn=balancer)
    listener = next((each for each in found if each.get("Port") == part.body["Port"]), None)
    return None if listener is None else Found(str(listener["ListenerArn"]), listener)


async def make_listener(aws: Aws, target: Target, part: Part) -> str:
    with changing("Elastic Load Balancing", "CreateListener"):
        answer = await aws.at(target).call("elbv2", "create_listener", **part.body)
    return str(answer["Listeners"][0]["ListenerArn"])


async def find_rule(aws: Aws, target: Target, part: Part) -> Found | None:
    """Look for a rule for the same requests; a rule for others may have taken its priority."""
    listener = str(part.body["ListenerArn"])
    if listener.split(":")[3] != target.region:
        return None  # its listener is not there yet: the name is still that of another region
    found = await _described(aws, target, "describe_rules", "Rules", ListenerArn=listener)
    wanted = canonical(part.body["Conditions"])
    for rule in found:
        conditions = [condition_of(each) for each in rule.get("Conditions", ())]
        if not rule.get("IsDefault") and canonical(conditions) == wanted:
            return Found(str(rule["RuleArn"]), {"Actions": rule["Actions"]})
    if any(str(rule["Priority"]) == str(part.body["Priority"]) for rule in found):
        return Found(in_the_way="a rule for other requests has its priority: free it, and ask again")
    return None


async def make_rule(aws: Aws, target: Target, part: Part) -> str:
    with changing("Elastic Load Balancing", "CreateRule"):
        answer = await aws.at(target).call("elbv2", "create_rule", **part.body)
    return str(answer["Rules"][0]["RuleArn"])


async def balancer_is_there(aws: Aws, target: Target, arn: str) -> bool:
    return bool(await _described(aws, target, "describe_load_balancers", "LoadBalancers", LoadBalancerArns=[arn]))


async def listener_is_there(aws: Aws, target: Target, arn: str) -> bool:
    return bool(await _described(aws, target, "describe_listeners", "Listeners", ListenerArns=[arn]))


async def _described(aws: Aws, target: Target, operation: str, key: str, **named: Any) -> list[Mapping[str, Any]]:
    try:
        with reading("Elastic Load Balancing", operation.title().replace("_", "")):
            return await aws.at(target).pages("elbv2", operation, key, **named)
    except AwsError as error:
        if error.code in _NOT_THERE:
            return []
        raise
