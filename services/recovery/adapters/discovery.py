"""Reads how a service is found by name: for snapshots, for names that have to be free, and whether its tasks are.

Each question has a bound, and what cannot be read is said: nobody waits for Cloud Map who could do without it.
"""

import asyncio
import re
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from contracts.base import Target
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError, reading
from services._aws.errors import answer_within as within
from services._chassis.aws import Aws
from services.recovery.adapters import recreate_discovery as cloud_map
from services.recovery.domain.change import Body
from services.recovery.domain.ecs_service import live_deployment
from services.recovery.domain.recreation.recreate_discovery import Names, Neighbour, Registry, connect_of

LOOK_SECONDS = 15.0
"""How long a question may take, in real seconds."""
DESCRIBED_AT_ONCE = 10
"""The most services that DescribeServices takes."""
_TASK = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The ids of tasks, and of those before 2018."""
_OF_NAMESPACE = ("Id", "Arn", "Name", "Type")
T = TypeVar("T")


async def registries(aws: Aws, target: Target, service: Body) -> dict[str, Any]:
    """Return the services of Cloud Map with which its tasks are registered, each with its namespace."""
    arns = registry_arns(service)
    if not arns:
        return {}
    return {"registries": await bounded(_registries(aws, target, arns))}


async def _registries(aws: Aws, target: Target, arns: Iterable[str]) -> list[Body]:
    found = []
    for arn in arns:
        known = await cloud_map.map_service(aws, target, arn)
        if known is not None:
            namespace = await cloud_map.namespace(aws, target, known["NamespaceId"])
            named = {
                name: known[name] for name in ("Id", "Arn", "Name", "NamespaceId", "Description") if known.get(name)
            }
            found.append({**named, **cloud_map.described(known), "Namespace": _kept(namespace or {})})
    return found


async def connect_namespace(aws: Aws, target: Target, service: Body) -> dict[str, Any]:
    """Return the namespace of its Service Connect: the one that it names, or the default of its cluster."""
    connect = connect_of(live_deployment(service))
    if not connect:
        return {}
    found = await bounded(_namespace(aws, target, str(connect.get("namespace") or "")))
    return {} if found is None else {"connect_namespace": _kept(found)}


async def _namespace(aws: Aws, target: Target, named: str) -> Mapping[str, Any] | None:
    if not named:
        with reading("ECS", "DescribeClusters"):
            answer = await aws.at(target).call("ecs", "describe_clusters", clusters=[target.cluster])
        defaults = [each.get("serviceConnectDefaults") or {} for each in answer.get("clusters") or ()]
        named = next((str(each["namespace"]) for each in defaults if each.get("namespace")), "")
    if not named:
        return None
    if named.startswith("arn:"):
        return await cloud_map.namespace(aws, target, named)
    return await cloud_map.namespace_named(aws, target, named)


def _kept(namespace: Mapping[str, Any]) -> Body:
    return {name: namespace[name] for name in _OF_NAMESPACE if namespace.get(name)}


def registry_arns(service: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(each["registryArn"]) for each in service.get("serviceRegistries") or () if each.get("registryArn"))


async def bounded(question: Awaitable[T]) -> T:
    """Return the answer. Raise ``AwsError`` where there is none in time."""
    found = await within(LOOK_SECONDS, question)
    if isinstance(found, AwsError):
        raise found
    return found


async def names_in(aws: Aws, target: Target, namespace: str) -> Names:
    """Return what is in a namespace, given by its ARN, without the target's own. No error is raised."""
    services, neighbours = await asyncio.gather(
        within(LOOK_SECONDS, cloud_map.map_services(aws, target, cloud_map.id_of(namespace))),
        within(LOOK_SECONDS, _neighbours(aws, target, namespace)),
    )
    unread = tuple(str(found).rstrip(".") for found in (services, neighbours) if isinstance(found, AwsError))
    known = {} if isinstance(services, AwsError) else services
    return Names(
        {name: (str(each["Id"]), int(each.get("InstanceCount") or 0)) for name, each in known.items()},
        () if isinstance(neighbours, AwsError) else neighbours,
        unread,
    )


async def _neighbours(aws: Aws, target: Target, namespace: str) -> tuple[Neighbour, ...]:
    there = aws.at(target)
    with reading("ECS", "ListServicesByNamespace"):
        arns = await there.pages("ecs", "list_services_by_namespace", "serviceArns", namespace=namespace)
    by_cluster: dict[str, list[str]] = {}
    for arn in arns:
        cluster, _, service = arn.partition(":service/")[2].partition("/")
        if (cluster, service) != (target.cluster, target.service):
            by_cluster.setdefault(cluster, []).append(arn)
    found = []
    for cluster, own in by_cluster.items():
        for at in range(0, len(own), DESCRIBED_AT_ONCE):
            with reading("ECS", "DescribeServices"):
                answer = await there.call(
                    "ecs", "describe_services", cluster=cluster, services=own[at : at + DESCRIBED_AT_ONCE]
                )
            found += [
                Neighbour(f"{cluster}/{each['serviceName']}", connect_of(live_deployment(each)))
                for each in answer.get("services") or ()
            ]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class AwsDiscovery:
    aws: Aws

    async def registries(self, target: Target, service: Body, names: Mapping[str, str]) -> tuple[Registry, ...]:
        """Count the tasks that run by their ids, under which ECS registers them.

        ECS developer guide, "Use service discovery". No document says so of Service Connect: there an instance with
        another kind of id counts as well.
        """
        wanted = [(arn, names.get(arn, cloud_map.id_of(arn)), True) for arn in registry_arns(service)]
        wanted += _connected(service)
        if not wanted:
            return ()
        tasks = await within(LOOK_SECONDS, self._running(target))
        return tuple([await self._registry(target, *each, tasks) for each in wanted])

    async def _registry(
        self, target: Target, arn: str, name: str, strict: bool, tasks: frozenset[str] | AwsError
    ) -> Registry:
        found = await within(LOOK_SECONDS, self._instances(target, arn))
        if isinstance(tasks, AwsError):
            return Registry(name, None, str(tasks).rstrip("."))
        if isinstance(found, AwsError):
            return Registry(name, None, str(found).rstrip("."))
        return Registry(name, sum(id_ in tasks or not (strict or _TASK.fullmatch(id_)) for id_ in found))

    async def _instances(self, target: Target, arn: str) -> tuple[str, ...]:
        with reading("Cloud Map", "ListInstances"):
            found = await self.aws.at(target).pages(
                "servicediscovery", "list_instances", "Instances", ServiceId=cloud_map.id_of(arn)
            )
        return tuple(str(each["Id"]) for each in found)

    async def _running(self, target: Target) -> frozenset[str]:
        named = {"cluster": target.cluster, "serviceName": target.service, "desiredStatus": "RUNNING"}
        with reading("ECS", "ListTasks"):
            arns = await self.aws.at(target).pages("ecs", "list_tasks", "taskArns", **named)
        return frozenset(arn.rpartition("/")[2] for arn in arns)


def _connected(service: Body) -> Iterator[tuple[str, str, bool]]:
    """Yield what ECS has made in Cloud Map for its Service Connect: ARN, name, and that its instances are ECS's own."""
    primary = EcsService(service).primary
    for each in (primary.body if primary is not None else {}).get("serviceConnectResources") or ():
        if each.get("discoveryArn"):
            yield str(each["discoveryArn"]), str(each.get("discoveryName") or each["discoveryArn"]), False
