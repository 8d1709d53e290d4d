"""A service that is made in another cluster, or another region, than its snapshot is of."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from contracts.base import Target
from contracts.cloudwatch_names import alarm_prefix, dashboard_name
from contracts.prose import quote
from services.recovery.domain.change import NAMING
from services.recovery.domain.recreation.recreate_parts import Kind, Part, capital, new_names, renamed
from services.recovery.domain.snapshots.snapshot import Snapshot

_OF_NETWORK = re.compile(r"\b(?:vpc|subnet|sg|pl|fs|fsap|eni|vpce)-[0-9a-f]{8,17}\b")
"""Ids of EC2 and EFS, which are those of one region."""

_OF_VOLUMES = frozenset({"fileSystemId", "accessPointId"})


@dataclass(frozen=True, slots=True)
class Move:
    """Where the snapshot was taken, where the service is made, and what stands there for what."""

    source: Target
    target: Target
    names: Mapping[str, str] = field(default_factory=dict)
    """Id, ARN or name in the snapshot → that of what is there in its place."""

    @property
    def elsewhere(self) -> bool:
        return self.source != self.target

    @property
    def to_another_region(self) -> bool:
        return self.source.region != self.target.region


def moved(snapshot: Snapshot, move: Move) -> Snapshot:
    """Return the snapshot as it would be of a service in the other place."""
    if not move.elsewhere and not move.names:
        return snapshot
    names = _names(move)
    around = {key: _moved(value, move, names) for key, value in snapshot.surroundings.items() if key != "dashboards"}
    if "dashboards" in snapshot.surroundings:
        around["dashboards"] = dict(_dashboards(snapshot.surroundings["dashboards"], move, names))
    if move.to_another_region and "referring_groups" in around:  # by id, others have these there
        around["referring_groups"] = [group for group in around["referring_groups"] if _is_given(group, move)]
    definition = _moved(snapshot.task_definition, move, names)
    return snapshot.model_copy(
        update={
            "target": move.target,
            "service": _moved(snapshot.service, move, names),
            "task_definition": _logging_there(definition, move),
            "surroundings": around,
        }
    )


def _names(move: Move) -> dict[str, str]:
    """Return text → what stands in its place, the names under which metrics are counted among them."""
    source, target = move.source, move.target
    names = {alarm_prefix(source.cluster, source.service): alarm_prefix(target.cluster, target.service)}
    for old, new in move.names.items():
        names |= {old: new} | new_names(old, new)
    return {old: new for old, new in names.items() if old != new}


def _moved(value: Any, move: Move, names: Mapping[str, str]) -> Any:
    source, target = move.source, move.target
    if isinstance(value, Mapping):
        if value.get("Name") == "ClusterName" and value.get("Value") == source.cluster:
            return {**value, "Value": target.cluster}
        return {key: _moved(part, move, names) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_moved(part, move, names) for part in value]
    if value == f"service/{source.cluster}/{source.service}":
        return f"service/{target.cluster}/{target.service}"
    return renamed(value, names)


def _logging_there(definition: Mapping[str, Any], move: Move) -> dict[str, Any]:
    """Return the task definition with its logs in CloudWatch of the other region, where they were in its own."""
    containers = []
    for container in definition.get("containerDefinitions", ()):
        log = container.get("logConfiguration") or {}
        options = log.get("options") or {}
        if log.get("logDriver") == "awslogs" and options.get("awslogs-region") == move.source.region:
            there = {**log, "options": {**options, "awslogs-region": move.target.region}}
            containers.append({**container, "logConfiguration": there})
        else:
            containers.append(container)
    return {**definition, "containerDefinitions": containers}


def _dashboards(boards: Mapping[str, str], move: Move, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield name and body of each dashboard; that of Surefoot is named after cluster and service."""
    source, target = move.source, move.target
    own = dashboard_name(source.cluster, source.service)
    for name, body in boards.items():
        new = dashboard_name(target.cluster, target.service) if name == own else name
        yield new, json.dumps(_widgets(json.loads(body), move, names))


def _widgets(value: Any, move: Move, names: Mapping[str, str]) -> Any:
    """Return a part of a dashboard's body: metrics are lists in which each dimension's value follows its name."""
    if isinstance(value, dict):
        regional = {"region": move.target.region} if value.get("region") == move.source.region else {}
        return {key: _widgets(part, move, names) for key, part in value.items()} | regional
    if isinstance(value, list):
        parts = [_widgets(part, move, names) for part in value]
        for at, name in enumerate(parts[:-1]):
            if name == "ClusterName" and parts[at + 1] == move.source.cluster:
                parts[at + 1] = move.target.cluster
        return parts
    return renamed(value, names)


