"""Notes a critical alert with the migration that is under way on its service."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from contracts.monitor import CriticalAlert
from services._chassis.transition import Decision
from services.recovery.domain.migration.meanwhile import note_alert
from services.recovery.domain.migration.migration_operation import MigrationOperation
from services.recovery.domain.outside import alert as alerts
from services.recovery.domain.protection import Protection


def noted_with_migration(
    protection: Protection, alert: CriticalAlert, now: datetime, then: Callable[[Protection], Decision]
) -> Decision:
    """Decide on an alert; where a migration is under way, its operation shows the alert, and its job knows of it."""
    migration = protection.migration
    if migration is None or alerts.late(protection, alert):
        return then(protection)
    noted = note_alert(migration, alert, now)
    protection = protection.replace(migration=noted)
    decision = then(protection)
    records = MigrationOperation.of(alert.target, noted).record
    return replace(decision, state=decision.state or protection.to_bytes(), records={**records, **decision.records})
