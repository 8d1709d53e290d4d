"""The parts of a service that are made again from its snapshot, in the order in which they are made.

Each part has the parameters of the call of AWS that makes it, with the names, ids and ARNs that the snapshot has. What
is new meanwhile, a security group's id or the ARN of a target group, is put in place of them right before the call.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from services.recovery.domain.change import Body
from services.recovery.domain.snapshots.canonical import canonical, written
from services.recovery.domain.snapshots.snapshot import Snapshot


class Kind(StrEnum):
    """What can be made again."""

    LOG_GROUP = "log group"
    SECURITY_GROUP = "security group"
    SECURITY_RULES = "rules of the security group"
    TARGET_GROUP = "target group"
    LISTENER = "listener"
    LISTENER_RULE = "listener rule"
    TASK_DEFINITION = "task definition"
    NAMESPACE = "namespace"
    MAP_SERVICE = "Cloud Map service"
    ALARM = "alarm"
    COMPOSITE_ALARM = "composite alarm"
    SERVICE = "service"
    SCALABLE_TARGET = "scalable target"
    SCALING_POLICY = "scaling policy"
    SCHEDULED_ACTION = "scheduled action"
    DASHBOARD = "dashboard"


FRONTS = frozenset({Kind.LISTENER, Kind.LISTENER_RULE})
"""The kinds by which requests reach a target group."""
OF_OTHERS = frozenset({Kind.NAMESPACE})
"""The kinds that have an owner of their own: they are looked for, and never made."""
GETS_NEW_ID = FRONTS | {Kind.SECURITY_GROUP, Kind.TARGET_GROUP, Kind.SCALING_POLICY}
"""The kinds that AWS gives another id each time."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part as it was when the snapshot was taken."""

    kind: Kind
    name: str
    body: Body = field(repr=False)
    """The parameters of the call that makes it; a task definition's may be secret."""
    ref: str = ""
    """The id or ARN by which other parts name it; empty where none does."""
    cannot: str = ""
    """Why it cannot be made from the snapshot, a clause; empty where it can."""

    @property
    def key(self) -> str:
        """Return what tells it from all other parts of the service."""
        return f"{self.kind}:{self.name}"

    @property
    def called(self) -> str:
        return f"the {self.kind} {self.name}"

    def with_ids(self, ids: Mapping[str, str]) -> "Part":
        """Return the part with what is new in place of what the snapshot names."""
        return replace(self, body=renamed(self.body, ids), ref=ids.get(self.ref, self.ref)) if ids else self

    def names(self, other: "Part") -> bool:
        """Return whether it names another part: by its id, or by the name under which its metrics are counted."""
        known = (other.ref, *new_names(other.ref, f"{other.ref}-"))
        return self.ref != other.ref and any(name in written(canonical(self.body)) for name in known)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(written(canonical(self.body)).encode()).hexdigest()


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Return a value with each name in its texts replaced at once, the longest first: one may be a part of another."""
    if isinstance(value, Mapping):
        return {key: renamed(part, names) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [renamed(part, names) for part in value]
    if not isinstance(value, str) or not names:
        return value
    known = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.sub(known, lambda found: names[found[0]], value)


def new_names(ref: str, found: str) -> dict[str, str]:
    """Return what stands for what from now on: the id itself, and the end of an ARN under which others know it.

    Source: CloudWatch's dimensions TargetGroup (``targetgroup/NAME/ID``) and LoadBalancer (``app/NAME/ID``); Cloud Map
    knows a namespace by its id.
    """
    if not ref or not found or ref == found:
        return {}
    names = {ref: found}
    for border, kept in ((":targetgroup/", "targetgroup/"), (":loadbalancer/", ""), (":namespace/", "")):
        if border in ref and border in found:
            names[kept + ref.partition(border)[2]] = kept + found.partition(border)[2]
    return names


def differing(part: Part, found: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the settings that are there in another form than in the snapshot, sorted."""
    return tuple(sorted(name for name, value in part.body.items() if name in found and not _same(value, found[name])))


def _same(ours: Any, theirs: Any) -> bool:
    return written(canonical(ours)) == written(canonical(theirs))


def log_groups(snapshot: Snapshot) -> Iterator[Part]:
    """Yield the groups to which its containers write in its own region, with retention and key where they are known."""
    known = {group["logGroupName"]: group for group in snapshot.surroundings.get("log_groups", ())}
    for name in log_group_names(snapshot.task_definition, snapshot.target.region):
        kept = {key: known[name][key] for key in ("retentionInDays", "kmsKeyId") if known.get(name, {}).get(key)}
        yield Part(Kind.LOG_GROUP, name, {"logGroupName": name, **kept})


def log_group_names(definition: Mapping[str, Any], region: str) -> tuple[str, ...]:
    """Return the names of the log groups of CloudWatch in ``region`` to which the containers write, each once."""
    logs = (container.get("logConfiguration") or {} for container in definition.get("containerDefinitions", ()))
    options = (log.get("options") or {} for log in logs if log.get("logDriver") == "awslogs")
    named = (each.get("awslogs-group") for each in options if each.get("awslogs-region", region) == region)
    return tuple(dict.fromkeys(str(name) for name in named if name))


def security_groups(snapshot: Snapshot) -> Iterator[Part]:
    """Yield all groups, empty, and then the rules of each: groups may let each other in."""
    groups = list(snapshot.surroundings.get("security_groups", ()))
    for group in groups:
        yield Part(Kind.SECURITY_GROUP, group["GroupName"], _group(group), ref=group["GroupId"])
    for group in groups:
        rules = {
            "GroupId": group["GroupId"],
            "ingress": [permission(each) for each in group.get("IpPermissions", ())],
            "egress": [permission(each) for each in group.get("IpPermissionsEgress", ())],
        }
        yield Part(Kind.SECURITY_RULES, group["GroupName"], rules)


def _group(group: Mapping[str, Any]) -> Body:
    body = {"GroupName": group["GroupName"], "Description": group["Description"], "VpcId": group["VpcId"]}
    return body | ({"Tags": tags} if (tags := own_tags(group.get("Tags", ()), "Key")) else {})


def permission(permission: Mapping[str, Any]) -> Body:
    """Return a permission without what is empty, and without what a description has besides."""
    own, peered = ("GroupId", "Description"), ("UserId", "VpcId", "VpcPeeringConnectionId")
    pairs = [
        {key: pair[key] for key in (*own, *(peered if pair.get("PeeringStatus") else ())) if pair.get(key)}
        for pair in permission.get("UserIdGroupPairs", ())
    ]
    kept = {key: value for key, value in permission.items() if value not in ([], None) and key != "UserIdGroupPairs"}
    return kept | ({"UserIdGroupPairs": pairs} if pairs else {})


def own_tags(tags: Iterable[Mapping[str, str]], key: str) -> list[Body]:
    """Return the tags without AWS's own, which nobody else may set."""
    return [dict(tag) for tag in tags if not tag[key].lower().startswith("aws:")]


def task_definition(snapshot: Snapshot) -> Part:
    """Return the task definition, with each image by the digest that ran."""
    name = snapshot.version.rpartition("/")[2]
    return Part(Kind.TASK_DEFINITION, name, snapshot.pinned_definition, ref=snapshot.version)