def unknown_names(snapshot: Snapshot, names: Iterable[str]) -> tuple[str, ...]:
    """Return the names that nothing in the snapshot has; texts that may be secret are not looked at."""
    looked = [*_naming(snapshot.task_definition), json.dumps([snapshot.service, snapshot.surroundings], default=str)]
    return tuple(name for name in names if not any(name in text for text in looked))


def _naming(value: Any, key: str = "") -> Iterator[str]:
    """Yield the texts of a task definition that are names, which anybody may read."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _naming(part, name)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _naming(part, key)
    elif isinstance(value, str) and (key in NAMING or key in _OF_VOLUMES):
        yield value


@dataclass(frozen=True, slots=True)
class Besides:
    """What a plan says besides its parts: sentences."""

    blocked: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __add__(self, other: "Besides") -> "Besides":
        return Besides((*self.blocked, *other.blocked), (*self.warnings, *other.warnings))


def runs_there(move: Move, wanted: int | None) -> Besides:
    """Return what the service that the snapshot is of speaks against. ``wanted``: its tasks; None: it is not known."""
    where = f"{move.source.cluster}/{move.source.service} in {move.source.region}"
    if not move.elsewhere or wanted == 0:
        return Besides()
    if wanted is None:
        return Besides(warnings=(f"Whether {where} still runs tasks, which would do the same work, is not known.",))
    tasks = "1 task" if wanted == 1 else f"{wanted} tasks"
    why = f"{where} still wants {tasks}, and its work would be done twice: set its count to 0, or delete it."
    return Besides(blocked=(why,))


def not_carried_over(move: Move, snapshot: Snapshot, parts: Sequence[Part]) -> Besides:
    """Return what the parts still name of the other region, for which nothing stands in the new one.

    ``snapshot``: of the other region, with the groups that let its tasks in.
    """
    if not move.to_another_region:
        return Besides()
    made = tuple(sorted((part.ref for part in parts if part.ref), key=len, reverse=True))
    blocked, warnings = list[str](), list[str]()
    for part in parts:
        for stray in _strays(part, move, made):
            sentence = f"{capital(part.called)} names {quote(stray.name)}, which is of {move.source.region}"
            if stray.serves and part.kind is not Kind.DASHBOARD:
                blocked.append(f"{sentence}: say what stands for it in {move.target.region} (--map OLD=NEW).")
            else:
                warnings.append(f"{sentence}.")
        if part.kind is Kind.TASK_DEFINITION:
            warnings += _environment_of(part, move)
    return Besides(tuple(dict.fromkeys(blocked)), (*dict.fromkeys(warnings), *_not_looked_at(move, snapshot)))


class _Stray(NamedTuple):
    name: str
    serves: bool
    """Whether a call that names it would be refused, or its tasks would not start."""


def _strays(part: Part, move: Move, made: Sequence[str]) -> Iterator[_Stray]:
    """Yield each name in a part that is one of the old region's; what other parts get when they are made is none."""
    given, region = frozenset(move.names.values()), re.escape(move.source.region)
    texts = _naming(part.body) if part.kind is Kind.TASK_DEFINITION else _texts(part.body)
    for text in texts:
        left = text
        for ref in made:
            left = left.replace(ref, "")
        of_region = re.findall(rf"[A-Za-z0-9.:/_-]*(?<![a-z0-9]){region}[a-f]?(?![a-z0-9])[A-Za-z0-9.:/_-]*", left)
        for name in (*of_region, *_OF_NETWORK.findall(left)):
            if name not in given:
                host = name.partition("/")[0] if ".dkr.ecr." in name else name
                yield _Stray(host, name.startswith("arn:") or ".amazonaws.com" in name or name not in of_region)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, str):
        yield value


def _environment_of(part: Part, move: Move) -> Iterator[str]:
    """Yield a sentence for each container whose environment names the old region. Values are secret."""
    for container in part.body.get("containerDefinitions", ()):
        environment = container.get("environment", ())
        named = [quote(pair["name"]) for pair in environment if move.source.region in str(pair.get("value"))]
        if named:
            yield (
                f"The environment of the container {quote(container['name'])} names {move.source.region} in "
                f"{', '.join(named)}: it stays as it is, unless --map says what stands for it."
            )


def _not_looked_at(move: Move, snapshot: Snapshot) -> Iterator[str]:
    groups = [group for group in snapshot.surroundings.get("referring_groups", ()) if not _is_given(group, move)]
    if groups:
        names = ", ".join(str(group.get("GroupName") or group["GroupId"]) for group in groups)
        yield f"In {move.source.region} the groups {names} let its tasks in; what stands for them has to as well."


def _is_given(group: Mapping[str, Any], move: Move) -> bool:
    return group["GroupId"] in move.names or group["GroupId"] in move.names.values()
