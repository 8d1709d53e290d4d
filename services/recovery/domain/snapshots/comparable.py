"""What is compared of a service: each setting under a name in words, with what of it may be shown.

Load balancers are compared as sets of target groups, never by weight: each deployment with ECS's own strategies swaps
the two groups and their weights (docs/adr/0038-what-a-snapshot-is-compared-with.md).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from contracts.redact import redact
from services.recovery.domain.change import pinned, registrable
from services.recovery.domain.ecs_service import live_deployment
from services.recovery.domain.snapshots.canonical import canonical, written
from services.recovery.domain.snapshots.show import command_line, scrub
from services.recovery.domain.snapshots.snapshot import OF_DEPLOYMENT, RESTORED_SETTINGS, Snapshot

_SHOWN = frozenset({
    "cpu", "memory", "memoryReservation", "essential", "user", "workingDirectory", "readonlyRootFilesystem",
    "privileged", "stopTimeout", "startTimeout", "networkMode", "taskRoleArn", "executionRoleArn", "pidMode", "ipcMode",
    "family", "requiresCompatibilities", "runtimePlatform", "ephemeralStorage", "placementConstraints",
})  # fmt: skip
"""Settings of task definitions that are shown; of the others it is only said that they differ."""
_COMMANDS = ("command", "entryPoint")
_OWN = frozenset({"name", "image", "environment", "secrets", *_COMMANDS})
_SERVICE = (*RESTORED_SETTINGS, "launchType", "roleArn", "schedulingStrategy")
_OF_GROUP = ("Protocol", "Port", "TargetType", "HealthCheckPath", "HealthCheckPort", "HealthCheckProtocol",
             "HealthCheckIntervalSeconds", "HealthCheckTimeoutSeconds", "HealthyThresholdCount",
             "UnhealthyThresholdCount", "Matcher")  # fmt: skip
_OF_REVISION = ("platformFamily", "platformVersion", "guardDutyEnabled", "fargateEphemeralStorage")
_SCALING = (("scalable_targets", ("MinCapacity", "MaxCapacity", "SuspendedState")), ("scaling_policies", ()),
            ("scheduled_actions", ()))  # fmt: skip


class Fact(NamedTuple):
    value: str
    """In the canonical form, to be compared; it may be a secret."""
    shown: str | None
    """What may be shown of it; None: nothing."""
    reference: str = ""
    """How the task definition names an image; empty for everything else."""

    def same_as(self, other: "Fact") -> bool:
        """Return whether both are the same. Where a digest is not known, the same tag stands for the same image."""
        if self.value == other.value:
            return True
        known = all(fact.value.startswith("sha256:") for fact in (self, other))
        return bool(self.reference) and self.reference == other.reference and not known


Facts = dict[str, Fact]
"""Setting in words → what it is. Settings that have their default are left out."""


@dataclass(frozen=True, slots=True)
class Side:
    """A service, as a snapshot has it or as it is now."""

    service: Mapping[str, Any]
    """The service in the form of DescribeServices."""
    definition: Mapping[str, Any]
    """Its task definition in the form of DescribeTaskDefinition, with its tags."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Container name → digest of the image that runs."""
    around: Mapping[str, Any] = field(default_factory=dict)
    revision: Mapping[str, Any] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    """A sentence for each part that could not be read."""

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Side":
        return cls(
            snapshot.service,
            snapshot.task_definition,
            snapshot.digests,
            snapshot.surroundings,
            snapshot.revision,
            snapshot.unknown,
        )

    @property
    def groups(self) -> frozenset[str]:
        """Return the ARNs of its target groups, those of the other colour among them."""
        return frozenset(group for groups, _ in _balanced(self.service) for group in groups)


def service_facts(side: Side) -> Facts:
    """Return the settings of the service itself, without the number of its tasks."""
    found: Facts = {}
    live = live_deployment(side.service)
    for name in _SERVICE:
        if name != "loadBalancers":
            found |= _flat(name, side.service.get(name, RESTORED_SETTINGS.get(name)))
    for name in OF_DEPLOYMENT:
        found |= _flat(name, live.get(name))
    for groups, goes_to in _balanced(side.service):
        names = " and ".join(sorted(map(_short, groups))) or "a classic load balancer"
        found[f"the load balancing by {names}"] = _shown(goes_to)
    return found | _tags("the ", side.service.get("tags"))


def definition_facts(side: Side) -> Facts:
    """Return what the tasks run: the containers, each with its image, and the settings of the task."""
    definition = registrable(side.definition)
    found = _named("the task's ", {key: value for key, value in definition.items() if key != "containerDefinitions"})
    for container in definition.get("containerDefinitions") or ():
        found |= _container(container, side.digests.get(str(container.get("name")), ""))
    if side.definition.get("status") == "INACTIVE":
        found["the task definition's status"] = _shown("INACTIVE: it was deregistered")
    return found


def revision_facts(side: Side) -> Facts:
    """Return what only the service revision tells."""
    found: Facts = {}
    for name in _OF_REVISION:
        found |= _flat(name, side.revision.get(name))
    return found


def count_facts(side: Side) -> Facts:
    """Return how many tasks are wanted, which is left to whoever scales."""
    count = side.service.get("desiredCount")
    return {} if count is None else {"the desired count": _shown(count)}


