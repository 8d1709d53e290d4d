"""The critical alerts of a service while its migration goes on: what began after its task is likely to wait for locks.

DDL that waits for a lock stops every reader behind it, so that requests fail or hang although nothing was deployed.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from contracts.migration import QUIET
from contracts.monitor import CriticalAlert
from services.recovery.domain.migration.migration import AlertMeanwhile, Migration
from services.recovery.domain.migration.migration_end import Ended

MOST_ALERTS = 20
"""How many alerts are kept with a migration, the newest ones."""
LOCK_TIMEOUT = (
    "A migration that gives up instead of waiting for a lock spares the requests behind it: the environment variable "
    "PGOPTIONS=-c lock_timeout=5s in the task definition does that where the driver is libpq's (psycopg)."
)
"""What is offered in words. Source: PostgreSQL, libpq environment variables and lock_timeout."""


def note_alert(migration: Migration, alert: CriticalAlert, now: datetime) -> Migration:
    """Return the migration that knows of an alert: that it fires, or that it is over."""
    others = tuple(known for known in migration.alerts if known.alert_id != alert.alert_id)
    known = next((known for known in migration.alerts if known.alert_id == alert.alert_id), None)
    if alert.state == "resolved":
        over = (known.model_copy(update={"over_at": now}),) if known is not None else ()
        return migration.model_copy(update={"alerts": (*others, *over)}) if over else migration
    fired = AlertMeanwhile(
        alert_id=alert.alert_id,
        rule=alert.rule,
        began_at=alert.began_at,
        window_until=alert.window_until,
        detail=alert.detail,
        database=alert.dependency_fault.detail if alert.dependency_fault else alert.dependency,
    )
    return migration.model_copy(update={"alerts": (*others, fired)[-MOST_ALERTS:]})


def since_task(migration: Migration) -> tuple[AlertMeanwhile, ...]:
    """Return the alerts that began once the task ran; none while ECS has not said that it runs.

    One whose minutes all lie before is older than the task, however late it is seen.
    """
    ran = migration.running_since
    if ran is None:
        return ()
    return tuple(
        alert
        for alert in migration.alerts
        if alert.began_at >= ran and (alert.window_until is None or alert.window_until > ran)
    )


def standing(migration: Migration) -> tuple[AlertMeanwhile, ...]:
    """Return those of ``since_task`` that are not over."""
    return tuple(alert for alert in since_task(migration) if alert.over_at is None)


def suspicion(migration: Migration) -> str:
    """Return that the migration is likely to hold locks, with the evidence; empty where nothing shows it."""
    alerts = since_task(migration)
    if not alerts:
        return ""
    fires = any(alert.over_at is None for alert in alerts)
    verb = "is likely to hold locks that requests wait for" if fires else "is likely to have held locks"
    database = next((alert.database for alert in alerts if alert.database), "")
    of_database = f" Of its database: {database.rstrip('.')}." if database else ""
    return f"The migration {verb}: since its task began, {'; '.join(map(_clause, alerts))}.{of_database} {LOCK_TIMEOUT}"


def lines_of(migration: Migration) -> tuple[str, ...]:
    """Return a line for each alert that was raised while the migration went on, the oldest first."""
    ours = {alert.alert_id for alert in since_task(migration)}
    return tuple(
        _clause(alert) + ("" if alert.alert_id in ours or migration.running_since is None else ", older than its task")
        for alert in migration.alerts
    )


def rules_of(alerts: Iterable[AlertMeanwhile]) -> str:
    return ", ".join(dict.fromkeys(alert.rule for alert in alerts))


def _clause(alert: AlertMeanwhile) -> str:
    began = f"{alert.began_at:%H:%M} UTC"
    when = f"fires since {began}" if alert.over_at is None else f"fired from {began} to {alert.over_at:%H:%M} UTC"
    return f"{alert.rule} {when} ({alert.detail.rstrip('.')})"


def with_alerts(ended: Ended, migration: Migration) -> Ended:
    """Return the end with what was suspected; a run does not go on to its change while such an alert stands."""
    if ended.result == "did_not_start" or not (suspected := suspicion(migration)):
        return ended
    shown = replace(ended, sentence=f"{ended.sentence} {suspected}")
    fires = standing(migration)
    if not fires or migration.run_id is None or ended.result != "succeeded" or ended.against:
        return shown
    if QUIET in migration.overridden:
        return replace(shown, sentence=f"{shown.sentence} It counts by the override {QUIET}.")
    blocks = f"Nothing is deployed while an alert stands that began meanwhile ({rules_of(fires)})."
    return replace(shown, sentence=f"{shown.sentence} {blocks}", against=QUIET)
