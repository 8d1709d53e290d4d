"""The task definition of a migration: the service's own, with the one container that migrates and what it needs.

The others of a service would start as well: a second web server, an agent whose end ends the migration.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from services.recovery.domain.change import Body, registrable
from services.recovery.domain.migration.migration import LogPlace

SUFFIX = "-migrate"
"""What the family of a migration's task definition has behind the service's own."""
LONGEST_FAMILY = 255
_SERVING = frozenset({"portMappings", "healthCheck", "restartPolicy", "command"})
"""What of a container belongs to serving: a migration that fails is not started again, and its command is given to
RunTask."""


class Unclear(ValueError):
    """Which container migrates, or with which image, is not clear. The text is a sentence for the requester."""


def family_of(family: str) -> str:
    return f"{family[: LONGEST_FAMILY - len(SUFFIX)]}{SUFFIX}"


def migrating(definition: Mapping[str, Any], serving: Collection[str], named: str, changing: Collection[str]) -> str:
    """Return the name of the container that migrates: as it was named, the one whose image changes, or that serves.

    Raise ``Unclear``.
    """
    containers = {str(container["name"]): container for container in definition["containerDefinitions"]}
    known = ", ".join(sorted(containers))
    if named:
        if named not in containers:
            raise Unclear(f"The task has no container {named}; it has {known}.")
        return named
    essential = {name for name, container in containers.items() if container.get("essential", True)}
    for chosen in (set(changing), set(serving) & set(containers), essential, set(containers)):
        if len(chosen) == 1:
            [only] = chosen
            if only not in containers:
                raise Unclear(f"The task has no container {only}; it has {known}.")
            return only
    raise Unclear(f"Which of the containers {known} migrates is not clear: name it.")


def migration_definition(definition: Mapping[str, Any], container: str, image: str) -> Body:
    """Return the task definition to be registered: ``container`` with ``image``, and what it cannot start without."""
    body = registrable(definition)
    containers = {str(each["name"]): each for each in body["containerDefinitions"]}
    needed = _needed(body, containers, container)
    main = {key: value for key, value in containers[container].items() if key not in _SERVING}
    others = [
        {**{key: value for key, value in each.items() if key != "portMappings"}, "essential": False}
        for name, each in containers.items()
        if name in needed
    ]
    chosen = [{**main, "image": image, "essential": True}, *others]
    return {**body, "family": family_of(str(body["family"])), "containerDefinitions": chosen}


def _needed(body: Body, containers: Mapping[str, Body], container: str) -> set[str]:
    """Return the names of the other containers without which this one does not start, or has no log."""
    found: set[str] = set()
    waiting = [container]
    while waiting:
        for name in _asks_for(body, containers, containers[waiting.pop()]):
            if name in containers and name not in found | {container}:
                found.add(name)
                waiting.append(name)
    return found


def _asks_for(body: Body, containers: Mapping[str, Body], container: Body) -> Iterator[str]:
    yield from (str(needs.get("containerName", "")) for needs in container.get("dependsOn") or ())
    yield from (str(source.get("sourceContainer", "")) for source in container.get("volumesFrom") or ())
    yield from (str(link).partition(":")[0] for link in container.get("links") or ())
    yield str((body.get("proxyConfiguration") or {}).get("containerName", ""))
    if (container.get("logConfiguration") or {}).get("logDriver") == "awsfirelens":
        yield from (name for name, each in containers.items() if each.get("firelensConfiguration"))


def log_place(definition: Mapping[str, Any], container: str, region: str) -> LogPlace | None:
    """Return where the container's log can be read; None where it is not in CloudWatch of this region."""
    each = next(each for each in definition["containerDefinitions"] if each["name"] == container)
    logs = each.get("logConfiguration") or {}
    options = logs.get("options") or {}
    group, prefix = options.get("awslogs-group"), options.get("awslogs-stream-prefix")
    if logs.get("logDriver") != "awslogs" or not group or not prefix:
        return None
    if options.get("awslogs-region", region) != region:
        return None
    return LogPlace(group=group, prefix=prefix, container=container)


def placement(service: Mapping[str, Any], definition: Mapping[str, Any], *, on_fargate: bool) -> Body:
    """Return where the task runs, as fields of ``OneOff``: as the service's own do, though never on Spot.

    Source: Amazon ECS API reference, RunTask: a launch type, or a strategy of capacity providers, never both.
    """
    network = service.get("networkConfiguration")
    own = network if definition.get("networkMode") == "awsvpc" or on_fargate else None
    if on_fargate:
        version = str(service.get("platformVersion") or "")
        return {"launch_type": "FARGATE", "platform_version": version, "network": own}
    providers = tuple(dict(each) for each in service.get("capacityProviderStrategy") or ())
    if providers:
        return {"providers": providers, "network": own}
    return {"launch_type": str(service.get("launchType") or "EC2"), "network": own}
