"""What a service is found by besides its load balancers: services of Cloud Map, and the names of Service Connect.

A namespace is its owner's, as a cluster is: it is looked for and never made. A service of Cloud Map with which tasks
are registered is made; those of Service Connect ECS makes itself, where their names are free.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from contracts.prose import quote
from services.recovery.domain.change import Body
from services.recovery.domain.ecs_service import live_deployment
from services.recovery.domain.recreation.move import Besides
from services.recovery.domain.recreation.recreate_parts import Kind, Part
from services.recovery.domain.snapshots.snapshot import Snapshot

_OF_MAP_SERVICE = ("Description", "DnsConfig", "HealthCheckConfig", "HealthCheckCustomConfig")
"""What Cloud Map's CreateService takes of what GetService returns (Cloud Map API reference)."""
OWNERS = "it is its owner's: make it first, as your infrastructure code has it, under the same name, and ask again"


def namespaces(snapshot: Snapshot) -> Iterator[Part]:
    """Yield each namespace that its registry or its Service Connect is in, once."""
    known = [each["Namespace"] for each in snapshot.surroundings.get("registries", ()) if each.get("Namespace")]
    connect = connect_of(live_deployment(snapshot.service))
    if connect:
        named = str(connect.get("namespace") or "")
        by_arn = {"Arn": named, "Name": named.rpartition("/")[2]} if named.startswith("arn:") else {"Name": named}
        known.append(snapshot.surroundings.get("connect_namespace") or (by_arn if named else {}))
    seen = set()
    for each in known:
        if each and each["Name"] not in seen:
            seen.add(each["Name"])
            body = {name: each[name] for name in ("Name", "Type") if each.get(name)}
            yield Part(Kind.NAMESPACE, each["Name"], body, ref=each.get("Arn", ""), cannot=OWNERS)


def map_services(snapshot: Snapshot) -> Iterator[Part]:
    """Yield the service of Cloud Map with which its tasks are registered; ECS takes one for each service."""
    for each in snapshot.surroundings.get("registries", ()):
        namespace = each.get("Namespace") or {}
        body: Body = {"Name": each["Name"], "NamespaceId": each["NamespaceId"]}
        body |= {name: each[name] for name in _OF_MAP_SERVICE if each.get(name)}
        if each.get("Type") == "HTTP" and namespace.get("Type") != "HTTP":
            body["Type"] = "HTTP"
        name = ".".join(filter(None, (each["Name"], namespace.get("Name"))))
        yield Part(Kind.MAP_SERVICE, name, body, ref=each["Arn"])


