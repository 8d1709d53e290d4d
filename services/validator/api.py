"""HTTP in: validations on request, and their results."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from contracts.access import Role
from contracts.base import Target
from contracts.validator import Suite
from services._aws.existing import Existing
from services._chassis.access.permit import NowAsking, needs
from services._chassis.operations import Accepted, IdempotencyKey, Operations, Requested, request_id
from services._chassis.policies import Policies
from services._chassis.targets import Targets
from services.validator.domain.operation import Validation
from services.validator.jobs.validate import OPERATION

PREFIX = "/deployment-validation"


class ValidationRequest(Requested):
    suites: Annotated[tuple[Suite, ...], Field(min_length=1, max_length=2)] = ("smoke", "api")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Does the work of the routes."""

    operations: Operations
    policies: Policies
    existing: Existing

    async def begin(
        self, target: Target, suites: tuple[Suite, ...], body: Requested, key: str | None, response: Response
    ) -> Accepted:
        """Start a validation. The same key for the same target and suites is the same operation."""
        await self.existing(target)
        now, longest = self.operations.now, self.policies.of(target).timeouts.validation_minutes
        validation = Validation(
            operation_id=request_id(target, f"validation-{','.join(suites)}", key),
            target=target,
            suites=suites,
            started_at=now,
            requested_at=now,
            deadline=now + timedelta(minutes=longest),
            actor=body.actor,
            reason=body.reason,
        )
        begun = await self.operations.begin(validation, OPERATION, body, key)
        return self.operations.accepted(response, begun.operation_id)


def create_router(endpoints: Endpoints, targets: Targets) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix=PREFIX, tags=["validator"])
    InPath = Annotated[Target, Depends(targets.in_path)]  # noqa: N806  a type

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
        return await endpoints.begin(target, body.suites, body, key, response)

    @router.post("/smoke-test/{cluster_name}/{service_name}", status_code=202, dependencies=[needs(Role.DEPLOYER)])
    async def smoke_test(
        asking: NowAsking,
        target: InPath,
        response: Response,
        request: Requested | None = None,
        key: IdempotencyKey = None,
    ) -> Accepted:
        """Test the live service over HTTP: smoke tests only."""
        return await endpoints.begin(target, ("smoke",), asking.by(request or Requested()), key, response)

    endpoints.operations.add_to(router)
    return router
