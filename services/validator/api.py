"""HTTP in: validations on request, and their results."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict, Field

from contracts.base import Name, Target, caused_id
from contracts.validator import Suite
from services._chassis.clock import Clock, moment
from services._chassis.http import Problem
from services._chassis.store import Store
from services._chassis.transition import Job, decided
from services.validator.domain.operation import Operation, record_of
from services.validator.handlers import OPERATION

PREFIX = "/deployment-validation"


class ValidationRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    suites: Annotated[tuple[Suite, ...], Field(min_length=1, max_length=2)] = ("smoke", "api")


class Accepted(BaseModel):
    operation_id: str
    url: str


IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)]


def create_router(
    store: Store, clock: Clock, find_target: Callable[[str, str], Target], longest: timedelta
) -> APIRouter:
    """``longest`` bounds a validation; ``find_target`` completes cluster and service with account and region."""
    router = APIRouter(prefix=PREFIX, tags=["validator"])

    async def begin(target: Target, suites: tuple[Suite, ...], key: str | None, response: Response) -> Accepted:
        """Start a validation. The same key for the same target and suites is the same operation."""
        asked = f"validate:{target}:{','.join(suites)}"
        operation_id = caused_id(key, asked) if key else str(uuid.uuid4())
        now = moment(clock.now())
        operation = Operation(
            operation_id=operation_id,
            target=target,
            suites=suites,
            requested_at=now,
            deadline=now + longest,
        )
        body = operation.model_dump_json().encode()
        transition = decided(jobs=(Job(operation_id, OPERATION, body),), records={record_of(operation_id): body})
        await store.apply(transition, cause=f"operation:{operation_id}")
        url = f"/api/v1{PREFIX}/operations/{operation_id}"
        response.headers["Location"] = url
        return Accepted(operation_id=operation_id, url=url)

    @router.post("/validate/{cluster_name}/{service_name}", status_code=202)
    async def validate(
        cluster_name: Name,
        service_name: Name,
        response: Response,
        request: ValidationRequest | None = None,
        key: IdempotencyKey = None,
    ) -> Accepted:
        """Test the live service over HTTP: smoke tests, then the API."""
        suites = (request or ValidationRequest()).suites
        return await begin(find_target(cluster_name, service_name), suites, key, response)

    @router.post("/smoke-test/{cluster_name}/{service_name}", status_code=202)
    async def smoke_test(
        cluster_name: Name, service_name: Name, response: Response, key: IdempotencyKey = None
    ) -> Accepted:
        """Test the live service over HTTP: smoke tests only."""
        return await begin(find_target(cluster_name, service_name), ("smoke",), key, response)

    @router.get("/operations/{operation_id}")
    async def operation(operation_id: str) -> Operation:
        """How a validation goes, and its result once it has finished."""
        record = await store.record(record_of(operation_id))
        if record is None:
            raise Problem(404, "No such operation", "no validation has this id; it may be older than 31 days")
        return Operation.model_validate_json(record).seen(moment(clock.now()))

    return router
