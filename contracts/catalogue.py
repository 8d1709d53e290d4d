"""The one table of events: type → class → topic → its writers and its readers.

A type without a writer or without a reader is refused: nothing would come of such an event.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from contracts import (
    deployment,
    diagnostics,
    drills,
    health,
    migration,
    monitor,
    moves,
    optimizer,
    recovery,
    recreation,
    results,
    run_verbs,
    scaling,
    topics,
    validator,
)
from contracts.audit import AuditRecord
from contracts.base import Event
from contracts.dead_letter import DeadLettered, DeadLetterSettled
from contracts.topics import Party, Topic

ORCHESTRATOR, MONITOR, HEALTH = Party.ORCHESTRATOR, Party.MONITOR, Party.HEALTH
DIAGNOSTICS, OPTIMIZER, VALIDATOR = Party.DIAGNOSTICS, Party.OPTIMIZER, Party.VALIDATOR
RECOVERY, CI, DASHBOARDS, OPERATORS = Party.RECOVERY, Party.CI, Party.DASHBOARDS, Party.OPERATORS
COMMANDED_SERVICES = frozenset(topics.COMMAND_TOPICS.values())


Contracted = type[Event] | type[DeadLettered] | type[DeadLetterSettled] | type[AuditRecord]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the table."""

    type: str
    """With the major version: ``critical-alert.v1``."""
    contract: Contracted
    topic: Topic
    writers: frozenset[Party]
    readers: frozenset[Party]

    def __post_init__(self) -> None:
        if not self.writers or not self.readers:
            raise ValueError(f"{self.type} needs a writer and a reader: an event exists when somebody emits it")

    @property
    def name(self) -> str:
        """The type without its version: ``critical-alert``."""
        return self.type.rpartition(".")[0]


def _entry(
    type_: str,
    contract: Contracted,
    topic: Topic,
    writers: Party | Iterable[Party],
    readers: Party | Iterable[Party],
) -> Entry:
    def parties(named: Party | Iterable[Party]) -> frozenset[Party]:
        return frozenset({named}) if isinstance(named, Party) else frozenset(named)

    return Entry(type_, contract, topic, parties(writers), parties(readers))


