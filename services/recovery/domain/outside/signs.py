"""What shows, beside an alert, whether the version is why a service is in trouble.

Going back helps where the version is the cause, and where there is room for the one before. Tasks that are missing are
a version's doing only where its own tasks have ended by themselves or failed their health checks: AWS takes tasks back
as well, people stop them, and autoscalers need fewer.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from re import search

from contracts.base import Target
from contracts.monitor import CriticalAlert
from contracts.prose import quote
from services.recovery.domain.outside.answer import Answer, Why, call_people
from services.recovery.domain.protection import Protection
from services.recovery.domain.scaling.scale_plan import unplaced

STARTS = 1800.0
"""Seconds before the window in which tasks have ended that are missing in it. ECS starts those that fail at longer and
longer intervals, up to 27 minutes (Amazon ECS developer guide, "Service throttle logic")."""
ENOUGH = 50
"""So many tasks that have failed show it, however many are missing: ECS describes 100 tasks at a time."""
AT_ONCE = timedelta(minutes=15)
"""Two services that fall into trouble within this time may have one cause: people notice the first one no sooner."""


_SILENT = r"unhealthy in .*timed out"
"""A health check without an answer (Amazon ECS developer guide, service event messages: "Request timed out")."""


@dataclass(frozen=True, slots=True)
class ServiceTask:
    """A task of the service that runs, or has stopped lately; times are epoch seconds by AWS's clock."""

    deployment_id: str
    zone: str = ""
    """Its Availability Zone; empty where ECS does not tell it."""
    stopped_at: float | None = None
    """None while it runs."""
    failed: bool = False
    """Whether it had run, and then ended by itself or failed its health check."""
    exited: bool = False
    """Whether it ended by itself: a container of it has exited."""
    taken_back: bool = False
    """Whether AWS stopped it for the capacity, or since its host was ill."""
    stopped_by_somebody: bool = False
    """Whether somebody has called StopTask."""


@dataclass(frozen=True, slots=True)
class Signs:
    wanted: int = 0
    running: int = 0
    messages: tuple[str, ...] = ()
    """The service events of the last minutes (``scale_plan.RECENT_SECONDS``), the newest first."""
    tasks: tuple[ServiceTask, ...] = ()
    others: tuple[str, ...] = ()
    """The other services of the region that have fallen into trouble at about the same time."""


NONE = Signs()


def not_of_version(signs: Signs, alert: CriticalAlert, deployment_id: str) -> Answer | None:
    """Return what else than the version of a deployment may explain the alert; None where nothing is seen."""
    if because := unplaced(signs.messages):
        return call_people(Why.NO_ROOM, f"{because}: what was live before would have no room either")
    since = alert.window_from.timestamp() - STARTS if alert.window_from else 0.0
    ended = [task for task in signs.tasks if task.stopped_at is not None and task.stopped_at >= since]
    if taken := sum(task.taken_back for task in ended):
        return call_people(Why.NO_ROOM, f"AWS has taken {_tasks(taken)} back, and may not have room for others")
    if stopped := sum(task.stopped_by_somebody for task in ended):
        return call_people(Why.UNDER_WAY, f"somebody has stopped {_tasks(stopped)}, and so is at work on the service")
    if signs.others:
        named = " and ".join(signs.others[:3]) + (" and others" if signs.others[3:] else "")
        because = f"{named} fell into trouble at about the same time, and both may have one cause"
        return call_people(Why.COMMON_CAUSE, because)
    failed = [task for task in ended if task.failed and task.deployment_id == deployment_id]
    return _of_missing(signs, alert, failed) or _unreached(signs, failed) or _of_zone(signs, failed)


def _of_missing(signs: Signs, alert: CriticalAlert, failed: Sequence[ServiceTask]) -> Answer | None:
    """Return that nothing shows why tasks are missing. A rule about too little is about them as well."""
    missing = signs.wanted - signs.running
    least = min(max(missing, 1), ENOUGH)
    if len(failed) >= least or (missing <= 0 and alert.comparison not in {"<", "<="}):
        return None
    because = (
        f"{signs.running} of {signs.wanted} tasks run, and {len(failed) or 'none'} of the version "
        f"{'has' if len(failed) <= 1 else 'have'} ended by itself or failed the health check: "
        "that does not show that it is why"
    )
    return call_people(Why.NO_EVIDENCE, because)


def _unreached(signs: Signs, failed: Sequence[ServiceTask]) -> Answer | None:
    """Return that load balancers get no answer at all from tasks that run: a rule of the network may be why."""
    silent = next((message for message in signs.messages if search(_SILENT, message)), "")
    if not silent or any(task.exited for task in failed):
        return None
    because = f"no task answers a load balancer, which may be the network's doing: {quote(silent, 200).rstrip('.')}"
    return call_people(Why.NO_EVIDENCE, because)


def _of_zone(signs: Signs, failed: Sequence[ServiceTask]) -> Answer | None:
    """Return that all failed in one Availability Zone, and that those in others run."""
    zones = Counter(task.zone for task in failed)
    elsewhere = {task.zone for task in signs.tasks if task.stopped_at is None} - {""}
    zone = next(iter(zones), "")
    if len(zones) != 1 or not zone or not elsewhere or zone in elsewhere:
        return None
    because = f"all {_tasks(len(failed))} that failed were in {zone}, and those in {', '.join(sorted(elsewhere))} run"
    return call_people(Why.COMMON_CAUSE, because)


def in_trouble(others: Mapping[Target, Protection], alert: CriticalAlert) -> tuple[str, ...]:
    """Return the names of the services that fell into trouble at about the same time as the one of the alert."""
    return tuple(quote(target.service, 100) for target, known in others.items() if _at_once(known, alert))


def _at_once(known: Protection, alert: CriticalAlert) -> bool:
    began = [firing.began_at for firing in known.firing.values()] + [past.began_at for past in known.past_alerts]
    return any(abs(at - alert.began_at) <= AT_ONCE for at in began)


def _tasks(count: int) -> str:
    return f"{count} task{'' if count == 1 else 's'}"
