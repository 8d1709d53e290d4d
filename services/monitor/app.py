"""The only place where the monitor's objects are built."""

from functools import partial

from contracts.deployment import DeploymentFinished
from contracts.monitor import CheckAlarms, EvaluateRules, SetUpMonitoring, WatchClosely
from contracts.recovery import RollbackStarted
from services._aws.existing import existing
from services._chassis.service import Platform, Service
from services.monitor import handlers
from services.monitor.adapters.alarms import CloudWatchAlarms
from services.monitor.adapters.dashboards import CloudWatchDashboards
from services.monitor.adapters.database import RdsDatabases
from services.monitor.adapters.ecs import EcsServices
from services.monitor.adapters.metrics import CloudWatchMetrics
from services.monitor.api import create_router
from services.monitor.domain.rules import rules
from services.monitor.handlers import Watching
from services.monitor.jobs.answers import answer_left_over
from services.monitor.jobs.looks import COLLECT
from services.monitor.jobs.set_up import SettingUp
from services.monitor.settings import Settings


def create_app(settings: Settings, platform: Platform) -> Service:
    aws, clock = platform.aws, platform.clock
    metrics_namespace = settings.cloudwatch_namespace
    services, metrics = EcsServices(aws), CloudWatchMetrics(aws, metrics_namespace)
    dashboards = CloudWatchDashboards(
        aws,
        metrics_namespace,
        settings.database_instance,
        _minutes(settings.dashboard_refresh_interval) * 60,
    )
    watched = rules(_minutes(settings.alert_evaluation_period))
    watching = Watching(
        platform.store,
        clock,
        services,
        metrics,
        RdsDatabases(aws, settings.database_instance),
        watched,
        settings.metric_collection_interval,
        settings.close_collection_interval,
    )
    setting_up = SettingUp(
        clock, services, CloudWatchAlarms(aws, metrics_namespace, settings.alert_sns_topic), dashboards, watched
    )
    return Service(
        name="monitor",
        handlers={
            CheckAlarms: handlers.on_check_alarms,
            WatchClosely: handlers.on_watch_closely,
            EvaluateRules: watching.on_evaluate_rules,
            SetUpMonitoring: handlers.on_set_up,
            DeploymentFinished: handlers.on_run_over,
            RollbackStarted: handlers.on_run_over,
        },
        jobs={
            handlers.CHECK: setting_up.check_alarms,
            handlers.WATCH: watching.watch_closely,
            "evaluate-rules": answer_left_over,
            handlers.SET_UP: setting_up.set_up,
            handlers.OPERATION: setting_up.set_up_on_request,
            COLLECT: watching.collect,
        },
        timers={COLLECT: watching.on_look},
        router=create_router(
            platform.store, clock, settings.target, services, metrics, dashboards, partial(existing, aws)
        ),
    )


def _minutes(seconds: int) -> int:
    return max(1, round(seconds / 60))
