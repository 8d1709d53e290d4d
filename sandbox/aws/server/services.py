"""Creates clusters, task definitions and services in the simulated ECS, as an infrastructure describes them."""

from collections.abc import Sequence
from typing import Any

from sandbox.aws.ecr.registry import split
from sandbox.aws.ecs import api as ecs
from sandbox.aws.server.entrances import Entrances, Network
from sandbox.aws.servicediscovery.registry import HTTP
from sandbox.aws.stacks.stacks import STACK_TAG
from sandbox.aws.workloads import COURT, Workload
from sandbox.aws.world.world import World
from sandbox.scenarios.behaviour import RUNNING_TAG, Behaviour
from sandbox.scenarios.discovery import Namespace
from sandbox.scenarios.infrastructure import Infrastructure
from sandbox.scenarios.service import (
    USUAL_CONTAINER_PORT,
    ContainerDefinition,
    DeploymentConfiguration,
    Service,
    TaskDefinition,
)

Body = dict[str, Any]


def create(world: World, network: Network, entrances: Entrances, wanted: Infrastructure) -> None:
    """Create everything at the world's present; the services are steady about a minute later."""
    _namespaces(world, wanted.namespaces)
    for name in dict.fromkeys(service.cluster for service in wanted.services):
        settings = [{"name": "containerInsights", "value": "disabled"}]
        ecs.call(world.ecs, "CreateCluster", {"clusterName": name, "settings": settings}, world.now)
        on_instances = any(service.cluster == name and not service.on_fargate for service in wanted.services)
        world.ecs.clusters[name].instances = wanted.container_instances if on_instances else 0
    for definition in wanted.task_definitions:
        _register(world, definition, definition.family or world.workload.family)
    for service in wanted.services:
        family = world.workload.family if service is wanted.service else service.service_name
        made = _register(world, service.task_definition, service.task_definition.family or family, _tags(service.stack))
        body = _service(world, network, entrances, service) | {"taskDefinition": made}
        ecs.call(world.ecs, "CreateService", body, world.now)
        if service.stack:
            world.stacks.add(service.stack, world.ecs.services[service.cluster, service.service_name])
        if service.traffic is not None:
            world.conditions.traffic_of[service.name] = service.traffic


def _namespaces(world: World, wanted: Sequence[Namespace]) -> None:
    cloud_map = world.ecs.cloud_map
    for namespace in wanted:
        made = cloud_map.add_namespace(namespace.name, namespace.type, world.now)
        for service in namespace.services:
            records = [{"Type": record.type, "TTL": record.ttl} for record in service.dns_records]
            dns = {"DnsConfig": {"RoutingPolicy": "MULTIVALUE", "DnsRecords": records}}
            custom = {"HealthCheckCustomConfig": {"FailureThreshold": 1}}
            settings = {} if namespace.type == HTTP else {**dns, **custom}
            cloud_map.add(service.name, made, settings, world.now)


def _tags(stack: str) -> list[dict[str, str]]:
    """Return the tags that a stack puts on what it makes."""
    return [{"key": STACK_TAG, "value": stack}] if stack else []


def _register(world: World, definition: TaskDefinition, family: str, tags: Sequence[dict[str, str]] = ()) -> str:
    """Register a task definition, and return its ARN; images of other registries are there from now on."""
    for container in definition.container_definitions:
        image = _reference(world, container.image)
        if split(image)[0] not in world.registry.repositories:
            arm = definition.runtime_platform is not None and definition.runtime_platform.cpu_architecture == "ARM64"
            world.registry.add(image, Behaviour(name=container.name, architecture="arm64" if arm else "amd64"))
    wanted = {**_definition(world, definition, family), "tags": [*tags]}
    answer = ecs.call(world.ecs, "RegisterTaskDefinition", wanted, world.now)
    return str(answer["taskDefinition"]["taskDefinitionArn"])


def _definition(world: World, definition: TaskDefinition, family: str) -> Body:
    body: Body = {
        **task_definition(_reference(world, None), world.workload),
        "family": family,
        "cpu": definition.cpu,
        "memory": definition.memory,
        "networkMode": definition.network_mode,
        "requiresCompatibilities": ["FARGATE" if definition.network_mode == "awsvpc" else "EC2"],
        "containerDefinitions": [_container(world, container) for container in definition.container_definitions],
    }
    del body["runtimePlatform"]
    if definition.runtime_platform is not None:
        body["runtimePlatform"] = spelled(definition.runtime_platform.model_dump())
    return body


