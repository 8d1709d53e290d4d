"""The only place where health is put together."""

from functools import partial

from contracts.health import AssessHealth, StartHealthChecks, WatchDeployment
from contracts.recovery import RollbackStarted
from services._aws.existing import existing
from services._chassis.service import Platform, Service
from services.health import api, handlers
from services.health.adapters import application
from services.health.adapters.application import HttpApplication
from services.health.adapters.ecs import AwsEcs
from services.health.adapters.examination import Examination, Paths
from services.health.adapters.load_balancers import AwsLoadBalancers
from services.health.adapters.metrics import CloudWatch
from services.health.adapters.observation import Observation
from services.health.domain.checks import Limits
from services.health.settings import Settings


def create_app(settings: Settings, platform: Platform) -> Service:
    clock = platform.clock
    client = application.client(platform.transport)
    ecs, balancers = AwsEcs(platform.aws), AwsLoadBalancers(platform.aws)
    paths = Paths(settings.application_health_path, settings.application_ready_path, settings.application_endpoints)
    examiner = Examination(
        ecs=ecs,
        balancers=balancers,
        metrics=CloudWatch(platform.aws),
        application=HttpApplication(client),
        clock=clock,
        paths=paths,
        addresses=_addresses(settings),
    )
    observer = Observation(ecs, balancers)
    limits = Limits(p95_seconds=settings.performance_threshold_ms / 1000)
    return Service(
        name="health",
        handlers={
            AssessHealth: handlers.assess_health,
            WatchDeployment: handlers.watch_deployment,
            StartHealthChecks: partial(handlers.start_health_checks, clock=clock),
            RollbackStarted: handlers.rollback_started,
        },
        jobs={
            "assess": partial(handlers.assess, examiner=examiner, limits=limits),
            "watch": partial(handlers.watch, observer=observer, clock=clock),
            "check": partial(handlers.check, examiner=examiner, limits=limits),
        },
        failures={"watch": handlers.watch_failed},
        timers={"check": partial(handlers.check_due, clock=clock, interval=settings.health_check_interval)},
        router=api.router(
            examiner, partial(existing, platform.aws), target=settings.target, limits=limits, clock=clock
        ),
        closers=(client.aclose,),
    )


def _addresses(settings: Settings) -> dict[str, str]:
    """The configured address belongs to the configured target, by its cluster and service."""
    if settings.application_url is None or not settings.cluster_name or not settings.service_name:
        return {}
    return {f"{settings.cluster_name}/{settings.service_name}": str(settings.application_url)}
