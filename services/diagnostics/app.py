"""The only place where the objects of diagnostics are built."""

from functools import partial

from contracts.diagnostics import RunDiagnostics
from contracts.moves import ServiceMoved
from contracts.recovery import DriftObserved, ReadinessChanged
from services._aws.existing import existing
from services._chassis.commands import becomes_job
from services._chassis.service import Platform, Service
from services._chassis.targets import Targets
from services.diagnostics import handlers
from services.diagnostics.adapters.ecs import AwsEcs
from services.diagnostics.adapters.load_balancers import AwsLoadBalancers
from services.diagnostics.api import Endpoints, create_router
from services.diagnostics.inspect import Inspect
from services.diagnostics.jobs.diagnose import DIAGNOSE, Diagnose
from services.diagnostics.settings import Settings


def create_app(settings: Settings, platform: Platform) -> Service:
    aws, clock = platform.aws, platform.clock
    inspect = Inspect(AwsEcs(aws), AwsLoadBalancers(aws))
    targets = Targets(platform.policies, settings.cluster_name, settings.service_name)
    return Service(
        name="diagnostics",
        handlers={
            RunDiagnostics: becomes_job(DIAGNOSE),
            DriftObserved: handlers.drift,
            ReadinessChanged: handlers.readiness,
            ServiceMoved: handlers.moved,
        },
        jobs={DIAGNOSE: Diagnose(inspect, clock)},
        router=create_router(Endpoints(inspect, platform.store, partial(existing, aws), clock), targets),
    )
