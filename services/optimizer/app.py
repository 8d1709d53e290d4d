"""The only place where the optimizer's objects are built."""

from functools import partial

from contracts.optimizer import AnalyzeResources
from services._aws.existing import existing
from services._chassis.service import Platform, Service
from services.optimizer import handlers
from services.optimizer.adapters.ecs import EcsServices
from services.optimizer.adapters.metrics import CloudWatchMetrics
from services.optimizer.api import create_router
from services.optimizer.handlers import Analyst
from services.optimizer.settings import Settings


def create_app(settings: Settings, platform: Platform) -> Service:
    analyst = Analyst(platform.clock, EcsServices(platform.aws), CloudWatchMetrics(platform.aws))
    return Service(
        name="optimizer",
        handlers={AnalyzeResources: handlers.on_analyze_resources},
        jobs={handlers.ANALYZE: analyst.work},
        router=create_router(platform.store, settings.target, analyst, partial(existing, platform.aws)),
    )
