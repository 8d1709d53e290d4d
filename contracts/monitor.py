"""Monitor: numbers, alerts, dashboards. It alone judges a target; the others warn of their dead letters."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Final, Literal

from contracts.base import Contract, Event, RunId, Time
from contracts.gates import Comparison
from contracts.policy_parts import MonitoringPolicy
from contracts.policy_section import Digest
from contracts.prose import Prose
from contracts.results import ProbesOutput


class CriticalRule(StrEnum):
    """The names of the built-in critical rules. Rules that users add have names of their own."""

    SERVICE_UNAVAILABLE = "service_unavailable"
    ERROR_RATE = "error_rate"
    RESPONSE_TIME = "response_time"
    DATABASE_CONNECTIONS = "database_connections"


ALARMS_SINCE_MIGRATION: Final = "alarms_quiet_since_migration"
"""The gate of ``check-alarms`` between a migration and its change."""
SERVICE_ALARMS: Final = "service_alarms"
"""The rule of critical alerts about alarms that the service has already."""


class DependencyFault(Contract):
    """Something that the service depends on is itself in trouble, so a deployment is not to blame."""

    kind: Literal["database"] = "database"
    name: str
    """``DBInstanceIdentifier``."""
    detail: Prose
    """What is wrong with it, in a sentence for a person."""


class CheckAlarms(Event):
    """Are the target's existing alarms armed and quiet?"""

    overridable: ClassVar[Mapping[str, str]] = {
        "existing_alarms_quiet": "none of the service's alarms fires, and each would be acted on",
        ALARMS_SINCE_MIGRATION: "none of the alarms that watch its deployments has begun to fire since its migration",
        "check_alarms": "the alarms could be read",
        "check_alarms_answered": "the monitor answered in time",
    }

    run_id: RunId
    migrated_since: Time | None = None
    """When the run's migration began, where it has succeeded and the change is next: then the alarms that watch its
    deployments are looked at alone, those of the deployment configuration and of the policy. None: before all that."""
    migrated_until: Time | None = None
    """When it had ended; what it has done to a metric is known some minutes later."""
    policy: MonitoringPolicy | None = None


class WatchClosely(Event):
    """Evaluate the rules faster until the run is over or ``until`` has passed."""

    run_id: RunId
    until: Time
    policy: MonitoringPolicy | None = None


class EvaluateRules(Event):
    """Judge every rule on points after ``since``; answer when each has a verdict, or at ``deadline``."""

    run_id: RunId
    since: Time
    not_before: Time | None = None
    """No rule is judged as kept before this time; None: each is, as soon as the evidence is there."""
    took_over: Time | None = None
    """When the new version had taken over, from which it is compared with the one before; None: when this arrives."""
    deadline: Time
    probes: ProbesOutput | None = None
    """The validator's own requests, which count as samples where the service has too little traffic."""
    task_definition: str | None = None
    """The task definition (ARN) that was deployed, and has to stay live; None: whichever is live is judged."""
    policy: MonitoringPolicy | None = None


class SetUpMonitoring(Event):
    """Create the dashboard and the alarms, and watch from now on."""

    run_id: RunId
    policy: MonitoringPolicy | None = None


Attribution = Literal["new-version", "version-before", "neither"]
"""The version that a broken rule is attributed to; ``_Alert.attribution`` says when."""


class _Alert(Event):
    alert_id: str
    """Id of the occurrence: ``raised`` and ``resolved`` carry the same. It is raised again once its window lies wholly
    in the time of a newer deployment."""
    rule: str
    state: Literal["raised", "resolved"]
    value: float | None
    comparison: Comparison
    threshold: float
    unit: str = ""
    samples: int
    began_at: Time
    """When the rule was first seen broken."""
    window_from: Time | None = None
    """The begin of the window that broke the rule; None where it was not measured, or the previous version wrote it."""
    window_until: Time | None = None
    """The end of that window."""
    attribution: Attribution | None = None
    """``new-version``: the whole window lies in the time in which the newest deployment serves, and the version before
    did not break the rule, or by less. ``version-before``: that one broke it as well, by as much. ``neither``: the
    window began too early to tell. None: nothing is known of the time before."""
    deployment_id: str = ""
    """The newest deployment, as ECS lists it; empty where it lists none."""
    doubt: Prose | None = None
    """What speaks against going back from the newest deployment although the rule is attributed to it, as a clause:
    the minutes before cannot be compared, or the version before was in trouble as well. Empty where nothing is found;
    None where nobody has looked, as in a run, or the previous version wrote it."""
    detail: Prose
    policy_digest: Digest = ""
    """Digest of the policy whose thresholds were applied; empty without a policy file."""
    dependency: Prose = ""
    """``dependency_fault.detail``, for readers of the previous version; empty without a fault."""
    dependency_fault: DependencyFault | None = None
    """None also in what the previous version wrote; ``excused`` is right for both."""

    @property
    def excused(self) -> bool:
        """Return whether a dependency's own fault explains the alert: then a rollback would not help."""
        return self.dependency_fault is not None or bool(self.dependency)


class CriticalAlert(_Alert):
    """A critical rule is broken. Recovery rolls an armed target back on it, unless a dependency explains the alert."""


class WarningAlert(_Alert):
    """A rule was broken for five minutes, or a message could not be handled.

    Recovery looks at the service where the rule is about processor or memory; of all others nothing follows.
    """