def connect_of(owner: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the Service Connect of a deployment, or of the parameters of CreateService; empty where it has none."""
    connect: Mapping[str, Any] = owner.get("serviceConnectConfiguration") or {}
    return connect if connect.get("enabled") else {}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A name under which others reach a service by Service Connect."""

    name: str
    """Its discovery name, which is that of a service of Cloud Map."""
    alias: str
    """DNS name and port for clients, ``orders:80``; empty where ECS chooses them after the discovery name."""


def endpoints(connect: Mapping[str, Any], namespace: str) -> tuple[Endpoint, ...]:
    """Return what a Service Connect lets others reach; ECS API reference, ServiceConnectService."""
    found = []
    for service in connect.get("services") or ():
        name = str(service.get("discoveryName") or service["portName"])
        alias: Mapping[str, Any] = next(iter(service.get("clientAliases") or ()), {})
        known = alias.get("dnsName") or f"{name}.{namespace}"
        found.append(Endpoint(name, f"{known}:{alias['port']}" if alias.get("port") else ""))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another service of ECS that Service Connect knows in the namespace."""

    service: str
    """``cluster/service``."""
    connect: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Names:
    """What is in a namespace."""

    services: Mapping[str, tuple[str, int]]
    """Name of each service of Cloud Map → its id, and how many instances are registered with it."""
    neighbours: tuple[Neighbour, ...]
    unread: tuple[str, ...] = ()
    """Why some of it is not known, clauses."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The names that Service Connect needs for a service which is about to be made."""

    namespace: str
    arn: str
    """The ARN of the namespace."""
    endpoints: tuple[Endpoint, ...]


def wanted_names(service: Part, there: Mapping[str, str]) -> Wanted | None:
    """Return the names that have to be free, and where; None where it lets nobody reach it by Service Connect.

    ``there``: ARN of each namespace that was found → its name.
    """
    connect = connect_of(service.body)
    named = str(connect.get("namespace") or "")
    found = next(((arn, name) for arn, name in there.items() if named in {arn, name}), None)
    if found is None or not connect.get("services"):
        return None
    return Wanted(found[1], found[0], endpoints(connect, found[1]))


def taken(wanted: Wanted, names: Names) -> Besides:
    """Return who has taken the names already, and what of that is not known."""
    space = quote(wanted.namespace)
    blocked = []
    for endpoint in wanted.endpoints:
        by_name = _holder(names, wanted, "name", endpoint.name)
        if by_name:
            blocked.append(
                f"Its Service Connect name {quote(endpoint.name)} is taken in the namespace {space} by the service "
                f"{by_name}: delete that one, or give it another name, and ask again."
            )
        elif endpoint.name in names.services:
            id_, instances = names.services[endpoint.name]
            unused = not names.unread and not instances
            remedy = f"delete it (aws servicediscovery delete-service --id {id_})" if unused else "free the name"
            whose = "no service of ECS uses it" if not names.unread else "whose it is is not known"
            blocked.append(
                f"Its Service Connect name {quote(endpoint.name)} is taken in the namespace {space}: Cloud Map has a "
                f"service of that name there, {id_} with {instances} instances, and {whose}: {remedy}, and ask again."
            )
        by_alias = _holder(names, wanted, "alias", endpoint.alias) if endpoint.alias else ""
        if by_alias and by_alias != by_name:
            blocked.append(
                f"Its client alias {quote(endpoint.alias)} is taken in the namespace {space} by the service {by_alias}:"
                " give one of them another, and ask again."
            )
    unread = (f"Whether its names are free in the namespace {space} is not known: {why}." for why in names.unread)
    return Besides(tuple(blocked), tuple(unread))


def _holder(names: Names, wanted: Wanted, field: str, value: str) -> str:
    for neighbour in names.neighbours:
        held = endpoints(neighbour.connect, wanted.namespace)
        if any(getattr(endpoint, field) == value for endpoint in held):
            return quote(neighbour.service)
    return ""


def deploy_command(target: Target) -> str:
    """Return the command by which ECS registers the tasks anew."""
    where = f"--region {target.region} --cluster {target.cluster} --service {target.service}"
    return f"aws ecs update-service {where} --force-new-deployment"


@dataclass(frozen=True, slots=True)
class Registry:
    """A service of Cloud Map, and how many of the tasks that run are registered with it."""

    name: str
    tasks: int | None
    """None: it is not known."""
    why: str = ""
    """Why it is not known, a clause."""


def unregistered(registries: Sequence[Registry], running: int, target: Target) -> str:
    """Return, in sentences, what is missing for others to find its tasks; empty where nothing is known to be."""
    missing = [each for each in registries if each.tasks is not None and each.tasks < running]
    if not missing:
        return ""
    seen = "; ".join(
        f"{each.tasks} of {running} tasks are registered in Cloud Map as {quote(each.name)}" for each in missing
    )
    return f"{seen}. ECS registers them with a new deployment: {deploy_command(target)}"


def registered(registries: Sequence[Registry]) -> str:
    """Return how its tasks are found by name, in sentences; empty where they are not."""
    found = []
    for each in registries:
        if each.tasks is None:
            name = quote(each.name)
            found.append(f"Whether its tasks are registered in Cloud Map as {name} is not known: {each.why}.")
        else:
            tasks = "1 task is" if each.tasks == 1 else f"{each.tasks} tasks are"
            found.append(f"{tasks} registered in Cloud Map as {quote(each.name)}.")
    return " ".join(found)
