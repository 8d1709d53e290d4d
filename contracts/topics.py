"""The one table of topics."""

from dataclasses import dataclass
from enum import StrEnum

PARTITIONS = 12
"""Number of partitions of every topic, fixed for v1: another number would break the order of keys."""

_DAY = 24 * 3600


class Party(StrEnum):
    """Writers and readers of events. Each of the seven services is a consumer group of the same name."""

    ORCHESTRATOR = "orchestrator"
    MONITOR = "monitor"
    HEALTH = "health"
    DIAGNOSTICS = "diagnostics"
    OPTIMIZER = "optimizer"
    VALIDATOR = "validator"
    RECOVERY = "recovery"
    CI = "ci"
    DASHBOARDS = "dashboards"
    OPERATORS = "operators"


SERVICES = (
    Party.ORCHESTRATOR,
    Party.MONITOR,
    Party.HEALTH,
    Party.DIAGNOSTICS,
    Party.OPTIMIZER,
    Party.VALIDATOR,
    Party.RECOVERY,
)


@dataclass(frozen=True, slots=True)
class Topic:
    name: str
    retention_seconds: int
    partitions: int = PARTITIONS

    def __str__(self) -> str:
        return self.name


DEPLOYMENT_REQUESTS = Topic("deployment.requests.v1", 7 * _DAY)
MONITOR_COMMANDS = Topic("monitor.commands.v1", 7 * _DAY)
HEALTH_COMMANDS = Topic("health.commands.v1", 7 * _DAY)
DIAGNOSTICS_COMMANDS = Topic("diagnostics.commands.v1", 7 * _DAY)
OPTIMIZER_COMMANDS = Topic("optimizer.commands.v1", 7 * _DAY)
VALIDATOR_COMMANDS = Topic("validator.commands.v1", 7 * _DAY)
RECOVERY_COMMANDS = Topic("recovery.commands.v1", 7 * _DAY)
PHASE_RESULTS = Topic("phase.results.v1", 7 * _DAY)
DEPLOYMENT_EVENTS = Topic("deployment.events.v1", 30 * _DAY)
CRITICAL_ALERTS = Topic("alerts.critical.v1", 30 * _DAY)
WARNING_ALERTS = Topic("alerts.warning.v1", 30 * _DAY)
HEALTH_EVENTS = Topic("health.events.v1", 7 * _DAY)
DIAGNOSTICS_EVENTS = Topic("diagnostics.events.v1", 7 * _DAY)
OPTIMIZER_EVENTS = Topic("optimizer.events.v1", 30 * _DAY)
RECOVERY_EVENTS = Topic("recovery.events.v1", 30 * _DAY)
DEAD_LETTERS = Topic("dead-letter.v1", 30 * _DAY)
AUDIT = Topic("audit.v1", 400 * _DAY)

TOPICS = (
    DEPLOYMENT_REQUESTS,
    MONITOR_COMMANDS,
    HEALTH_COMMANDS,
    DIAGNOSTICS_COMMANDS,
    OPTIMIZER_COMMANDS,
    VALIDATOR_COMMANDS,
    RECOVERY_COMMANDS,
    PHASE_RESULTS,
    DEPLOYMENT_EVENTS,
    CRITICAL_ALERTS,
    WARNING_ALERTS,
    HEALTH_EVENTS,
    DIAGNOSTICS_EVENTS,
    OPTIMIZER_EVENTS,
    RECOVERY_EVENTS,
    DEAD_LETTERS,
    AUDIT,
)

COMMAND_TOPICS = {
    MONITOR_COMMANDS: Party.MONITOR,
    HEALTH_COMMANDS: Party.HEALTH,
    DIAGNOSTICS_COMMANDS: Party.DIAGNOSTICS,
    OPTIMIZER_COMMANDS: Party.OPTIMIZER,
    VALIDATOR_COMMANDS: Party.VALIDATOR,
    RECOVERY_COMMANDS: Party.RECOVERY,
}
"""Commanded service → the topic of its commands."""