def around_facts(side: Side, part: str) -> Facts:
    """Return the facts of a part of the surroundings, as ``AwsSurroundings`` names it."""
    if part == "target_groups":
        return _groups(side.around[part])
    if part == "target_group_attributes":
        return {
            f"{pair['Key']} of the target group {_short(arn)}": _shown(pair.get("Value"))
            for arn, pairs in side.around[part].items()
            for pair in pairs
            if canonical(pair.get("Value")) is not None
        }
    if part == "rules":
        return _rules(side)
    if part == "registries":
        return _registries(side.around[part])
    return {
        f"the rule set of the security group {group.get('GroupId')}": Fact(
            written(canonical([group.get("IpPermissions"), {"out": group.get("IpPermissionsEgress")}])), None
        )
        for group in side.around[part]
    }


COMPARED_AROUND = ("target_groups", "target_group_attributes", "rules", "security_groups", "registries")


def scaling_facts(side: Side) -> Facts:
    """Return the limits, policies and schedules of what scales the service."""
    found: Facts = {}
    for part, names in _SCALING:
        for entry in side.around.get(part) or ():
            named = entry.get("PolicyName") or entry.get("ScheduledActionName")
            kept = {name: entry.get(name) for name in names} if names else {"": entry}
            for name, value in kept.items():
                if (content := canonical(value)) is not None:
                    what = f"the scaling's {name}" if name else f"the scaling by {named}"
                    found[what] = _shown(content) if name else Fact(written(content), None)
    return found


def _container(container: Mapping[str, Any], digest: str) -> Facts:
    name = str(container.get("name"))
    of = f" of the container {name}"
    reference = str(container.get("image", ""))
    image = pinned(reference, digest or None)
    exact = image.rpartition("@")[2] if "@" in image else image
    found: Facts = {f"the image{of}": Fact(exact, redact(image), reference)}
    for command in _COMMANDS:
        if container.get(command):
            found[f"the {command}{of}"] = Fact(written(container[command]), command_line(container[command]))
    for kind, value in (("environment", "value"), ("secrets", "valueFrom")):
        word = "variable" if kind == "environment" else "secret"
        for pair in container.get(kind) or ():
            found[f"the {word} {pair.get('name')}{of}"] = Fact(written(pair.get(value)), None)
    rest = {key: value for key, value in container.items() if key not in _OWN}
    return found | {f"{what}{of}": fact for what, fact in _named("", rest).items()}


def _named(before: str, settings: Mapping[str, Any]) -> Facts:
    """Return a fact for each setting, those of ``_SHOWN`` with their value."""
    found = _tags(before, settings.get("tags"))
    for name, value in settings.items():
        content = canonical(value, name)
        if name != "tags" and content is not None:
            shown = _text(scrub(content, name)) if name in _SHOWN else None
            found[f"{before}{name}"] = Fact(written(content), shown)
    return found


def _tags(of: str, tags: Iterable[Mapping[str, Any]] | None) -> Facts:
    own = [tag for tag in tags or () if not str(tag.get("key", "")).lower().startswith("aws:")]
    return {f"{of}tag {tag.get('key')}": _shown(tag.get("value", ""), str(tag.get("key"))) for tag in own}


def _flat(name: str, value: Any) -> Facts:
    """Return a fact for each leaf of nested settings: ``deploymentConfiguration.maximumPercent``."""
    content = canonical(value, name.rpartition(".")[2])
    if content is None:
        return {}
    if isinstance(content, dict):
        return {key: fact for part, inner in content.items() for key, fact in _flat(f"{name}.{part}", inner).items()}
    return {name: _shown(content, name)}


def _balanced(service: Mapping[str, Any]) -> Iterator[tuple[frozenset[str], str]]:
    """Yield the set of target groups of each load balancer, and where it sends."""
    for entry in service.get("loadBalancers") or ():
        other = (entry.get("advancedConfiguration") or {}).get("alternateTargetGroupArn")
        groups = frozenset(str(group) for group in (entry.get("targetGroupArn"), other) if group)
        yield groups, f"{entry.get('containerName')}:{entry.get('containerPort')}"


def _groups(groups: Iterable[Mapping[str, Any]]) -> Facts:
    return {
        f"{name} of the target group {_short(str(group.get('TargetGroupArn')))}": _shown(content)
        for group in groups
        for name in _OF_GROUP
        if (content := canonical(group.get(name))) is not None
    }


def _registries(services: Iterable[Mapping[str, Any]]) -> Facts:
    return {
        f"{name} of the Cloud Map service {service.get('Name')}": _shown(content)
        for service in services
        for name in ("NamespaceId", "DnsConfig", "HealthCheckConfig", "HealthCheckCustomConfig")
        if (content := canonical(service.get(name))) is not None
    }


def _rules(side: Side) -> Facts:
    """Return the rules that send to the service: conditions and target groups, whatever their weights."""
    found: Facts = {}
    for listener, rules in side.around["rules"].items():
        ours = []
        for rule in rules:
            groups = sorted({group for action in rule.get("Actions") or () for group in _sent_to(action)})
            if side.groups.intersection(groups):
                ours.append([rule.get("Priority"), canonical(rule.get("Conditions")), groups])
        if ours:
            named = "/".join(listener.split("/")[-3:])
            found[f"the rule set of the listener {named}"] = Fact(written(sorted(ours, key=written)), None)
    return found


def _sent_to(action: Mapping[str, Any]) -> set[str]:
    forward = (action.get("ForwardConfig") or {}).get("TargetGroups") or ()
    groups = (action.get("TargetGroupArn"), *(group.get("TargetGroupArn") for group in forward))
    return {str(arn) for arn in groups if arn}


def _short(arn: str) -> str:
    """Return the name in the ARN of a target group."""
    parts = arn.split("/")
    return parts[1] if len(parts) > 2 else arn


def _shown(value: Any, name: str = "") -> Fact:
    return Fact(written(value), _text(scrub(value, name.rpartition(".")[2])))


def _text(value: Any) -> str:
    return redact(value if isinstance(value, str) else written(value))
