"""What of a service is there, what is missing, and what would be made again: a plan that a person approves."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from services.recovery.domain.readiness import Need
from services.recovery.domain.recreation.move import Besides
from services.recovery.domain.recreation.recreate_discovery import deploy_command, map_services, namespaces
from services.recovery.domain.recreation.recreate_entrance import forwarded_to, fronts, target_groups
from services.recovery.domain.recreation.recreate_needs import cautions, not_known, obstacles
from services.recovery.domain.recreation.recreate_parts import (
    FRONTS,
    GETS_NEW_ID,
    OF_OTHERS,
    Kind,
    Part,
    capital,
    differing,
    log_groups,
    new_names,
    security_groups,
    task_definition,
)
from services.recovery.domain.recreation.recreate_service import (
    alarms,
    dashboards,
    scaling,
    service,
)
from services.recovery.domain.snapshots.snapshot import Snapshot

State = Literal["there", "differs", "missing", "unknown"]
_HELD = {
    "log_groups": "the retention and the keys of its log groups",
    "alarms": "its alarms",
    "dashboards": "its dashboard",
    "referring_groups": "which other security groups let its tasks in",
    "target_groups": "its target groups",
    "security_groups": "its security groups",
    "scalable_targets": "what scales it",
    "registries": "the service of Cloud Map with which its tasks are registered",
}
"""Part of a snapshot's surroundings → what is not known without it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is there under the name of a part."""

    id: str = ""
    """Its id or ARN now; empty where nothing names it."""
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Its settings, named as in the part's own body."""
    anew: str = ""
    """Why it is made although something is there under its name: a clause that follows the part's name."""
    in_the_way: str = ""
    """Why the part cannot be made although it is missing, a clause: somebody else has taken its place."""
    balanced: bool = False
    """Whether a load balancer sends requests to it; False for all but target groups."""


@dataclass(frozen=True, slots=True)
class Unread:
    """It could not be looked at."""

    why: str


Seen = Found | Unread | None
"""What a look at a part has found; None: it is not there."""


@dataclass(frozen=True, slots=True)
class Line:
    """One part in the plan."""

    part: Part
    state: State
    sentence: str

    @property
    def made(self) -> bool:
        return self.state == "missing" and self.part.kind not in OF_OTHERS


@dataclass(frozen=True, slots=True)
class RecreationPlan:
    lines: tuple[Line, ...]
    """In the order in which parts are made."""
    blocked: tuple[str, ...]
    """Why the service could not run although all of it were made: a sentence for each reason, with what to do."""
    warnings: tuple[str, ...]
    by_hand: tuple[str, ...]
    """What others have to do afterwards: Surefoot changes nothing that belongs to them."""
    digest: str
    tasks: int | None
    """How many tasks are wanted; None for a DAEMON, of which ECS runs one on each instance."""
    unknown: tuple[str, ...] = ()
    """Those sentences of ``blocked`` and ``warnings`` that say that something is not known."""

    @property
    def makes(self) -> tuple[str, ...]:
        """Return the keys of the parts that would be made, in order."""
        return tuple(line.part.key for line in self.lines if line.made)

    @property
    def unread(self) -> tuple[str, ...]:
        """Return a sentence for each part that could not be looked at, and that nothing is made without."""
        return tuple(line.sentence for line in self.lines if line.state == "unknown" and _is_needed(line))

    @property
    def sentence(self) -> str:
        missing = [line for line in self.lines if line.made]
        if self.blocked:
            return f"It cannot be made again yet: {' '.join(self.blocked)}"
        if not missing:
            return "Nothing of the service is missing."
        return f"{len(missing)} of {len(self.lines)} parts are missing and would be made, in this order."


def parts_of(snapshot: Snapshot, now: datetime, count: int | None = None) -> tuple[Part, ...]:
    """Return everything of a service that its snapshot holds, in the order in which it is made.

    ``count``: how many tasks are wanted; None: as many as when the snapshot was taken.
    """
    return (
        *namespaces(snapshot),
        *log_groups(snapshot),
        *security_groups(snapshot),
        *target_groups(snapshot),
        *fronts(snapshot),
        task_definition(snapshot),
        *map_services(snapshot),
        *alarms(snapshot, after_scaling=False),
        service(snapshot, count),
        *scaling(snapshot, now),
        *alarms(snapshot, after_scaling=True),
        *dashboards(snapshot),
    )


