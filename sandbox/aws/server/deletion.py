"""A person deletes a service, or everything that is its own. Images, roles, secrets and load balancers stay.

So do namespaces of Cloud Map; what Service Connect has there ECS deletes itself, when no task is left.
"""

from collections.abc import Callable, Iterable
from typing import Any

from moto.applicationautoscaling.models import applicationautoscaling_backends
from moto.cloudwatch.models import Alarm, CloudWatchBackend, cloudwatch_backends
from moto.ec2.models import ec2_backends
from moto.elbv2.models import elbv2_backends
from moto.logs.models import logs_backends

from sandbox.aws.ecs import api as ecs
from sandbox.aws.ecs.services import Service
from sandbox.aws.moto.listeners import groups_of
from sandbox.aws.world.world import World, dimension_of


def delete(world: World, service: Service, what: str) -> None:
    """Delete the ``service``, or ``everything``, at the world's present. Raise ``AwsFault`` where ECS refuses."""
    named = {"cluster": service.cluster, "service": service.name}
    ecs.call(world.ecs, "DeleteService", {**named, "force": True}, world.now)
    _scaling(world, service)
    if what != "everything":
        return
    groups = {arn for arn, _ in service.revision.target_groups}
    _watched(world, service, groups)
    _entrance(world, groups)
    _network(world, service)
    _logs(world, service)
    for arn in _registries(service) - _of_others(world, service, _registries):
        world.ecs.cloud_map.services.pop(arn.rpartition("/")[2], None)
    for known in world.ecs.definitions.families().get(service.revision.definition.family, []):
        if known.status == "ACTIVE":
            ecs.call(world.ecs, "DeregisterTaskDefinition", {"taskDefinition": known.arn}, world.now)


def _scaling(world: World, service: Service) -> None:
    """Delete what scales it, as AWS does with a service that is deleted."""
    account, region = world.workload.place
    backend, resource = applicationautoscaling_backends[account][region], f"service/{service.cluster}/{service.name}"
    for targets in backend.targets.values():
        targets.pop(resource, None)
    for key, policy in list(backend.policies.items()):
        if policy.resource_id == resource:
            policy.delete_alarms(account, region)
            del backend.policies[key]
    backend.scheduled_actions = [each for each in backend.scheduled_actions if each.resource_id != resource]


def _watched(world: World, service: Service, groups: set[str]) -> None:
    """Delete the alarms about it, composite ones of these, and the dashboards that name it."""
    account, region = world.workload.place
    backend: CloudWatchBackend = cloudwatch_backends[account][region]
    about: set[tuple[str | None, str | None]] = {
        ("ServiceName", service.name),
        *(("TargetGroup", dimension_of(group)) for group in groups),
    }
    names = {name for name, alarm in backend.alarms.items() if about & set(_dimensions(alarm))}
    names |= {name for name, alarm in backend.alarms.items() if any(each in (alarm.rule or "") for each in names)}
    backend.delete_alarms(sorted(names))
    shown_by = {service.name, *map(dimension_of, groups)}
    shown = [name for name, board in backend.dashboards.items() if any(each in board.body for each in shown_by)]
    for name in shown:
        del backend.dashboards[name]


def _dimensions(alarm: Alarm) -> list[tuple[str | None, str | None]]:
    found = list(alarm.dimensions or ())
    for query in alarm.metric_data_queries:
        if query.metric_stat is not None:
            found += query.metric_stat.metric.dimensions or ()
    return [(dimension.name, dimension.value) for dimension in found]


def _entrance(world: World, groups: set[str]) -> None:
    """Delete the listeners and the rules that send requests to its target groups, and then these."""
    account, region = world.workload.place
    backend = elbv2_backends[account][region]
    for balancer in backend.load_balancers.values():
        for listener in list(balancer.listeners.values()):
            if _forwards(listener.default_actions, groups):
                del balancer.listeners[listener.arn]
                continue
            for rule in list(listener.rules.values()):
                if not rule.is_default and _forwards(rule.actions, groups):
                    listener.remove_rule(rule.arn)
    for group in groups:
        backend.delete_target_group(group)


def _forwards(actions: Iterable[Any], groups: set[str]) -> bool:
    return any(arn in groups for action in actions for arn, _ in groups_of(action.data))


def _network(world: World, service: Service) -> None:
    """Delete its security groups, unless another service has them as well, and the rules of others that name them."""
    account, region = world.workload.place
    backend = ec2_backends[account][region]
    for group in _groups(service) - _of_others(world, service, _groups):
        for known in [each for groups in backend.groups.values() for each in groups.values()]:
            known.ingress_rules = [
                rule for rule in known.ingress_rules if (rule.source_group or {}).get("GroupId") != group
            ]
        backend.delete_security_group(group_id=group)


def _logs(world: World, service: Service) -> None:
    account, region = world.workload.place
    for name in _log_groups(service) - _of_others(world, service, _log_groups):
        logs_backends[account][region].groups.pop(name, None)


def _of_others(world: World, service: Service, names: Callable[[Service], set[str]]) -> set[str]:
    """Return what other services that are there use as well."""
    others = (other for other in world.ecs.services.values() if other is not service and other.status == "ACTIVE")
    return {name for other in others for name in names(other)}


def _groups(service: Service) -> set[str]:
    network = service.settings.get("networkConfiguration") or {}
    return set(network.get("awsvpcConfiguration", {}).get("securityGroups", ()))


def _registries(service: Service) -> set[str]:
    return {str(registry["registryArn"]) for registry in service.settings.get("serviceRegistries") or ()}


def _log_groups(service: Service) -> set[str]:
    logs = (container.get("logConfiguration") or {} for container in service.revision.definition.containers)
    return {str(log["options"]["awslogs-group"]) for log in logs if "awslogs-group" in (log.get("options") or {})}
