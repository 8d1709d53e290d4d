"""Cloud Map and Service Connect, as ECS uses them: what it refuses, and which instances it registers.

ECS developer guide, "Use service discovery to connect Amazon ECS services with DNS names" and "Service Connect". An
instance is registered once, when its task begins to run, so that a service of Cloud Map which is deleted and made again
stays empty until the next deployment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.aws.ecs.definitions import Definition
from sandbox.aws.ecs.tasks import Registration, Task
from sandbox.aws.errors import AwsFault
from sandbox.aws.servicediscovery.registry import CloudMap, MapService, Namespace

Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Exposed:
    """A port of a service that others reach by Service Connect."""

    name: str
    """Its discovery name."""
    port: int
    alias: tuple[str, int]
    """The DNS name and the port under which clients connect."""


def settle(cloud_map: CloudMap, service: str, settings: Settings, definition: Definition, now: float) -> None:
    """Check what a service is found by, and make what Service Connect needs in Cloud Map. Raise ``AwsFault``.

    ``service``: its ARN.
    """
    for registry in settings.get("serviceRegistries") or ():
        _check_registry(cloud_map, registry, definition)
    connect = settings.get("serviceConnectConfiguration") or {}
    if not connect.get("enabled"):
        return
    namespace = namespace_of(cloud_map, connect)
    exposed = list(_exposed(connect, definition, namespace))
    others = [known for known in cloud_map.services.values() if known.namespace is namespace and known.owner != service]
    for each in exposed:
        if any(each.name == known.name for known in others):
            raise _invalid(f"SC service is already used by {namespace.arn}")
        if any(each.alias == known.alias for known in others):
            raise _invalid(f"The client alias {each.alias[0]}:{each.alias[1]} is already used in {namespace.arn}")
    for each in exposed:
        made = cloud_map.named(namespace, each.name) or cloud_map.add(each.name, namespace, {}, now, owner=service)
        made.alias = each.alias


def namespace_of(cloud_map: CloudMap, connect: Settings) -> Namespace:
    """Return the namespace that Service Connect names, by its name or ARN. Raise ``AwsFault``."""
    wanted = str(connect.get("namespace") or "")
    for known in cloud_map.namespaces.values():
        if wanted in {known.name, known.arn}:
            return known
    raise AwsFault("NamespaceNotFoundException", "The specified namespace wasn't found.")


def resources(cloud_map: CloudMap, settings: Settings, definition: Definition) -> list[dict[str, str]]:
    """Return ``serviceConnectResources``: discovery name and ARN of each service that ECS has made in Cloud Map."""
    return [
        {"discoveryName": found.name, "discoveryArn": found.arn}
        for found, _ in _connected(cloud_map, settings, definition)
    ]


def registrations(cloud_map: CloudMap, settings: Settings, definition: Definition) -> tuple[Registration, ...]:
    """Return where a task of these settings is registered when it runs."""
    found = []
    for registry in settings.get("serviceRegistries") or ():
        known = cloud_map.find(str(registry["registryArn"]))
        if known is not None:
            port = registry.get("port") or registry.get("containerPort")
            found.append(Registration(known.arn, int(port) if port and "SRV" in known.record_types else None))
    found += [Registration(known.arn, port) for known, port in _connected(cloud_map, settings, definition)]
    return tuple(found)


def follow(cloud_map: CloudMap, task: Task) -> None:
    """Register a task that has begun to run, and deregister one that does no longer."""
    runs = task.status == "RUNNING" and task.alive
    if runs is task.registered:
        return
    task.registered = runs
    for registration in task.registrations:
        service = cloud_map.find(registration.service)
        if service is not None and runs:
            service.instances[task.id] = _attributes(task, registration)
        elif service is not None:
            service.instances.pop(task.id, None)


def _attributes(task: Task, registration: Registration) -> dict[str, str]:
    found = {
        "AWS_INSTANCE_IPV4": task.address,
        "AWS_INIT_HEALTH_STATUS": "HEALTHY",
        "REGION": task.arn.split(":")[3],
        "ECS_CLUSTER_NAME": task.cluster,
        "ECS_SERVICE_NAME": task.group.removeprefix("service:"),
        "ECS_TASK_DEFINITION_FAMILY": task.definition.family,
    }
    return found | ({} if registration.port is None else {"AWS_INSTANCE_PORT": str(registration.port)})


def _connected(cloud_map: CloudMap, settings: Settings, definition: Definition) -> Iterator[tuple[MapService, int]]:
    """Yield each service of Cloud Map that Service Connect registers tasks with, and their port."""
    connect = settings.get("serviceConnectConfiguration") or {}
    if not connect.get("enabled"):
        return
    try:
        namespace = namespace_of(cloud_map, connect)
    except AwsFault:
        return  # somebody has deleted it meanwhile
    for each in _exposed(connect, definition, namespace):
        found = cloud_map.named(namespace, each.name)
        if found is not None:
            yield found, each.port


def _exposed(connect: Settings, definition: Definition, namespace: Namespace) -> Iterator[Exposed]:
    """Yield what a service lets others reach; none where it is a client alone. Raise ``AwsFault``."""
    ports = {
        mapping["name"]: int(mapping["containerPort"])
        for container in definition.containers
        for mapping in container.get("portMappings", ())
        if mapping.get("name")
    }
    for service in connect.get("services") or ():
        port = service["portName"]
        if port not in ports:
            raise _invalid(f"The portName {port} does not exist in the task definition.")
        name = service.get("discoveryName") or port
        alias: Settings = next(iter(service.get("clientAliases") or ()), {})
        known = alias.get("dnsName") or f"{name}.{namespace.name}"
        yield Exposed(name, ports[port], (known, int(alias.get("port") or ports[port])))


def _check_registry(cloud_map: CloudMap, registry: Settings, definition: Definition) -> None:
    known = cloud_map.find(str(registry.get("registryArn")))
    if known is None:
        raise AwsFault(
            "ClientException", 'The service registry could not be validated. Route 53 error: "ServiceNotFound."'
        )
    container, port = registry.get("containerName"), registry.get("containerPort")
    pair, mode = bool(container and port), definition.network_mode
    if mode != "awsvpc" and not pair:
        raise _invalid(f"A containerName and a containerPort must be specified for the network mode {mode}.")
    if "SRV" in known.record_types and not pair and not registry.get("port"):
        raise _invalid("A port, or a containerName and a containerPort, must be specified for an SRV record.")
    if container and container not in {each["name"] for each in definition.containers}:
        raise _invalid(f"The container {container} does not exist in the task definition.")


def _invalid(why: str) -> AwsFault:
    return AwsFault("InvalidParameterException", why)