def plan_recreation(
    snapshot: Snapshot,
    parts: Sequence[Part],
    seen: Mapping[str, Seen],
    needs: Sequence[Need],
    besides: Besides = Besides(),  # noqa: B008  frozen
) -> RecreationPlan:
    """Return the plan. ``seen``: key of each part → what is there; ``needs``: what is not made, and must be there.

    ``besides``: what speaks against making it in another place than the snapshot's.
    """
    lines = tuple(_line(part, seen[part.key]) for part in parts)
    wanted = next(line.part.body.get("desiredCount") for line in lines if line.part.kind is Kind.SERVICE)
    unread = tuple(_unread(lines)) if any(line.made for line in lines) else ()
    return RecreationPlan(
        lines,
        blocked=tuple(dict.fromkeys((*besides.blocked, *_blocked(lines, seen, needs), *unread))),
        warnings=tuple(dict.fromkeys((*besides.warnings, *_warnings(snapshot, lines, needs)))),
        by_hand=tuple(rules_of_others(snapshot, {line.part.ref for line in lines if line.made}, {})),
        digest=_digest(snapshot, lines),
        tasks=None if wanted is None else int(wanted),
        unknown=(*unread, *_unread_of_others(lines), *not_known(needs)),
    )


def ids_found(parts: Sequence[Part], seen: Mapping[str, Seen]) -> dict[str, str]:
    """Return what stands for what: ids and ARNs of the snapshot → those of what is there now."""
    names: dict[str, str] = {}
    for part in parts:
        found = seen.get(part.key)
        if isinstance(found, Found):
            names |= new_names(part.ref, found.id)
    return names


def is_made(seen: Seen) -> bool:
    """Return whether a part would be made. ``seen``: what a look at it has found."""
    return seen is None or (isinstance(seen, Found) and bool(seen.anew or seen.in_the_way))


def _line(part: Part, seen: Seen) -> Line:
    if isinstance(seen, Unread):
        return Line(part, "unknown", f"Whether {part.called} is there is not known: {seen.why}.")
    if seen is None or seen.in_the_way:
        return Line(part, "missing", f"{capital(part.called)} is missing.")
    if seen.anew:
        return Line(part, "missing", f"{capital(part.called)} {seen.anew}.")
    others = differing(part, seen.body)
    if others:
        named = ", ".join(others)
        return Line(part, "differs", f"{capital(part.called)} is there with another {named}; it is left as it is.")
    return Line(part, "there", f"{capital(part.called)} is there.")


def _blocked(lines: Sequence[Line], seen: Mapping[str, Seen], needs: Sequence[Need]) -> Iterator[str]:
    if not any(line.made for line in lines):
        return
    yield from obstacles(needs)
    for line in lines:
        found = seen[line.part.key]
        if line.state == "missing" and line.part.cannot:
            yield f"{capital(line.part.called)} cannot be made: {line.part.cannot}."
        if isinstance(found, Found) and found.in_the_way:
            yield f"{capital(line.part.called)} cannot be made: {found.in_the_way}."
    yield from _without_a_way(lines, seen)


