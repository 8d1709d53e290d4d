"""The only place where the optimizer's objects are built."""

from functools import partial

from contracts.optimizer import AnalyzeResources
from services._aws.existing import existing
from services._chassis.commands import becomes_job
from services._chassis.service import Platform, Service
from services._chassis.targets import Targets
from services.optimizer.adapters.ecs import AwsEcs
from services.optimizer.adapters.metrics import CloudWatchMetrics
from services.optimizer.api import create_router
from services.optimizer.jobs.analyze import ANALYZE, Analyze
from services.optimizer.settings import Settings


def create_app(settings: Settings, platform: Platform) -> Service:
    aws = platform.aws
    analyze = Analyze(platform.clock, AwsEcs(aws), CloudWatchMetrics(aws))
    targets = Targets(platform.policies, settings.cluster_name, settings.service_name)
    return Service(
        name="optimizer",
        handlers={AnalyzeResources: becomes_job(ANALYZE)},
        jobs={ANALYZE: analyze},
        router=create_router(platform.store, targets, analyze, partial(existing, aws)),
    )
