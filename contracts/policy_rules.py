"""The alert rules of a policy: what a rule is, and which rules a service has unless its policy says otherwise."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from contracts import limits
from contracts.gates import Comparison
from contracts.policy_section import RuleName, Section


class RuleMetric(StrEnum):
    """The metrics that a rule can be about. Units: per cent, except where the member says otherwise."""

    HEALTHY_TASKS = "healthy_tasks"
    """Count: healthy targets, or running tasks where nothing balances the load."""
    ERROR_RATE = "error_rate"
    RESPONSE_TIME = "response_time"
    """Seconds, the 95th percentile."""
    DATABASE_ERRORS = "database_errors"
    """Count: the sum of the window."""
    CPU = "cpu"
    MEMORY = "memory"


class RulePolicy(Section):
    """One alert rule. It is broken while ``metric comparison threshold`` holds for ``minutes`` on end."""

    name: RuleName
    metric: RuleMetric
    comparison: Comparison
    threshold: Annotated[float, Field(ge=0)]
    """The threshold, in the unit of the metric."""
    minutes: Annotated[int, Field(ge=1, le=60)]
    severity: Literal["critical", "warning"]
    """Critical rolls an armed target back; a warning is an alert and nothing else."""


RESERVED_RULE_NAMES = frozenset({"healthy_tasks", "response_time_p95", "service_alarms", "service_alarms_quiet"})
"""Two built-in rules have gates of the first two names, and alarms of the service itself have the others; a gate of any
other rule is named after the rule."""


def _critical(name: str, metric: RuleMetric, comparison: Comparison, threshold: float) -> RulePolicy:
    minutes = limits.CRITICAL_MINUTES
    return RulePolicy(
        name=name, metric=metric, comparison=comparison, threshold=threshold, minutes=minutes, severity="critical"
    )


def _warning(name: str, metric: RuleMetric, threshold: float) -> RulePolicy:
    minutes = limits.WARNING_MINUTES
    return RulePolicy(
        name=name, metric=metric, comparison=">", threshold=threshold, minutes=minutes, severity="warning"
    )


BUILT_IN_RULES: tuple[RulePolicy, ...] = (
    _critical("service_unavailable", RuleMetric.HEALTHY_TASKS, "<", limits.HEALTHY_TASKS),
    _critical("error_rate", RuleMetric.ERROR_RATE, ">", limits.CRITICAL_ERROR_RATE),
    _critical("response_time", RuleMetric.RESPONSE_TIME, ">", limits.CRITICAL_RESPONSE_TIME),
    _critical("database_connections", RuleMetric.DATABASE_ERRORS, ">=", limits.DATABASE_ERRORS),
    _warning("cpu", RuleMetric.CPU, limits.WARNING_CPU),
    _warning("memory", RuleMetric.MEMORY, limits.WARNING_MEMORY),
    _warning("error_rate_warning", RuleMetric.ERROR_RATE, limits.WARNING_ERROR_RATE),
    _warning("response_time_warning", RuleMetric.RESPONSE_TIME, limits.WARNING_RESPONSE_TIME),
)
"""The rules of the requirements (docs/requirements.md, Alerting Rules)."""
