"""The alarms that watch a service's deployments, between a migration and the change that follows it.

ECS ignores all alarms of a deployment that begins while one of them is in ALARM (Amazon ECS developer guide, "How
CloudWatch alarms detect Amazon ECS deployment failures"). So one that a migration has left so is waited for, and what
fired before the migration is no doing of it: that counts as before a change (``alarms.quiet_gate``).

All times are epoch seconds by AWS's clock.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from contracts.gates import Gate
from contracts.monitor import ALARMS_SINCE_MIGRATION
from services.monitor.domain.alarms import QUIET
from services.monitor.domain.metrics import MINUTE
from services.monitor.domain.service_alarms import BEFORE, POINTS_LATE, ServiceAlarm, ServiceAlarms

SHOWN = MINUTE + POINTS_LATE
"""So long after a migration an alarm may still begin to fire for it: its last minute ends, and the point comes late."""


def gates_since_migration(alarms: ServiceAlarms, since: float, until: float, now: float) -> tuple[Gate, ...]:
    """Return the gates of alarms that are in ALARM: since the migration, and from before it.

    Quiet ones count once they can have noticed it. No data says nothing against a change, as before any. What is muted
    or cannot be evaluated is said, and counts not.
    """
    firing = [alarm for alarm in alarms.known if alarm.state == "ALARM" and not alarm.silence]
    before = [alarm for alarm in firing if _from_before(alarm, since)]
    by_migration = [alarm for alarm in firing if alarm not in before]
    quiet = len(alarms.known) - len(firing)
    notes = "; ".join((f"{quiet} of {len(alarms.known)} in no alarm", *_notes(alarms)))
    if alarms.known and not firing and now < until + SHOWN:
        waits = f"{notes}; they may fire for it until {_time(until + SHOWN)}"
        return (Gate.measured(ALARMS_SINCE_MIGRATION, None, "==", 0, samples=0, detail=waits),)
    return (
        _gate(ALARMS_SINCE_MIGRATION, by_migration, "since the migration began", notes),
        _gate(QUIET, before, "from before the migration", notes),
    )


def no_alarms() -> Gate:
    return Gate.does_not_apply(ALARMS_SINCE_MIGRATION, "neither its deployment configuration nor the policy names any")


def unread(why: str) -> Gate:
    """Return the gate of alarms that nobody may read: that stops no change, and is said."""
    return Gate.does_not_apply(ALARMS_SINCE_MIGRATION, f"the alarms could not be read after the migration: {why}")


def _from_before(alarm: ServiceAlarm, since: float) -> bool:
    """Return whether an alarm fires without the migration: it did before it, or nobody can tell since when."""
    if alarm.since is None or alarm.since < since:
        return True
    return any(since - BEFORE <= at < since for at in alarm.fired)


def _gate(name: str, firing: list[ServiceAlarm], when: str, notes: str) -> Gate:
    listed = "; ".join(f"{alarm.name} fires {_since(alarm)} ({alarm.reason.rstrip('.')})" for alarm in firing)
    detail = f"{listed}, {when}; ECS ignores its alarms in a deployment that begins so" if firing else notes
    return Gate.measured(name, len(firing), "==", 0, samples=1, detail=detail)


def _since(alarm: ServiceAlarm) -> str:
    return "since nobody knows when" if alarm.since is None else f"since {_time(alarm.since)}"


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S} UTC"


def _notes(alarms: ServiceAlarms) -> Iterable[str]:
    for alarm in alarms.known:
        if alarm.silence:
            yield f"{alarm.name} {alarm.silence}"
        elif alarm.state not in {"OK", "ALARM"}:
            yield f"{alarm.name} has no data, which says nothing"
        yield from alarm.unread
    if alarms.missing:
        yield f"CloudWatch has no {', '.join(alarms.missing)}"
