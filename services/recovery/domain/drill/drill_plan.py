"""Decides whether a plan may be tried now, and on what."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil, floor

from contracts.monitor import CriticalRule
from contracts.policy import ServicePolicy
from contracts.policy_drills import Drills, ScheduledPlan
from contracts.prose import quote
from contracts.rollout_pace import RolloutPace, duration
from services.recovery.domain.drill.drill import KEEPS_SERVING, PastDrill
from services.recovery.domain.outside.answer import Answer
from services.recovery.domain.protection import Protection
from services.recovery.domain.scaling.scale_plan import Planned, Seen, Wanted, plan_scaling
from services.recovery.domain.scaling.scaling import ScalingPlan, WhyScale, not_scaled
from services.recovery.domain.snapshots.drift import Drift, DriftState

LEAST_AGE = 3600.0
"""Seconds for which a deployment is young at least: alerts of that time are its own."""
SCORE_SECONDS = 1200.0
"""For so long a score counts: the health service repeats one that stays every 15 minutes."""
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

OVERRIDABLE: Mapping[str, str] = {
    "health_known": "the health service has told a score lately, so that a worse one would end the drill",
    KEEPS_SERVING: "no task is stopped before its replacement serves",
}
"""Name of each check that a person may override → what it asks."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What speaks against a drill."""

    because: str
    """A clause without a full stop."""
    check: str = ""
    """The name by which it may be overridden; empty where it may not."""

    @property
    def sentence(self) -> str:
        hint = f" (override {self.check} with a reason if it is to be tried all the same)" if self.check else ""
        return f"Not tried, because {self.because}{hint}."


@dataclass(frozen=True, slots=True)
class Live:
    """The service that is to be deployed once more, as AWS shows it."""

    deployment_id: str
    version: str
    """``family:revision``."""
    desired: int
    pace: RolloutPace
    drift: Drift
    """How it differs from its last good snapshot."""
    snapshot_age: float | None = None
    """Seconds since that was taken; None where there is none."""
    age: float | None = None
    """Seconds since the deployment was begun; None where ECS does not tell."""
    rolling_out: bool = False
    daemon: bool = False
    obstacle: str = ""
    """Why UpdateService could not bring anything back, as a clause; empty where it could."""
    moving: tuple[str, ...] = ()
    """A clause for each image that would, or may, be another one now."""


def within(policy: Drills, now: datetime) -> bool:
    """Return whether a drill may begin at this time. ``now`` is UTC."""
    first, end = (int(hour) for hour in policy.hours.split("-"))
    day = now
    if first < end:
        inside = first <= now.hour < end
    else:
        inside = now.hour >= first or now.hour < end
        day = now - timedelta(days=1) if now.hour < end else now  # its night has begun the day before
    return inside and DAYS[day.weekday()] in policy.days


@dataclass(frozen=True, slots=True)
class Due:
    """A drill that the policy wants by now."""

    plan: ScheduledPlan
    since: datetime


def due(past: Sequence[PastDrill], policy: Drills, now: datetime) -> Due | None:
    """Return the drill that has been due for the longest; None where none is. Whatever its end, a drill counts."""
    if policy.every_days is None:
        return None
    wanted = []
    for plan in policy.plans:
        last = max((drill.finished_at for drill in past if drill.plan == plan), default=NEVER)
        wanted.append(Due(plan, NEVER if last == NEVER else last + timedelta(days=policy.every_days)))
    first = min(wanted, key=lambda found: found.since)
    return first if first.since <= now else None


def why_not_now(
    protection: Protection, policy: ServicePolicy, now: datetime, overridden: frozenset[str] = frozenset()
) -> Obstacle | None:
    """Return why no drill may begin, as far as the policy and this service's own state say it; None where one may."""
    return next((found for found in _not_now(protection, policy, now) if found.check not in overridden), None)


def _not_now(protection: Protection, policy: ServicePolicy, now: datetime) -> Iterator[Obstacle]:
    drills = policy.drills
    if not drills.enabled:
        yield Obstacle("drills.enabled of the policy is false: nothing is tried on this service for real")
    if not within(drills, now):
        allowed = f"{', '.join(drills.days)} within {drills.hours} UTC"
        yield Obstacle(f"drills begin on {allowed} alone (drills.days, drills.hours of the policy)")
    yield from _taken(protection, now)
    score = protection.score
    if score is None or (now - score.at).total_seconds() > SCORE_SECONDS:
        because = "the health service has told no score of it lately, so that nothing would end the drill"
        yield Obstacle(because, "health_known")
    elif score.low < drills.minimum_health_score:
        yield Obstacle(f"its health score may be {score.low:.0f}, below {drills.minimum_health_score:g}")


