"""The only place where the validator's objects are built."""

from datetime import timedelta
from functools import partial

import httpx2

from contracts.deployment import DeploymentFinished
from contracts.recovery import RollbackStarted
from contracts.validator import RunPreflight, ValidateDeployment
from services._aws.existing import existing
from services._chassis.service import Platform, Service
from services.validator import handlers
from services.validator.adapters.ecr import EcrImages
from services.validator.adapters.ecs import EcsServices
from services.validator.adapters.http import WireHttp, client
from services.validator.adapters.load_balancers import AwsLoadBalancers
from services.validator.adapters.probes import StubbornProbes
from services.validator.api import create_router
from services.validator.domain.judge import Thresholds
from services.validator.domain.manifest import LINUX_AMD64
from services.validator.handlers import Preflight, Validation
from services.validator.settings import Settings


def create_app(settings: Settings, platform: Platform) -> Service:
    certified, plain = (client(certified=one, transport=platform.transport) for one in (True, False))
    downloads = httpx2.AsyncClient(follow_redirects=False, transport=platform.transport)
    services = EcsServices(platform.aws)
    preflight = Preflight(
        services,
        EcrImages(platform.aws, downloads),
        LINUX_AMD64 if settings.image_policy == "linux/amd64" else None,
    )
    probes = StubbornProbes(
        WireHttp(certified, plain),
        platform.clock,
        {"smoke": settings.smoke_tests, "api": settings.api_tests},
        settings.stubbornness,
    )
    validation = Validation(
        services,
        AwsLoadBalancers(platform.aws),
        probes,
        settings.base_urls,
        Thresholds(settings.success_rate_percent, settings.response_time_seconds),
        platform.clock,
    )
    return Service(
        name="validator",
        handlers={
            RunPreflight: handlers.on_run_preflight,
            ValidateDeployment: handlers.on_validate_deployment,
            DeploymentFinished: handlers.on_run_over,
            RollbackStarted: handlers.on_run_over,
        },
        jobs={
            handlers.PREFLIGHT: preflight.work,
            handlers.VALIDATION: validation.answer_command,
            handlers.OPERATION: validation.answer_request,
        },
        failures={handlers.VALIDATION: handlers.validation_failed},
        router=create_router(
            platform.store,
            platform.clock,
            settings.target,
            timedelta(minutes=settings.validation_timeout_minutes),
            partial(existing, platform.aws),
        ),
        closers=(certified.aclose, plain.aclose, downloads.aclose),
    )
