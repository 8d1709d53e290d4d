"""The only place where the monitor's objects are built."""

from functools import partial

from contracts.deployment import DeploymentFinished
from contracts.monitor import CheckAlarms, EvaluateRules, SetUpMonitoring, WatchClosely
from contracts.recovery import RollbackStarted
from services._aws.databases import RdsDatabases
from services._aws.existing import existing
from services._chassis.commands import becomes_job
from services._chassis.service import Platform, Service
from services._chassis.targets import Targets
from services.monitor.adapters.alarms import CloudWatchAlarms
from services.monitor.adapters.dashboards import CloudWatchDashboards
from services.monitor.adapters.ecs import AwsEcs
from services.monitor.adapters.metrics import CloudWatchMetrics
from services.monitor.api import Endpoints, create_router
from services.monitor.decisions import COLLECT, SHOW
from services.monitor.handlers import Handlers
from services.monitor.jobs.answer_left_over import LEFT_OVER, answer_left_over
from services.monitor.jobs.check_alarms import CHECK, CheckAlarmsJob
from services.monitor.jobs.collect import CollectJob
from services.monitor.jobs.set_up import OPERATION, SET_UP, SetUpJob, SetUpOnRequestJob
from services.monitor.jobs.show import ShowJob
from services.monitor.jobs.show_policy import ShowPolicy
from services.monitor.jobs.watch_closely import WATCH, WatchCloselyJob
from services.monitor.settings import Settings


def create_app(settings: Settings, platform: Platform) -> Service:
    """Wire the monitor."""
    aws, clock, store, policies = platform.aws, platform.clock, platform.store, platform.policies
    services, metrics, alarms = AwsEcs(aws), CloudWatchMetrics(aws), CloudWatchAlarms(aws)
    refresh = max(1, round(settings.dashboard_refresh_interval / 60)) * 60
    dashboards = CloudWatchDashboards(aws, refresh)
    show = ShowPolicy(services, alarms, dashboards)
    # showing many policies may be throttled: on a connection of its own it takes no threads and no retries from looks
    apart = aws.apart()
    show_later = ShowPolicy(AwsEcs(apart), CloudWatchAlarms(apart), CloudWatchDashboards(apart, refresh))
    handlers = Handlers(store, clock, policies)
    policies.listen(handlers.policy_changed)
    endpoints = Endpoints(store, clock, policies, services, metrics, dashboards, partial(existing, aws))
    return Service(
        name="monitor",
        handlers={
            CheckAlarms: becomes_job(CHECK),
            WatchClosely: becomes_job(WATCH),
            EvaluateRules: handlers.evaluate_rules,
            SetUpMonitoring: becomes_job(SET_UP),
            DeploymentFinished: handlers.run_over,
            RollbackStarted: handlers.run_over,
        },
        jobs={
            CHECK: CheckAlarmsJob(services, alarms, platform.clock),
            WATCH: WatchCloselyJob(clock, policies, services),
            LEFT_OVER: answer_left_over,
            SET_UP: SetUpJob(clock, policies, show),
            OPERATION: SetUpOnRequestJob(clock, policies, show),
            COLLECT: CollectJob(store, clock, policies, services, metrics, RdsDatabases(aws), alarms),
            SHOW: ShowJob(store, clock, show_later),
        },
        timers={COLLECT: handlers.look, SHOW: handlers.show},
        router=create_router(endpoints, Targets(policies, settings.cluster_name, settings.service_name)),
    )