def _container(world: World, container: ContainerDefinition) -> Body:
    """Return a container's definition: the usual one under the usual name, and the least that runs under another."""
    image, port = _reference(world, container.image), container.container_port
    usual: Body = task_definition(image, world.workload)["containerDefinitions"][0]
    body = usual if container.name == world.workload.container else {"logConfiguration": usual["logConfiguration"]}
    body |= {"name": container.name, "image": image, "essential": container.essential}
    if port is not None or "portMappings" in body:
        port = port or USUAL_CONTAINER_PORT
        body["portMappings"] = [{"name": container.name, **_port(port)}]
    if container.stop_timeout is not None:
        body["stopTimeout"] = container.stop_timeout
    if container.health_check is not None:
        body["healthCheck"] = spelled(container.health_check.model_dump())
    return body


def _port(number: int) -> Body:
    return {"containerPort": number, "hostPort": number, "protocol": "tcp"}


def _reference(world: World, image: str | None) -> str:
    """Return the reference of an image: a tag of the sandbox's repository, or already a reference."""
    image = image or RUNNING_TAG
    return f"{world.registry.uri}:{image}" if image in world.registry.tags else image


def _service(world: World, network: Network, entrances: Entrances, service: Service) -> Body:
    body: Body = {
        "cluster": service.cluster,
        "serviceName": service.service_name,
        "schedulingStrategy": service.scheduling_strategy,
        "deploymentConfiguration": _configuration(service.deployment_configuration),
        "loadBalancers": [
            {
                "targetGroupArn": entrances.groups[balancer.target_group],
                "containerName": balancer.container_name,
                "containerPort": balancer.container_port,
            }
            for balancer in service.load_balancers
        ],
        "tags": [{"key": "application", "value": world.workload.application}, *_tags(service.stack)],
        "propagateTags": "SERVICE",
    }
    if service.load_balancers:
        body["healthCheckGracePeriodSeconds"] = service.health_check_grace_period_seconds
    body |= _found_by(world, service)
    if service.scheduling_strategy == "REPLICA":
        body["desiredCount"] = service.desired_count
    if service.capacity_provider_strategy:
        body["capacityProviderStrategy"] = [
            spelled(provider.model_dump()) for provider in service.capacity_provider_strategy
        ]
    else:
        body["launchType"] = service.launch_type or "FARGATE"
    if service.task_definition.network_mode == "awsvpc":
        body["networkConfiguration"] = {
            "awsvpcConfiguration": {
                "subnets": network.subnets,
                "securityGroups": [network.security_group],
                "assignPublicIp": "DISABLED",
            }
        }
    return body


def _found_by(world: World, service: Service) -> Body:
    """Return its registries in Cloud Map, and its Service Connect."""
    body: Body = {}
    for registry in service.service_registries:
        arn = next(
            known.arn
            for known in world.ecs.cloud_map.services.values()
            if (known.namespace.name, known.name) == (registry.namespace, registry.service)
        )
        ports = registry.model_dump(include={"container_name", "container_port", "port"}, exclude_none=True)
        body["serviceRegistries"] = [{"registryArn": arn, **spelled(ports)}]
    if service.service_connect_configuration is not None:
        connect = service.service_connect_configuration.model_dump(exclude_none=True, exclude_defaults=True)
        body["serviceConnectConfiguration"] = {"enabled": True, **spelled(connect)}
    return body


def _configuration(wanted: DeploymentConfiguration) -> Body:
    body: Body = spelled(wanted.model_dump(exclude_none=True))
    if wanted.strategy != "ROLLING":
        body["bakeTimeInMinutes"] = 1
    return body


def spelled(fields: Any) -> Any:
    """Return fields with their names as ECS spells them: ``minimum_healthy_percent`` is ``minimumHealthyPercent``."""
    if isinstance(fields, dict):
        return {_camel(name): spelled(value) for name, value in fields.items()}
    return [spelled(value) for value in fields] if isinstance(fields, list | tuple) else fields


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.title() for word in others)


def task_definition(image: str, workload: Workload = COURT) -> Body:
    """The backend's task definition, with a plain environment value that is a secret, as they are found."""
    return {
        "family": workload.family,
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "512",
        "memory": "1024",
        "executionRoleArn": f"{workload.roles}/{workload.application}-execution",
        "taskRoleArn": f"{workload.roles}/{workload.family}",
        "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        "containerDefinitions": [
            {
                "name": workload.container,
                "image": image,
                "essential": True,
                "portMappings": [_port(USUAL_CONTAINER_PORT)],
                "environment": [
                    {"name": "APP_ENV", "value": "production"},
                    {"name": "LOG_LEVEL", "value": "info"},
                    {
                        "name": "DATABASE_URL",
                        "value": "postgresql+asyncpg://app:correct-horse-battery@db.internal:5432/court?ssl=require",
                    },
                ],
                "secrets": [
                    {
                        "name": "JWT_SECRET",
                        "valueFrom": workload.secret_arn,
                    }
                ],
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": workload.log_group,
                        "awslogs-region": workload.place.region,
                        "awslogs-stream-prefix": "ecs",
                    },
                },
            }
        ],
    }