CATALOGUE: tuple[Entry, ...] = (
    _entry("deploy-requested.v1", deployment.DeployRequested, topics.DEPLOYMENT_REQUESTS, CI, ORCHESTRATOR),
    _entry("abort-requested.v1", deployment.AbortRequested, topics.DEPLOYMENT_REQUESTS, CI, ORCHESTRATOR),
    _entry("pause-requested.v1", run_verbs.PauseRequested, topics.DEPLOYMENT_REQUESTS, CI, ORCHESTRATOR),
    _entry("resume-requested.v1", run_verbs.ResumeRequested, topics.DEPLOYMENT_REQUESTS, CI, ORCHESTRATOR),
    _entry("approval-decided.v1", run_verbs.ApprovalDecided, topics.DEPLOYMENT_REQUESTS, CI, ORCHESTRATOR),
    _entry("release-requested.v1", run_verbs.ReleaseRequested, topics.DEPLOYMENT_REQUESTS, CI, ORCHESTRATOR),
    # a run's life
    _entry(
        "deployment-queued.v1",
        deployment.DeploymentQueued,
        topics.DEPLOYMENT_EVENTS,
        ORCHESTRATOR,
        {CI, DASHBOARDS},
    ),
    _entry(
        "deployment-started.v1",
        deployment.DeploymentStarted,
        topics.DEPLOYMENT_EVENTS,
        ORCHESTRATOR,
        {CI, DASHBOARDS, ORCHESTRATOR},
    ),
    _entry(
        "phase-started.v1",
        deployment.PhaseStarted,
        topics.DEPLOYMENT_EVENTS,
        ORCHESTRATOR,
        {CI, DASHBOARDS, ORCHESTRATOR},
    ),
    _entry(
        "phase-progressed.v1",
        deployment.PhaseProgressed,
        topics.DEPLOYMENT_EVENTS,
        ORCHESTRATOR,
        {CI, DASHBOARDS, ORCHESTRATOR},
    ),
    _entry(
        "gate-evaluated.v1",
        deployment.GateEvaluated,
        topics.DEPLOYMENT_EVENTS,
        ORCHESTRATOR,
        {CI, DASHBOARDS},
    ),
    _entry(
        "phase-finished.v1",
        deployment.PhaseFinished,
        topics.DEPLOYMENT_EVENTS,
        ORCHESTRATOR,
        {CI, DASHBOARDS},
    ),
    _entry(
        "deployment-finished.v1",
        deployment.DeploymentFinished,
        topics.DEPLOYMENT_EVENTS,
        ORCHESTRATOR,
        {CI, DASHBOARDS, MONITOR, ORCHESTRATOR, VALIDATOR},
    ),
    _entry("run-held.v1", run_verbs.RunHeld, topics.DEPLOYMENT_EVENTS, ORCHESTRATOR, {CI, DASHBOARDS}),
    _entry("verb-answered.v1", run_verbs.VerbAnswered, topics.DEPLOYMENT_EVENTS, ORCHESTRATOR, {CI, DASHBOARDS}),
    _entry("hold-began.v1", run_verbs.HoldBegan, topics.DEPLOYMENT_EVENTS, ORCHESTRATOR, {CI, DASHBOARDS}),
    _entry(
        "release-answered.v1",
        run_verbs.ReleaseAnswered,
        topics.DEPLOYMENT_EVENTS,
        ORCHESTRATOR,
        {CI, DASHBOARDS, ORCHESTRATOR},
    ),
    # commands
    _entry("capture-snapshot.v1", recovery.CaptureSnapshot, topics.RECOVERY_COMMANDS, ORCHESTRATOR, RECOVERY),
    _entry("arm.v1", recovery.Arm, topics.RECOVERY_COMMANDS, ORCHESTRATOR, RECOVERY),
    _entry("apply-change.v1", recovery.ApplyChange, topics.RECOVERY_COMMANDS, ORCHESTRATOR, RECOVERY),
    _entry("check-migration.v1", migration.CheckMigration, topics.RECOVERY_COMMANDS, ORCHESTRATOR, RECOVERY),
    _entry("migrate.v1", migration.Migrate, topics.RECOVERY_COMMANDS, ORCHESTRATOR, RECOVERY),
    _entry("roll-back.v1", recovery.RollBack, topics.RECOVERY_COMMANDS, ORCHESTRATOR, RECOVERY),
    _entry("disarm.v1", recovery.Disarm, topics.RECOVERY_COMMANDS, ORCHESTRATOR, RECOVERY),
    _entry("check-alarms.v1", monitor.CheckAlarms, topics.MONITOR_COMMANDS, ORCHESTRATOR, MONITOR),
    _entry("watch-closely.v1", monitor.WatchClosely, topics.MONITOR_COMMANDS, ORCHESTRATOR, MONITOR),
    _entry("evaluate-rules.v1", monitor.EvaluateRules, topics.MONITOR_COMMANDS, ORCHESTRATOR, MONITOR),
    _entry("set-up-monitoring.v1", monitor.SetUpMonitoring, topics.MONITOR_COMMANDS, ORCHESTRATOR, MONITOR),
    _entry("assess-health.v1", health.AssessHealth, topics.HEALTH_COMMANDS, ORCHESTRATOR, HEALTH),
    _entry("watch-deployment.v1", health.WatchDeployment, topics.HEALTH_COMMANDS, ORCHESTRATOR, HEALTH),
    _entry("start-health-checks.v1", health.StartHealthChecks, topics.HEALTH_COMMANDS, ORCHESTRATOR, HEALTH),
    _entry("run-preflight.v1", validator.RunPreflight, topics.VALIDATOR_COMMANDS, ORCHESTRATOR, VALIDATOR),
    _entry(
        "validate-deployment.v1",
        validator.ValidateDeployment,
        topics.VALIDATOR_COMMANDS,
        ORCHESTRATOR,
        VALIDATOR,
    ),
    _entry(
        "run-diagnostics.v1",
        diagnostics.RunDiagnostics,
        topics.DIAGNOSTICS_COMMANDS,
        ORCHESTRATOR,
        DIAGNOSTICS,
    ),
    _entry("analyze-resources.v1", optimizer.AnalyzeResources, topics.OPTIMIZER_COMMANDS, ORCHESTRATOR, OPTIMIZER),
    # answers
    _entry("step-finished.v1", results.StepFinished, topics.PHASE_RESULTS, COMMANDED_SERVICES, ORCHESTRATOR),
    _entry("step-progressed.v1", results.StepProgressed, topics.PHASE_RESULTS, {HEALTH, RECOVERY}, ORCHESTRATOR),
    # alerts
    _entry(
        "critical-alert.v1",
        monitor.CriticalAlert,
        topics.CRITICAL_ALERTS,
        MONITOR,
        {RECOVERY, ORCHESTRATOR, DASHBOARDS},
    ),
    _entry(
        "warning-alert.v1",
        monitor.WarningAlert,
        topics.WARNING_ALERTS,
        {*topics.SERVICES, OPERATORS},  # each warns of its own dead letters, until an operator has settled them
        {RECOVERY, ORCHESTRATOR, DASHBOARDS},
    ),
    # what the services publish by themselves
    _entry("health-scored.v1", health.HealthScored, topics.HEALTH_EVENTS, HEALTH, {ORCHESTRATOR, RECOVERY, DASHBOARDS}),
    _entry("check-failed.v1", health.CheckFailed, topics.HEALTH_EVENTS, HEALTH, DASHBOARDS),
    _entry("issue-found.v1", diagnostics.IssueFound, topics.DIAGNOSTICS_EVENTS, DIAGNOSTICS, DASHBOARDS),
    _entry("issue-gone.v1", diagnostics.IssueGone, topics.DIAGNOSTICS_EVENTS, DIAGNOSTICS, DASHBOARDS),
    _entry("recommendation-made.v1", optimizer.RecommendationMade, topics.OPTIMIZER_EVENTS, OPTIMIZER, DASHBOARDS),
    _entry("snapshot-captured.v1", recovery.SnapshotCaptured, topics.RECOVERY_EVENTS, RECOVERY, {DASHBOARDS, RECOVERY}),
    _entry(
        "drift-observed.v1",
        recovery.DriftObserved,
        topics.RECOVERY_EVENTS,
        RECOVERY,
        {DIAGNOSTICS, DASHBOARDS},
    ),
    _entry(
        "readiness-changed.v1",
        recovery.ReadinessChanged,
        topics.RECOVERY_EVENTS,
        RECOVERY,
        {ORCHESTRATOR, DIAGNOSTICS, DASHBOARDS},
    ),
    _entry(
        "target-armed.v1", recovery.TargetArmed, topics.RECOVERY_EVENTS, RECOVERY, {ORCHESTRATOR, DASHBOARDS, RECOVERY}
    ),
    _entry(
        "target-disarmed.v1",
        recovery.TargetDisarmed,
        topics.RECOVERY_EVENTS,
        RECOVERY,
        {ORCHESTRATOR, DASHBOARDS, RECOVERY},
    ),
    _entry("change-applied.v1", recovery.ChangeApplied, topics.RECOVERY_EVENTS, RECOVERY, DASHBOARDS),
    _entry(
        "rollback-started.v1",
        recovery.RollbackStarted,
        topics.RECOVERY_EVENTS,
        RECOVERY,
        {ORCHESTRATOR, HEALTH, MONITOR, VALIDATOR, DASHBOARDS, RECOVERY},
    ),
    _entry(
        "rollback-finished.v1",
        recovery.RollbackFinished,
        topics.RECOVERY_EVENTS,
        RECOVERY,
        {ORCHESTRATOR, DASHBOARDS, RECOVERY},
    ),
    _entry(
        "rollback-decided.v1",
        recovery.RollbackDecided,
        topics.RECOVERY_EVENTS,
        RECOVERY,
        {ORCHESTRATOR, DASHBOARDS},
    ),
    _entry(
        "service-moved.v1",
        moves.ServiceMoved,
        topics.RECOVERY_EVENTS,
        RECOVERY,
        {ORCHESTRATOR, DIAGNOSTICS, DASHBOARDS},
    ),
    _entry("scaling-started.v1", scaling.ScalingStarted, topics.RECOVERY_EVENTS, RECOVERY, {DASHBOARDS, RECOVERY}),
    _entry("scaling-finished.v1", scaling.ScalingFinished, topics.RECOVERY_EVENTS, RECOVERY, {DASHBOARDS, RECOVERY}),
    _entry(
        "recreation-started.v1", recreation.RecreationStarted, topics.RECOVERY_EVENTS, RECOVERY, {DASHBOARDS, RECOVERY}
    ),
    _entry(
        "recreation-finished.v1",
        recreation.RecreationFinished,
        topics.RECOVERY_EVENTS,
        RECOVERY,
        {DASHBOARDS, RECOVERY},
    ),
    _entry("scaling-decided.v1", scaling.ScalingDecided, topics.RECOVERY_EVENTS, RECOVERY, {DASHBOARDS, RECOVERY}),
    _entry(
        "migration-started.v1", migration.MigrationStarted, topics.RECOVERY_EVENTS, RECOVERY, {DASHBOARDS, RECOVERY}
    ),
    _entry(
        "migration-finished.v1",
        migration.MigrationFinished,
        topics.RECOVERY_EVENTS,
        RECOVERY,
        {DASHBOARDS, ORCHESTRATOR, RECOVERY},
    ),
    _entry("drill-started.v1", drills.DrillStarted, topics.RECOVERY_EVENTS, RECOVERY, {DASHBOARDS, RECOVERY}),
    _entry("drill-finished.v1", drills.DrillFinished, topics.RECOVERY_EVENTS, RECOVERY, {DASHBOARDS, RECOVERY}),
    # what could not be handled
    _entry("dead-lettered.v1", DeadLettered, topics.DEAD_LETTERS, topics.SERVICES, OPERATORS),
    _entry(
        "dead-letter-settled.v1",
        DeadLetterSettled,
        topics.DEAD_LETTERS,
        OPERATORS,
        {OPERATORS, ORCHESTRATOR},  # who keeps it in the audit, as it does what operators do with keys
    ),
    # who did what
    _entry("audit-recorded.v1", AuditRecord, topics.AUDIT, topics.SERVICES, OPERATORS),
)


