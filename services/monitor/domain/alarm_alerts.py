"""Publishes a critical alert for each alarm of the service that fails the deployment under way."""

from datetime import UTC, datetime
from typing import Any

from contracts.base import Target, caused_id
from contracts.monitor import SERVICE_ALARMS, CriticalAlert
from contracts.policy_section import Digest
from services.monitor.domain.service_alarms import ServiceAlarms, Standing, standings
from services.monitor.domain.trouble import Troubles
from services.monitor.domain.watched_service import WatchedService


def step(
    alarms: ServiceAlarms,
    service: WatchedService,
    target: Target,
    now: float,
    digest: Digest,
    troubles: Troubles,
    *,
    guarded: bool,
) -> tuple[ServiceAlarms, tuple[CriticalAlert, ...]]:
    """Return the alarms with those that were raised, and the alerts to publish.

    Nothing is raised while no deployment may be rolled back (not ``guarded``), and what was raised is over then:
    CloudWatch tells of its alarms itself.
    """
    found = standings(alarms, service, now, troubles) if guarded and not alarms.unread else ()
    against = {standing.alarm.name: standing for standing in found if standing.verdict == "against"}
    firing = {alarm.name for alarm in alarms.known if alarm.state == "ALARM"}
    over = {name: since for name, since in alarms.raised.items() if not guarded or name not in firing}
    new = {name: standing for name, standing in against.items() if name not in alarms.raised}
    raised = {name: since for name, since in alarms.raised.items() if name not in over}
    raised |= {name: standing.alarm.since or now for name, standing in new.items()}
    published = [_alert(target, name, since, "resolved", "the alarm is quiet", digest) for name, since in over.items()]
    published += [_raised(target, standing, service, now, digest) for standing in new.values()]
    return (alarms if raised == alarms.raised else alarms.model_copy(update={"raised": raised})), tuple(published)


def _raised(target: Target, standing: Standing, service: WatchedService, now: float, digest: Digest) -> CriticalAlert:
    evidence = {
        "window_from": None if standing.window_from is None else datetime.fromtimestamp(standing.window_from, UTC),
        "window_until": datetime.fromtimestamp(now, UTC),
        "attribution": "new-version",
        "deployment_id": service.rollout.id if service.rollout else "",
    }
    alarm = standing.alarm
    return _alert(target, alarm.name, alarm.since or now, "raised", standing.detail, digest, **evidence)


def _alert(
    target: Target, name: str, since: float, state: str, detail: str, digest: Digest, **evidence: Any
) -> CriticalAlert:
    fires = state == "raised"
    return CriticalAlert.model_validate(
        {
            "target": target,
            "alert_id": caused_id(str(target), f"{SERVICE_ALARMS}:{name}:{since:.3f}"),
            "rule": SERVICE_ALARMS,
            "state": state,
            "value": 1.0 if fires else 0.0,
            "comparison": ">",
            "threshold": 0.0,
            "samples": 1,
            "began_at": datetime.fromtimestamp(since, UTC),
            **evidence,
            "detail": f"{SERVICE_ALARMS}: {name} {detail}",
            "policy_digest": digest,
        }
    )
