"""Decides how far an emergency scaling goes, and why it does not begin."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from re import IGNORECASE, search

from contracts.policy import Recovery
from contracts.prose import quote
from contracts.scaling import Counts
from services.recovery.domain.outside.answer import Answer
from services.recovery.domain.scaling.scaling import ScalingPlan, WhyScale, not_scaled

RECENT_SECONDS = 900.0
"""For so long a message of ECS about a task that it could not place stands for how it is now."""
DATABASE_FULL = 0.8
"""Share of a database's connections beyond which more tasks make it worse."""
DATABASE_BUSY = 95.0
"""Per cent of its processor from which on a database is overloaded (``services/_aws/databases.py``)."""
UNKNOWN_DATABASE_FACTOR = 1.5
"""Recovery goes no further than this by itself where it does not know what the database can take."""

OVERRIDABLE: Mapping[str, str] = {
    "database_headroom": "the database has room for the connections of more tasks",
    "no_deployment": "no deployment is under way on the service",
    "tasks_placed": "ECS could place the service's tasks in the last 15 minutes",
    "free_addresses": "the subnets have an address for each new task",
    "limits_known": "the limits of the service's autoscaler could be read",
}
"""Name of each check that a person may override → what it asks."""
_UNPLACED = (
    (r"limit on the number of vCPUs|vCPU limit", "the account's quota of Fargate vCPUs is used up"),
    (r"free (?:ip )?addresses", "the subnets have no free addresses"),
    (r"capacity is unavailable|insufficient capacity|no capacity", "AWS has no capacity for new tasks"),
    (r"unable to place (?:a )?task", "ECS cannot place tasks"),
)
"""Pattern of a service event (Amazon ECS developer guide, service event messages) → what it says."""


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """The scalable target of a service (Application Auto Scaling)."""

    low: int
    high: int
    policies: bool = True
    """Whether it has policies that scale in, and they are not suspended."""
    scales_out: bool = True
    """Whether it has policies that scale out, and they are not suspended."""
    schedule: tuple[str, ...] = ()
    """Names of its scheduled actions, which may set other limits at any time."""


@dataclass(frozen=True, slots=True)
class DatabaseRoom:
    """What the service's database is asked for now."""

    instance: str
    connections: float | None = None
    """The most of the last minutes; None where CloudWatch has no point."""
    cpu: float | None = None
    """Per cent."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The service and what surrounds it."""

    desired: int
    running: int
    daemon: bool = False
    deletion: str = ""
    """Says, as a clause, that the service is being deleted; empty where it is not."""
    rolling_out: bool = False
    deployed_at: tuple[float, ...] = ()
    """When ECS began the newest deployment, and completed those of its events: epoch seconds by AWS's clock."""
    spot_only: bool = False
    messages: tuple[str, ...] = ()
    """The service events of the last ``RECENT_SECONDS``, the newest first."""
    autoscaler: Autoscaler | None = None
    free_addresses: int | None = None
    """In the subnets of its tasks; None where they need none, or where that is not known."""
    database: DatabaseRoom | None = None
    """None where the policy names none."""
    unread: Mapping[str, str] | None = None
    """What could not be read: a name of ``OVERRIDABLE`` → AWS's answer, as a clause."""

    @property
    def unplaced(self) -> str:
        """Return what ECS says of tasks that it could not place lately, as a clause; empty where nothing."""
        return unplaced(self.messages)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for."""

    count: int | None
    """None: as many as are allowed."""
    by_itself: bool
    overridden: frozenset[str] = frozenset()
    database_refuses: bool = False
    """Whether a critical alert about the database's connections fires."""


@dataclass(frozen=True, slots=True)
class Planned:
    plan: ScalingPlan
    warnings: tuple[str, ...]
    """What could not be seen, or may stand in the way: a sentence for each."""


def plan_scaling(seen: Seen, wanted: Wanted, policy: Recovery) -> Planned | Answer:
    """Return what is to be set, or why nothing is."""
    why_never = _why_never(seen)
    if why_never is not None:
        return why_never
    if wanted.by_itself and _alone(seen):
        return not_scaled(WhyScale.AT_MOST, "one task is wanted, and nothing shows that two may run at a time")
    most, bound = _most(seen, wanted, policy)
    count = most if wanted.count is None else min(wanted.count, most)
    if count <= seen.desired:
        return not_scaled(WhyScale.AT_MOST, _no_more(seen, wanted, most, bound))
    for name, why, because in _obstacles(seen, wanted, policy, count):
        if wanted.by_itself or name not in wanted.overridden:
            hint = "" if wanted.by_itself else f" (override {name} with a reason if it is to be scaled all the same)"
            return not_scaled(why, f"{because}{hint}")
    capped = f"{wanted.count} were asked for, and {bound}. " if wanted.count and wanted.count > count else ""
    plan = _plan(seen, count, capped)
    return Planned(plan, tuple(_warnings(seen, policy)))


def _why_never(seen: Seen) -> Answer | None:
    if seen.deletion:
        return not_scaled(WhyScale.GONE, seen.deletion)
    if seen.daemon:
        because = "the service is a DAEMON: it runs one task on each container instance, and has no desired count"
        return not_scaled(WhyScale.DAEMON, because)
    if seen.desired == 0:
        return not_scaled(WhyScale.ZERO, "the service wants no task: starting it is no scaling; set its desired count")
    return None


def _alone(seen: Seen) -> bool:
    """Return whether a second task may be one too many: a scheduler, the only writer of a volume."""
    known = "limits_known" not in (seen.unread or {})
    return known and seen.desired == 1 and (seen.autoscaler is None or seen.autoscaler.high <= 1)