@cache
def _by_type() -> dict[str, Entry]:
    return {entry.type: entry for entry in CATALOGUE}


@cache
def _by_contract() -> dict[Contracted, Entry]:
    return {entry.contract: entry for entry in CATALOGUE}


def entry_of_type(type_: str) -> Entry | None:
    """Return the line of a CloudEvents type, or None if this version does not know it."""
    return _by_type().get(type_)


def entry_of(contract: Contracted) -> Entry:
    """Return the line of a class. Raise ``KeyError`` for one that is not in the table."""
    return _by_contract()[contract]


def read_by(party: Party) -> tuple[Entry, ...]:
    """Return what ``party`` reads, in the table's order."""
    return tuple(entry for entry in CATALOGUE if party in entry.readers)


def topics_of(party: Party) -> tuple[Topic, ...]:
    """Return the topics that ``party`` subscribes to, without duplicates, in the table's order."""
    return tuple(dict.fromkeys(entry.topic for entry in read_by(party)))


def topics_written_by(party: Party) -> tuple[Topic, ...]:
    """Return the topics that ``party`` may write to, without duplicates, in the table's order."""
    return tuple(dict.fromkeys(entry.topic for entry in CATALOGUE if party in entry.writers))


REPLAYED_FIRST: Mapping[Party, frozenset[str]] = {
    ORCHESTRATOR: frozenset({topics.DEPLOYMENT_EVENTS.name}),
    RECOVERY: frozenset({topics.RECOVERY_EVENTS.name}),
}
"""Topics that a service replays before it reads any other, where its Redis is older than what Kafka holds. They have
the events that it published itself: it keeps to them instead of deciding anew (docs/adr/0007)."""