def _taken(protection: Protection, now: datetime) -> Iterator[Obstacle]:
    """Yield who is at work on the service already."""
    held = protection.arm
    if protection.drill is not None:
        yield Obstacle(f"{protection.drill.drill_id} is under way on this service")
    if protection.rollback is not None:
        yield Obstacle(f"{protection.rollback.rollback_id} is under way on this service")
    if held is not None and held.active(now):
        yield Obstacle(f"run {held.run_id} is armed on this service until {held.expires_at:%H:%M:%S} UTC")
    if protection.migration is not None:
        yield Obstacle(f"{protection.migration.migration_id} is under way on this service")
    if protection.recreation is not None:
        yield Obstacle(f"{protection.recreation.recreation_id} is under way on this service")
    if protection.scaling is not None:
        yield Obstacle(f"{protection.scaling.scaling_id} stands on this service")
    if protection.firing:
        rules = ", ".join(sorted({alert.rule for alert in protection.firing.values()}))
        yield Obstacle(f"critical alerts fire: {rules}")


def why_not_again(
    live: Live | None, policy: ServicePolicy, overridden: frozenset[str] = frozenset()
) -> Obstacle | None:
    """Return why what is live is not deployed once more; None where it is. ``live``: None where there is no service."""
    if live is None:
        return Obstacle("the service is not there")
    return next((found for found in _not_again(live, policy) if found.check not in overridden), None)


def _not_again(live: Live, policy: ServicePolicy) -> Iterator[Obstacle]:
    if live.obstacle:
        yield Obstacle(live.obstacle)
    if live.desired == 0:
        yield Obstacle("the service wants no task: there is nothing that would have to start")
    if live.rolling_out:
        yield Obstacle("a deployment is under way on the service")
    young = max(LEAST_AGE, policy.recovery.rollback_window * 60)
    if live.age is not None and live.age < young:
        yield Obstacle(f"it was deployed {duration(live.age)} ago, and is young for {duration(young)}")
    yield from map(Obstacle, live.moving)
    if because := _stops_first(live):
        yield Obstacle(because, KEEPS_SERVING)


def _stops_first(live: Live) -> str:
    """Return that tasks stop before others serve, as a clause; empty where none does.

    Source: Amazon ECS developer guide, "Rolling update": ``minimumHealthyPercent`` is rounded up, ``maximumPercent``
    down.
    """
    pace, tasks = live.pace, live.desired
    least, most = ceil(tasks * pace.minimum_percent / 100), floor(tasks * pace.maximum_percent / 100)
    if least >= tasks and most > tasks:
        return ""
    kind = "a DAEMON" if live.daemon else "a service"
    return (
        f"minimumHealthyPercent {pace.minimum_percent:g} and maximumPercent {pace.maximum_percent:g} of {kind} of "
        f"{tasks} let ECS stop tasks before others serve, so that users would notice"
    )


def moves(container: str, image: str, runs: str | None, names_now: str | None) -> str:
    """Return that a new task of a container may run another image, as a clause; empty where it runs the same.

    ``image``: as the task definition names it. ``runs``, ``names_now``: digests; None where they are not known.
    """
    if "@" in image or (runs is not None and runs == names_now):
        return ""
    named = f"{quote(image)} of container {quote(container)}"
    if runs is None or names_now is None:
        return f"{named} is a tag, and it is not known whether it still names the image that runs"
    return f"{named} names another image by now than the one that runs: deploying it once more would change the version"


def lost_configuration(live: Live) -> float | None:
    """Return how many seconds of configuration going back to the last good snapshot would lose; None: not known."""
    if live.drift.state is DriftState.NONE:
        return 0.0
    return live.snapshot_age if live.drift.state is DriftState.DRIFTED else None


def sentence_of(live: Live) -> str:
    """Return what a drill of a rollback does."""
    tasks = "its one new task serves" if live.desired == 1 else f"all {live.desired} new tasks serve"
    return f"Deploys {live.version} once more, without a change, and measures until {tasks}."


def least_scaling(seen: Seen | None, protection: Protection, policy: ServicePolicy) -> Planned | Answer:
    """Return how one more task would be run, by the bounds of emergency scalings and no override, or why not."""
    if seen is None:
        return not_scaled(WhyScale.GONE, "the service is not there")
    refuses = any(alert.rule == CriticalRule.DATABASE_CONNECTIONS for alert in protection.firing.values())
    wanted = Wanted(count=seen.desired + 1, by_itself=True, database_refuses=refuses)
    return plan_scaling(seen, wanted, policy.recovery)


def scaling_sentence_of(plan: ScalingPlan) -> str:
    """Return what a drill of an emergency scaling does."""
    return (
        f"Wants {plan.raised.desired} tasks in place of {plan.before.desired}, measures until they serve, and takes "
        "that back at once."
    )
