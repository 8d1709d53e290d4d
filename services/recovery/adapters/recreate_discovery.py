"""Namespaces and services of Cloud Map: looks whether they are there, and makes services again."""

from collections.abc import Mapping
from typing import Any

from contracts.base import Target
from services._aws.errors import AwsError, changing, reading
from services._chassis.aws import Aws
from services.recovery.domain.recreation.recreate_discovery import OWNERS
from services.recovery.domain.recreation.recreate_parts import Part
from services.recovery.domain.recreation.recreate_plan import Found

_DESCRIBED = ("DnsConfig", "HealthCheckConfig", "HealthCheckCustomConfig", "Type")


async def find_namespace(aws: Aws, target: Target, part: Part) -> Found | None:
    """Look by its id, and where that is not there, by name and kind: one that was made again has another id."""
    found = None
    if part.ref.split(":")[3:4] == [target.region]:
        found = await namespace(aws, target, part.ref)
    found = found or await namespace_named(aws, target, part.name, part.body.get("Type", ""))
    return None if found is None else Found(str(found["Arn"]), {"Type": found.get("Type")})


async def make_namespace(aws: Aws, target: Target, part: Part) -> str:
    """Refuse: no plan with a namespace that is missing is approved."""
    del aws, target
    raise AwsError(f"{part.called} is not made: {OWNERS}")


async def find_map_service(aws: Aws, target: Target, part: Part) -> Found | None:
    """Look by its name, of which a namespace has one."""
    found = (await map_services(aws, target, part.body["NamespaceId"])).get(part.body["Name"])
    return None if found is None else Found(str(found["Arn"]), described(found))


async def make_map_service(aws: Aws, target: Target, part: Part) -> str:
    with changing("Cloud Map", "CreateService", secrets=()):
        answer = await aws.at(target).call("servicediscovery", "create_service", **part.body)
    return str(answer["Service"]["Arn"])


async def map_service(aws: Aws, target: Target, arn: str) -> Mapping[str, Any] | None:
    """Return a service of Cloud Map; None where it is not there."""
    try:
        with reading("Cloud Map", "GetService"):
            answer = await aws.at(target).call("servicediscovery", "get_service", Id=id_of(arn))
    except AwsError as error:
        if error.code == "ServiceNotFound":
            return None
        raise
    found: Mapping[str, Any] = answer["Service"]
    return found


async def map_services(aws: Aws, target: Target, namespace_id: str) -> dict[str, Mapping[str, Any]]:
    """Return the services of a namespace by name."""
    wanted = [{"Name": "NAMESPACE_ID", "Values": [namespace_id], "Condition": "EQ"}]
    with reading("Cloud Map", "ListServices"):
        found = await aws.at(target).pages("servicediscovery", "list_services", "Services", Filters=wanted)
    return {str(each["Name"]): each for each in found}


async def namespace(aws: Aws, target: Target, arn: str) -> Mapping[str, Any] | None:
    """Return a namespace by its ARN or id; None where it is not there."""
    try:
        with reading("Cloud Map", "GetNamespace"):
            answer = await aws.at(target).call("servicediscovery", "get_namespace", Id=id_of(arn))
    except AwsError as error:
        if error.code == "NamespaceNotFound":
            return None
        raise
    found: Mapping[str, Any] = answer["Namespace"]
    return found


async def namespace_named(aws: Aws, target: Target, name: str, kind: str = "") -> Mapping[str, Any] | None:
    """Return a namespace by its name, or by the name that DiscoverInstances and ECS know it by; None for none.

    ``kind``: DNS_PRIVATE, DNS_PUBLIC or HTTP; empty: any.
    """
    for by in ("NAME", "HTTP_NAME"):
        wanted = [{"Name": by, "Values": [name], "Condition": "EQ"}]
        with reading("Cloud Map", "ListNamespaces"):
            found = await aws.at(target).pages("servicediscovery", "list_namespaces", "Namespaces", Filters=wanted)
        of_kind: list[Mapping[str, Any]] = [each for each in found if not kind or each.get("Type") == kind]
        if of_kind:
            return of_kind[0]
    return None


def described(service: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a service of Cloud Map, without the namespace's id that stands in two places."""
    found = {name: service[name] for name in _DESCRIBED if service.get(name)}
    if "DnsConfig" in found:
        found["DnsConfig"] = {name: value for name, value in found["DnsConfig"].items() if name != "NamespaceId"}
    return found


def id_of(arn: str) -> str:
    return arn.rpartition("/")[2]
