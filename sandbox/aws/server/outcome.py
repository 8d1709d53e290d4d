"""What a deployment has left at AWS, as whoever judges it sees it."""

from collections.abc import Iterator
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from sandbox.aws.ecr.registry import split
from sandbox.aws.world.world import World, dimension_of


def wanted_tasks(world: World) -> int:
    """Return the desired count of the world's first service; 0 where it is gone."""
    service = world.ecs.services.get((world.workload.cluster, world.workload.service))
    return service.desired if service is not None else 0


def live_image(world: World) -> str:
    """Return the image of the first service's newest deployment: its tag in the sandbox's repository, or its reference.

    An image whose tag has moved since is known by its digest. Empty where the service is gone.
    """
    service = world.ecs.services.get((world.workload.cluster, world.workload.service))
    if service is None or service.status != "ACTIVE":
        return ""
    revision = service.revision
    main = revision.serving or revision.definition.main(world.registry.host)
    _, reference, manifest = next(resolved for resolved in revision.images if resolved[0] == main)
    uri, tag, _ = split(reference)
    if uri != world.registry.uri:
        return reference
    known = world.registry.tags_of(manifest.digest) if manifest is not None else []
    return tag or (known[0] if known else reference)


def watched_services(world: World, prefix: str) -> Iterator[str]:
    """Yield ``cluster/service`` of each service that an alarm whose name begins with ``prefix`` watches."""
    account, region = world.workload.place
    alarms = [alarm for name, alarm in cloudwatch_backends[account][region].alarms.items() if name.startswith(prefix)]
    watched = [dict(dimensions) for alarm in alarms for dimensions in _dimensions(alarm)]
    for service in world.ecs.services.values():
        groups = {dimension_of(arn) for arn, _ in service.revision.target_groups}
        if any(
            (found.get("ClusterName"), found.get("ServiceName")) == (service.cluster, service.name)
            or found.get("TargetGroup") in groups
            for found in watched
        ):
            yield f"{service.cluster}/{service.name}"


def _dimensions(alarm: Any) -> Iterator[list[tuple[str, str]]]:
    """Yield the dimensions of each metric that an alarm looks at."""
    yield [(dimension.name, dimension.value) for dimension in alarm.dimensions or ()]
    for query in alarm.metric_data_queries or ():
        if query.metric_stat is not None:
            metric = query.metric_stat.metric
            yield [(dimension.name, dimension.value) for dimension in metric.dimensions or ()]
