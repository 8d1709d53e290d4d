"""HTTP in: validations on request, and their results."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from contracts.access import Role
from contracts.base import Target
from contracts.validator import Suite
from services._aws.existing import Existing
from services._chassis.access.permit import NowAsking, needs
from services._chassis.clock import Clock
from services._chassis.operations import Accepted, IdempotencyKey, Operations, Requested, request_id
from services._chassis.store import Store
from services._chassis.targets import Targets
from services.validator.domain.operation import Validation
from services.validator.jobs.validate import OPERATION

PREFIX = "/deployment-validation"


class ValidationRequest(Requested):
    suites: Annotated[tuple[Suite, ...], Field(min_length=1, max_length=2)] = ("smoke", "api")


def create_router(store: Store, clock: Clock, targets: Targets, existing: Existing) -> APIRouter:
    router = APIRouter(prefix=PREFIX, tags=["validator"])
    operations = Operations(store, clock, PREFIX)
    InPath = Annotated[Target, Depends(targets.in_path)]  # noqa: N806  a type

    async def begin(
        target: Target, suites: tuple[Suite, ...], body: Requested, key: str | None, response: Response
    ) -> Accepted:
        """Start a validation. The same key for the same target and suites is the same operation."""
        await existing(target)
        longest = timedelta(minutes=targets.policies.of(target).timeouts.validation_minutes)
        validation = Validation(
            operation_id=request_id(target, f"validation-{','.join(suites)}", key),
            target=target,
            suites=suites,
            started_at=operations.now,
            requested_at=operations.now,
            deadline=operations.now + longest,
            actor=body.actor,
            reason=body.reason,
        )
        begun = await operations.begin(validation, OPERATION, body, key)
        return operations.accepted(response, begun.operation_id)

    @router.post("/validate/{cluster_name}/{service_name}", status_code=202, dependencies=[needs(Role.DEPLOYER)])
    async def validate(
        asking: NowAsking,
        target: InPath,
        response: Response,
        request: ValidationRequest | None = None,
        key: IdempotencyKey = None,
    ) -> Accepted:
        """Test the live service over HTTP: smoke tests, then the API."""
        body = asking.by(request or ValidationRequest())
        return await begin(target, body.suites, body, key, response)

    @router.post("/smoke-test/{cluster_name}/{service_name}", status_code=202, dependencies=[needs(Role.DEPLOYER)])
    async def smoke_test(
        asking: NowAsking,
        target: InPath,
        response: Response,
        request: Requested | None = None,
        key: IdempotencyKey = None,
    ) -> Accepted:
        """Test the live service over HTTP: smoke tests only."""
        return await begin(target, ("smoke",), asking.by(request or Requested()), key, response)

    operations.add_to(router)
    return router