def _unread(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        if line.state == "unknown" and _is_needed(line):
            yield f"{line.sentence} Let recovery's role look at it (surefoot iam)."


def _unread_of_others(lines: Sequence[Line]) -> tuple[str, ...]:
    return tuple(line.sentence for line in lines if line.state == "unknown" and not _is_needed(line))


def _is_needed(line: Line) -> bool:
    """Return whether it has to be looked at: whether what others own is there AWS says itself, when it is named."""
    return line.part.kind not in OF_OTHERS


def _without_a_way(lines: Sequence[Line], seen: Mapping[str, Seen]) -> Iterator[str]:
    """Yield a sentence for each target group to which no listener would send requests: ECS takes no such service."""
    served = {arn for line in lines if line.part.kind in FRONTS for arn in _serves(line, seen[line.part.key])}
    for line in lines:
        found = seen[line.part.key]
        if line.part.kind is not Kind.TARGET_GROUP or (isinstance(found, Found) and found.balanced):
            continue
        if not served & {line.part.ref, found.id if isinstance(found, Found) else line.part.ref}:
            yield (
                f"No listener would send requests to {line.part.called}, and ECS takes no service behind such a group: "
                "let a listener or a rule of the load balancer forward to it, and ask again."
            )


def _serves(line: Line, found: Seen) -> tuple[str, ...]:
    """Return the target groups to which a listener or a rule sends requests, or will once it is made."""
    body = line.part.body if line.made or not isinstance(found, Found) else {**line.part.body, **found.body}
    return forwarded_to(body.get("DefaultActions") or body.get("Actions") or ())


def _warnings(snapshot: Snapshot, lines: Sequence[Line], needs: Sequence[Need]) -> Iterator[str]:
    yield from cautions(needs)
    gaps = [what for name, what in _HELD.items() if name not in snapshot.surroundings and _expects(snapshot, name)]
    if gaps:
        yield f"The snapshot does not hold {'; '.join(gaps)}: an earlier version took it, or they could not be read."
    for line in lines:
        if line.state == "differs":
            yield line.sentence
    yield from _unread_of_others(lines)
    yield from _names_gone(lines)
    yield from _registers_later(snapshot, lines)
    if any(line.part.kind is Kind.LISTENER and line.made and line.part.body.get("Certificates") for line in lines):
        yield "Of a listener's certificates the snapshot has the first alone: add others by hand."
    if any(line.part.kind is Kind.TARGET_GROUP and line.made for line in lines):
        yield "The tags of target groups, listeners, rules and alarms are not in the snapshot."
    if any(line.part.kind is Kind.MAP_SERVICE and line.made for line in lines):
        yield "The tags of Cloud Map services are not in the snapshot."


def _registers_later(snapshot: Snapshot, lines: Sequence[Line]) -> Iterator[str]:
    """Yield a sentence where tasks run already, and the service of Cloud Map is made: it stays empty."""
    stays = any(line.part.kind is Kind.SERVICE and not line.made for line in lines)
    for line in lines:
        if stays and line.made and line.part.kind is Kind.MAP_SERVICE:
            yield (
                f"The service stays as it is. ECS registers its tasks in {line.part.called} only with a new deployment "
                f"(and where it gets another ARN, by naming that): {deploy_command(snapshot.target)}"
            )


def _names_gone(lines: Sequence[Line]) -> Iterator[str]:
    """Yield a sentence for each part that is there, and names one that gets another id when it is made."""
    gone = [line.part for line in lines if line.made and line.part.kind in GETS_NEW_ID and line.part.ref]
    for line in lines:
        if line.state not in {"there", "differs"}:
            continue
        for other in gone:
            if line.part.names(other):
                yield (
                    f"{capital(line.part.called)} is there and stays as it is, but names {other.called}, which gets "
                    "another id: let it name the new one by hand."
                )


def _expects(snapshot: Snapshot, name: str) -> bool:
    """Return whether a service of this kind has such a part at all."""
    if name == "target_groups":
        return bool(snapshot.service.get("loadBalancers"))
    if name == "registries":
        return bool(snapshot.service.get("serviceRegistries"))
    if name in {"security_groups", "referring_groups"}:
        return bool(snapshot.service.get("networkConfiguration"))
    return True


def rules_of_others(snapshot: Snapshot, gone: set[str], ids: Mapping[str, str]) -> Iterator[str]:
    """Yield a command for each rule by which another group let in one that is made anew, under its new id.

    ``gone``: the ids of the groups that are made; ``ids``: the new ones, as far as they are known.
    """
    for group in snapshot.surroundings.get("referring_groups", ()):
        for permission in group.get("IpPermissions", ()):
            for pair in permission.get("UserIdGroupPairs", ()):
                if pair.get("GroupId") in gone:
                    new = ids.get(pair["GroupId"], f"NEW-ID-OF-{pair['GroupId']}")
                    ports = "".join(
                        f",{name}={permission[name]}" for name in ("FromPort", "ToPort") if name in permission
                    )
                    rule = f"IpProtocol={permission['IpProtocol']}{ports},UserIdGroupPairs=[{{GroupId={new}}}]"
                    yield (
                        f"aws ec2 authorize-security-group-ingress --region {snapshot.target.region} "
                        f"--group-id {group['GroupId']} --ip-permissions '{rule}'"
                    )


def _digest(snapshot: Snapshot, lines: Sequence[Line]) -> str:
    """Return the digest that an approval is bound to: the snapshot, and exactly what is made and what is left.

    What others own is neither; where another one stands for it, the parts that name it are others.
    """
    facts = [[line.part.key, line.state, line.part.fingerprint] for line in lines if _is_needed(line)]
    text = json.dumps([str(snapshot.target), snapshot.snapshot_id, facts])
    return hashlib.sha256(text.encode()).hexdigest()
