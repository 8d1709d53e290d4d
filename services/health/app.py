"""The only place where health's objects are built."""

from functools import partial

from contracts.health import AssessHealth, StartHealthChecks, WatchDeployment
from contracts.recovery import RollbackStarted
from services._aws.databases import RdsDatabases
from services._aws.existing import existing
from services._aws.secrets import Secrets
from services._chassis.commands import becomes_job
from services._chassis.service import Platform, Service
from services._chassis.targets import Targets
from services._chassis.web import Web
from services.health import handlers
from services.health.adapters.application import AGENT, HttpApplications
from services.health.adapters.ecs import AwsEcs
from services.health.adapters.load_balancers import AwsLoadBalancers
from services.health.adapters.metrics import CloudWatch
from services.health.api import create_router
from services.health.examine import Examine
from services.health.jobs.assess import ASSESS, Assess
from services.health.jobs.check import CHECK, CheckOnce
from services.health.jobs.watch import WATCH, Watch
from services.health.observe import Observe
from services.health.settings import Settings


def create_app(settings: Settings, platform: Platform) -> Service:
    aws, clock, policies = platform.aws, platform.clock, platform.policies
    web = Web(AGENT, platform.transport)
    ecs, balancers = AwsEcs(aws), AwsLoadBalancers(aws)
    applications = HttpApplications(web, Secrets(aws, policies))
    examine = Examine(ecs, balancers, CloudWatch(aws), applications, clock)
    targets = Targets(policies, settings.cluster_name, settings.service_name)
    return Service(
        name="health",
        handlers={
            AssessHealth: becomes_job(ASSESS),
            WatchDeployment: handlers.watch_deployment,
            StartHealthChecks: partial(handlers.start_health_checks, clock=clock),
            RollbackStarted: handlers.rollback_started,
        },
        jobs={
            ASSESS: Assess(examine, policies),
            WATCH: Watch(Observe(ecs, balancers), RdsDatabases(aws), clock),
            CHECK: CheckOnce(examine, policies, clock),
        },
        failures={WATCH: handlers.watch_failed},
        timers={"check": partial(handlers.check_due, clock=clock, policies=policies)},
        router=create_router(examine, partial(existing, aws), targets, clock),
        closers=(web.close,),
    )