def _most(seen: Seen, wanted: Wanted, policy: Recovery) -> tuple[int, str]:
    """Return the highest count that is allowed, and why it is no higher, as a clause."""
    most = floor(seen.desired * policy.scaling_factor)
    bound = f"{most} is the most: {policy.scaling_factor:g} times the {seen.desired} that are wanted now"
    unknown = _unknown_database(seen, policy)
    if wanted.by_itself and unknown and (careful := ceil(seen.desired * UNKNOWN_DATABASE_FACTOR)) < most:
        most = careful
        bound = f"{most} is the most, since {unknown}"
    high = seen.autoscaler.high if seen.autoscaler else None
    if high is not None and high < most and not policy.scaling_above_maximum:
        most, bound = high, f"{high} is the most: the maximum of the service's autoscaler"
    return most, bound


def _no_more(seen: Seen, wanted: Wanted, most: int, bound: str) -> str:
    if most <= seen.desired:
        return f"{seen.desired} tasks are wanted already, and {bound}"
    return (
        f"{seen.desired} tasks are wanted already: an emergency scaling only adds some, and {wanted.count} are no more"
    )


def _obstacles(seen: Seen, wanted: Wanted, policy: Recovery, count: int) -> Iterator[tuple[str, WhyScale, str]]:
    """Yield what speaks against it: the name of the check, the branch, and why as a clause."""
    unread = seen.unread or {}
    if "limits_known" in unread:
        yield "limits_known", WhyScale.UNSEEN, f"the limits of its autoscaler are not known: {unread['limits_known']}"
    if seen.rolling_out:
        yield (
            "no_deployment",
            WhyScale.DEPLOYING,
            "a deployment is under way on the service: the scaling waits for its end",
        )
    if because := _database(seen, wanted, policy, count):
        yield "database_headroom", WhyScale.DATABASE, f"{because}: more tasks would make it worse"
    if because := unplaced(seen.messages):
        yield "tasks_placed", WhyScale.PLACEMENT, because
    more = count - seen.desired
    if seen.free_addresses is not None and seen.free_addresses < more:
        free = f"the subnets have {seen.free_addresses} free addresses, and {more} more tasks need one each"
        yield "free_addresses", WhyScale.ADDRESSES, free


def _database(seen: Seen, wanted: Wanted, policy: Recovery, count: int) -> str:
    """Return why the database is what is exhausted, as a clause; empty where that is not seen."""
    if wanted.database_refuses:
        return "the database refuses connections (a critical alert says so)"
    room, limit = seen.database, policy.scaling_database_connections
    if room is None:
        return ""
    if room.cpu is not None and room.cpu >= DATABASE_BUSY:
        return f"the processor of the database {room.instance} is at {room.cpu:.0f} %"
    if limit is None or room.connections is None:
        return ""
    each = room.connections / max(1, seen.running)
    then = room.connections + each * (count - seen.desired)
    if then <= DATABASE_FULL * limit:
        return ""
    return (
        f"the database {room.instance} has {room.connections:.0f} of {limit} connections, {each:.1f} for each of "
        f"{seen.running} tasks, and {count} tasks would want {then:.0f}, more than {DATABASE_FULL:.0%}"
    )


def unplaced(messages: Sequence[str]) -> str:
    """Return what ECS's recent messages say of tasks that it could not place, as a clause; empty where nothing."""
    for message in messages:
        for pattern, meaning in _UNPLACED:
            if search(pattern, message, IGNORECASE):
                return f"{meaning}: {quote(message, 200).rstrip('.')}"
    return ""


def _warnings(seen: Seen, policy: Recovery) -> Iterator[str]:
    for name, because in (seen.unread or {}).items():
        yield f"It is not known whether {OVERRIDABLE[name]}: {because}."
    if seen.spot_only:
        yield "The service runs on Spot alone: whether more tasks start depends on what AWS has to spare."
    unknown = _unknown_database(seen, policy)
    if unknown and "database_headroom" not in (seen.unread or {}):
        yield f"More tasks may exhaust a database, since {unknown}."
    if seen.autoscaler and seen.autoscaler.schedule:
        names = ", ".join(seen.autoscaler.schedule[:5])
        yield f"Scheduled actions may set other limits meanwhile, which then stay: {names}."


def _unknown_database(seen: Seen, policy: Recovery) -> str:
    """Return why it is not known whether a database has room for more tasks, as a clause; empty where that is known.

    That the policy names no database does not say that there is none: most services have one.
    """
    room = seen.database
    if policy.scaling_without_database:
        return ""
    if "database_headroom" in (seen.unread or {}):
        return "what the database is asked for could not be read"
    if room is None:
        return (
            "monitoring.database of the policy names none, and recovery.scaling_without_database does not say that "
            "there is none"
        )
    if policy.scaling_database_connections is None:
        return (
            f"it is not known how many connections the database {room.instance} takes: "
            "recovery.scaling_database_connections of the policy says it"
        )
    if room.connections is None:
        return f"CloudWatch does not show how many connections the database {room.instance} has"
    return ""


def _plan(seen: Seen, count: int, capped: str) -> ScalingPlan:
    scaler = seen.autoscaler
    before = Counts(desired=seen.desired, low=scaler.low if scaler else None, high=scaler.high if scaler else None)
    raised = Counts(
        desired=count,
        low=count if scaler and scaler.low < count else None,
        high=count if scaler and scaler.high < count else None,
    )
    sentence = f"{capped}Wants {count} tasks in place of {seen.desired}."
    autoscaled = scaler is not None and scaler.policies
    return ScalingPlan(before=before, raised=raised, autoscaled=autoscaled, sentence=sentence)
