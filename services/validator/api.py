"""HTTP in: validations on request, and their results."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field

from contracts.base import Name, Target
from contracts.validator import Suite
from services._aws.existing import Existing
from services._chassis.clock import Clock
from services._chassis.operations import Accepted, IdempotencyKey, Operations, Requested, request_id
from services._chassis.store import Store
from services.validator.domain.operation import Validation
from services.validator.handlers import OPERATION

PREFIX = "/deployment-validation"


class ValidationRequest(Requested):
    suites: Annotated[tuple[Suite, ...], Field(min_length=1, max_length=2)] = ("smoke", "api")


def create_router(
    store: Store, clock: Clock, find_target: Callable[[str, str], Target], longest: timedelta, existing: Existing
) -> APIRouter:
    """``longest`` bounds a validation; ``find_target`` completes cluster and service with account and region."""
    router = APIRouter(prefix=PREFIX, tags=["validator"])
    operations = Operations(store, clock, PREFIX)

    async def begin(
        target: Target, suites: tuple[Suite, ...], asked: Requested, key: str | None, response: Response
    ) -> Accepted:
        """Start a validation. The same key for the same target and suites is the same operation."""
        await existing(target)
        validation = Validation(
            operation_id=request_id(target, f"validation-{','.join(suites)}", key),
            target=target,
            suites=suites,
            started_at=operations.now,
            requested_at=operations.now,
            deadline=operations.now + longest,
            actor=asked.actor,
            reason=asked.reason,
        )
        return operations.accepted(response, (await operations.begin(validation, OPERATION)).operation_id)

    @router.post("/validate/{cluster_name}/{service_name}", status_code=202)
    async def validate(
        cluster_name: Name,
        service_name: Name,
        response: Response,
        request: ValidationRequest | None = None,
        key: IdempotencyKey = None,
    ) -> Accepted:
        """Test the live service over HTTP: smoke tests, then the API."""
        asked = request or ValidationRequest()
        return await begin(find_target(cluster_name, service_name), asked.suites, asked, key, response)

    @router.post("/smoke-test/{cluster_name}/{service_name}", status_code=202)
    async def smoke_test(
        cluster_name: Name,
        service_name: Name,
        response: Response,
        request: Requested | None = None,
        key: IdempotencyKey = None,
    ) -> Accepted:
        """Test the live service over HTTP: smoke tests only."""
        target = find_target(cluster_name, service_name)
        return await begin(target, ("smoke",), request or Requested(), key, response)

    operations.add_to(router)
    return router
