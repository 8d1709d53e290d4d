"""Operations over HTTP: they begin with their job, are shown under their URL, and end together with the job.

The record of an operation has its job's id. For a job that fails for good the executor ends it (``jobs.py``), so that
no operation runs for ever.
"""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Protocol, TypeVar

from fastapi import APIRouter, Header, Path, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from contracts.access import Role
from contracts.base import AccountId, Name, Region, Target, caused_id
from contracts.bounds import LONGEST_ACTOR
from contracts.operations import Operation, operation_key
from contracts.prose import Plain, Prose
from contracts.state import read_record
from services._chassis.access.caller import NOBODY_IN_PARTICULAR
from services._chassis.access.permit import NowAsking, needs
from services._chassis.clock import Clock, moment
from services._chassis.http import PREFIX, Problem
from services._chassis.store import Applied, Store
from services._chassis.transition import Job, decided

IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)]
OperationId = Annotated[str, Path(pattern=r"^[A-Za-z0-9:._-]{1,200}$")]
Actor = Annotated[Plain, StringConstraints(min_length=1, max_length=LONGEST_ACTOR)]
Reason = Annotated[Prose, StringConstraints(max_length=512)]

O = TypeVar("O", bound=Operation)  # noqa: E741  an operation


class Requested(BaseModel):
    """Fields of every request's body: for whom it is, and why. Both are recorded, behind the caller who was proven."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    actor: Actor = NOBODY_IN_PARTICULAR
    reason: Reason = ""


class Accepted(BaseModel):
    """The answer (202) to a request for an operation."""

    operation_id: str
    url: str
    """The URL of the operation's state."""


class OperationAnswer(Operation):
    """An operation as the API shows it."""

    target: str  # type: ignore[assignment]  # account/region/cluster/service
    url: str


def request_id(target: Target, what: str, key: str | None) -> str:
    """Return the id of a request: the same ``Idempotency-Key`` for the same target and work is the same request."""
    return caused_id(str(target), f"{key}:api-{what}") if key else str(uuid.uuid4())


class Records(Protocol):
    """What decisions have recorded for readers."""

    async def record(self, key: str) -> bytes | None: ...


def what_was_asked(id_: str, asked: BaseModel, key: str | None) -> dict[str, bytes]:
    """Return the record of a request's body, as ``Decision.records`` takes it; none without an ``Idempotency-Key``."""
    return {f"asked:{id_}": _digest(asked)} if key else {}


async def refuse_another(store: Records, id_: str, asked: BaseModel, key: str | None) -> None:
    """Raise ``Problem`` where the key came with another body before: whoever sent it would wait for what never comes.

    To be called after the request was stored, with ``what_was_asked``, or found to be stored already.
    """
    known = await store.record(f"asked:{id_}") if key else None
    if known is not None and known != _digest(asked):
        raise Problem(
            422,
            "The Idempotency-Key was used before",
            "The same key came with another body, and what that one asked for is done. Send this one with a new key.",
        )


def _digest(asked: BaseModel) -> bytes:
    return hashlib.sha256(asked.model_dump_json().encode()).hexdigest().encode()


async def find_operation(store: Store, operation_id: str) -> Operation | None:
    """Return an operation's record, under today's key or under that of version 0.1.0; None if there is none.

    While replicas of both versions run, either may end what the other began: an end is preferred.
    """
    records = [await store.record(key) for key in (operation_key(operation_id), f"operation/{operation_id}")]
    found = [operation for record in records if (operation := read_record(Operation, record)) is not None]
    return next((operation for operation in found if operation.state != "running"), next(iter(found), None))


def _is_about(target: Target, named: Sequence[str | None]) -> bool:
    """Return whether a target has all that is named of cluster, service, account and region."""
    parts = (target.cluster, target.service, target.account, target.region)
    return all(name in {None, part} for name, part in zip(named, parts, strict=True))


class Operations:
    """The operations of one service, under ``<prefix>/operations/<id>``."""

    def __init__(self, store: Store, clock: Clock, prefix: str) -> None:
        self._store = store
        self._clock = clock
        self._prefix = prefix

    @property
    def now(self) -> datetime:
        return moment(self._clock.now())

    def url(self, operation_id: str) -> str:
        return f"{PREFIX}{self._prefix}/operations/{operation_id}"

    async def begin(
        self,
        operation: O,
        kind: str,
        asked: BaseModel,
        key: str | None,
        payload: bytes | None = None,
    ) -> O:
        """Record the operation and insert its job. Return what is recorded: the operation of the first such request.

        ``asked``: the body of the request, and ``key`` its ``Idempotency-Key``. ``payload``: by default the operation
        itself. Raise ``Problem`` where the key came with another body before.
        """
        id_ = operation.operation_id
        job = Job(id_, kind, payload or operation.model_dump_json().encode())
        transition = decided(jobs=(job,), records=operation.record | what_was_asked(id_, asked, key))
        written = await self._store.apply(transition, cause=f"operation:{operation.operation_id}", intake=True)
        if written.applied is Applied.APPLIED:
            return operation
        await refuse_another(self._store, id_, asked, key)
        kept = await find_operation(self._store, operation.operation_id)
        return type(operation).model_validate(kept.model_dump()) if kept else operation

    def accepted(self, response: Response, operation_id: str) -> Accepted:
        """Answer 202, with the operation's URL as ``Location``."""
        response.status_code, response.headers["Location"] = 202, self.url(operation_id)
        return Accepted(operation_id=operation_id, url=self.url(operation_id))

    async def show(
        self,
        asking: NowAsking,
        operation_id: OperationId,
        cluster_name: Name | None = None,
        service_name: Name | None = None,
        account: AccountId | None = None,
        region: Region | None = None,
    ) -> OperationAnswer:
        """Show how far an operation is, or its result.

        An operation of another service than the named one is none, and neither is that of a service that the caller
        may not look at.
        """
        found = await find_operation(self._store, operation_id)
        named = (cluster_name, service_name, account, region)
        if found is None or not _is_about(found.target, named) or not asking.shows(found.target):
            why = f"There is no operation {operation_id}; operations are kept for 31 days."
            raise Problem(404, "No such operation", why)
        shown = found.seen(self.now).model_dump()
        return OperationAnswer.model_validate(
            shown | {"target": str(found.target), "url": self.url(found.operation_id)}
        )

    def add_to(self, router: APIRouter) -> None:
        """Add the route under which operations are followed."""
        router.add_api_route(
            "/operations/{operation_id}", self.show, methods=["GET"], dependencies=[needs(Role.VIEWER)]
        )
