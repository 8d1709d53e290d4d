"""The only place where diagnostics is put together."""

from functools import partial

from contracts.diagnostics import RunDiagnostics
from services._aws.existing import existing
from services._chassis.service import Platform, Service
from services.diagnostics import api, handlers
from services.diagnostics.adapters.ecs import AwsEcs
from services.diagnostics.adapters.inspection import Inspection
from services.diagnostics.adapters.load_balancers import AwsLoadBalancers
from services.diagnostics.settings import Settings


def create_app(settings: Settings, platform: Platform) -> Service:
    inspector = Inspection(AwsEcs(platform.aws), AwsLoadBalancers(platform.aws))
    return Service(
        name="diagnostics",
        handlers={RunDiagnostics: handlers.run_diagnostics},
        jobs={"diagnose": partial(handlers.diagnose_target, inspector=inspector, clock=platform.clock)},
        router=api.router(
            inspector, platform.store, partial(existing, platform.aws), target=settings.target, clock=platform.clock
        ),
    )
