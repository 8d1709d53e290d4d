"""The only place where the validator's objects are built."""

from functools import partial

import httpx2

from contracts.deployment import DeploymentFinished
from contracts.recovery import RollbackStarted
from contracts.validator import RunPreflight, ValidateDeployment
from services._aws.databases import RdsDatabases
from services._aws.existing import existing
from services._aws.secrets import Secrets
from services._chassis.commands import becomes_job
from services._chassis.operations import Operations
from services._chassis.service import Platform, Service
from services._chassis.targets import Targets
from services._chassis.web import Web
from services.validator import handlers
from services.validator.adapters.applications import AwsApplications
from services.validator.adapters.ecr import EcrImages
from services.validator.adapters.ecs import AwsEcs
from services.validator.adapters.http import AGENT, WireHttp
from services.validator.adapters.rollouts import AwsRollouts
from services.validator.api import PREFIX, Endpoints, create_router
from services.validator.jobs.preflight import PREFLIGHT, Preflight
from services.validator.jobs.service_tests import ServiceTests
from services.validator.jobs.validate import OPERATION, VALIDATION, Validate, ValidateOnRequest
from services.validator.run_tests import HttpTestRunner
from services.validator.settings import Settings


def create_app(settings: Settings, platform: Platform) -> Service:
    aws, clock, policies = platform.aws, platform.clock, platform.policies
    web = Web(AGENT, platform.transport)
    downloads = httpx2.AsyncClient(follow_redirects=False, transport=platform.transport)
    services, images = AwsEcs(aws), EcrImages(aws, downloads)
    applications = AwsApplications(aws, Secrets(aws, policies))
    test = ServiceTests(services, applications, RdsDatabases(aws), HttpTestRunner(WireHttp(web), clock), clock)
    return Service(
        name="validator",
        handlers={
            RunPreflight: becomes_job(PREFLIGHT),
            ValidateDeployment: handlers.validate_deployment,
            DeploymentFinished: handlers.run_over,
            RollbackStarted: handlers.run_over,
        },
        jobs={
            PREFLIGHT: Preflight(services, images, AwsRollouts(aws, images), policies, test),
            VALIDATION: Validate(test, policies),
            OPERATION: ValidateOnRequest(test, policies, clock),
        },
        failures={VALIDATION: handlers.validation_failed},
        router=create_router(
            Endpoints(Operations(platform.store, clock, PREFIX), policies, partial(existing, aws)),
            Targets(policies, settings.cluster_name, settings.service_name),
        ),
        closers=(web.close, downloads.aclose),
    )
