"""The only place where the orchestrator's objects are built."""

from functools import partial

from contracts.dead_letter import DeadLetterSettled
from contracts.deployment import (
    AbortRequested,
    DeploymentFinished,
    DeploymentStarted,
    DeployRequested,
    PhaseProgressed,
    PhaseStarted,
)
from contracts.health import HealthScored
from contracts.migration import MigrationFinished
from contracts.monitor import CriticalAlert, WarningAlert
from contracts.moves import ServiceMoved
from contracts.recovery import (
    ReadinessChanged,
    RollbackDecided,
    RollbackFinished,
    RollbackStarted,
    TargetArmed,
    TargetDisarmed,
)
from contracts.results import StepFinished, StepProgressed
from contracts.run_verbs import (
    ApprovalDecided,
    PauseRequested,
    ReleaseAnswered,
    ReleaseRequested,
    ResumeRequested,
    Verb,
)
from contracts.topics import DEPLOYMENT_REQUESTS
from services._aws.existing import existing
from services._chassis.service import Platform, Service
from services._chassis.targets import Targets
from services.orchestrator.adapters.history import StoredHistory
from services.orchestrator.api.holds import HoldEndpoints
from services.orchestrator.api.router import Endpoints, create_router
from services.orchestrator.api.run import RunEndpoints
from services.orchestrator.decisions import QUEUE, WAKES, replace_course
from services.orchestrator.handlers import Handlers
from services.orchestrator.settings import Settings


def create_app(settings: Settings, platform: Platform) -> Service:
    """Wire the orchestrator."""
    handlers = Handlers(platform.store, platform.clock, platform.policies, settings.monitoring_interval_minutes * 60)
    history = StoredHistory(platform.store, platform.clock, platform.policies)
    runs = RunEndpoints(settings, platform.store, platform.clock, handlers, history, partial(existing, platform.aws))
    holds = HoldEndpoints(platform.store, platform.clock, platform.policies, handlers)
    targets = Targets(platform.policies, settings.cluster_name, settings.service_name)
    return Service(
        name="orchestrator",
        intake=frozenset({DeployRequested}),
        handlers={
            DeployRequested: handlers.on_request,
            AbortRequested: handlers.on_verb,
            PauseRequested: handlers.on_verb,
            ResumeRequested: handlers.on_verb,
            ApprovalDecided: handlers.on_verb,
            ReleaseRequested: handlers.on_release,
            ReleaseAnswered: handlers.on_own_release,
            StepFinished: handlers.on_event,
            StepProgressed: handlers.on_event,
            RollbackStarted: handlers.on_event,
            RollbackFinished: handlers.on_event,
            RollbackDecided: handlers.on_event,
            CriticalAlert: handlers.on_event,
            WarningAlert: handlers.on_event,
            TargetArmed: handlers.on_event,
            TargetDisarmed: handlers.on_event,
            HealthScored: handlers.on_event,
            DeadLetterSettled: handlers.on_settled,
            ReadinessChanged: handlers.on_event,
            ServiceMoved: handlers.on_event,
            MigrationFinished: handlers.on_event,
            DeploymentStarted: handlers.on_own_event,
            PhaseStarted: handlers.on_own_event,
            PhaseProgressed: handlers.on_own_event,
            DeploymentFinished: handlers.on_own_event,
        },
        replace_damaged=partial(replace_course, history, platform.clock),
        admits=handlers.refuse_strangers,
        refusals={DEPLOYMENT_REQUESTS.name: handlers.on_unreadable_request},
        timers=dict.fromkeys((*WAKES, QUEUE), handlers.on_timer),
        router=create_router(Endpoints(runs, history, holds), targets),
        by_hand=tuple(f"/deployment-orchestration/{verb}/" for verb in ("release", *Verb)),
    )
