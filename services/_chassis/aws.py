"""Calls AWS for every service: in a limited number of threads, with limits of time, in the caller's name.

Each call names its service and job, and is sent only while the job holds its lease (``acting.py``). Timeouts and
retries stand in ``AwsLimits`` and nowhere else; retries are botocore's standard mode. ``Aws.at`` decides which account
and region a call reaches.
"""

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeVar

import structlog
from botocore.exceptions import ClientError

from contracts.base import Target
from contracts.prose import prose
from services._chassis.acting import calling
from services._chassis.aws_connection import HOME, AwsConnection, Place
from services._chassis.clock_offset import clock_fault, offset_of
from services._chassis.credentials import EXPIRED, ClockOff, NoCredentials
from services._chassis.lanes import lane as lane_of_work
from services._chassis.tasks import until_over

PAGES = 1000

UNKNOWN_TOKEN = {"InvalidClientTokenId", "UnrecognizedClientException"}
WRONG_SIGNATURE = {
    "SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed", "RequestExpired", "AuthFailure",
}  # fmt: skip

T = TypeVar("T")


class S3Object(NamedTuple):
    """An object of S3, or its beginning."""

    content: bytes
    metadata: Mapping[str, str]
    """What its writer has said of it, by names in small letters."""


log = structlog.get_logger()


class AwsError(Exception):
    """AWS refused or did not answer, so that nothing is known. The text is one sentence without secrets."""

    def __init__(self, text: str, *, code: str = "", temporary: bool = False, sent_before: bool = False) -> None:
        super().__init__(prose(text))
        self.code = code
        """AWS's code (``AccessDeniedException``), or the kind of failure where there was no answer."""
        self.temporary = temporary
        """Whether another try may help, as after a time-out, throttling or an outage."""
        self.sent_before = sent_before
        """Whether the same call was sent before this answer to it came, so that it may have taken effect then."""

    @property
    def denied(self) -> bool:
        """Return whether AWS knows the caller and denies the permission."""
        return "AccessDenied" in self.code or self.code in {"UnauthorizedOperation", "AuthorizationError"}


class Aws:
    """AWS as one service calls it. ``ClientError`` passes through; adapters turn it into errors of their own."""

    def __init__(
        self, connection: AwsConnection, service: str, place: Place = HOME, lane: str = "", *, ahead: bool = False
    ) -> None:
        self._connection = connection
        self._service = service
        self._place = place
        self._lane = lane
        self._ahead = ahead

    def at(self, target: Target) -> "Aws":
        """Return AWS in the account and region of ``target``; without ``at``, calls reach this process's own."""
        place = Place(target.account, target.region)
        return Aws(self._connection, self._service, place, self._lane, ahead=self._ahead)

    def apart(self) -> "Aws":
        """Return the same with threads, connections and retries of its own: it never waits for other calls.

        They are this service's own, since all seven may share a process.
        """
        return Aws(self._connection, self._service, self._place, f"{self._service} apart", ahead=self._ahead)

    def ahead(self) -> "Aws":
        """Return the same for what a rollback reads: it does not wait for the account's budget of reads."""
        return Aws(self._connection, self._service, self._place, self._lane, ahead=True)

    async def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """Call ``operation`` (boto3's method name) of ``service`` and return its answer.

        Raise ``NoCredentials`` where the account of the target cannot be entered, ``BudgetSpent`` where too many others
        read there.
        """
        await self._turn(service, operation)
        return await self._in_thread(partial(self._call, service, operation, parameters))

    async def pages(self, service: str, operation: str, key: str, /, **parameters: Any) -> list[Any]:
        """Return ``key`` of all pages, at most ``PAGES`` of them."""
        await self._turn(service, operation)
        return await self._in_thread(partial(self._pages, service, operation, key, parameters))

    async def object(self, most_bytes: int, /, **parameters: Any) -> S3Object:
        """Return an object in S3: of one that is larger, so many bytes and one more."""
        return await self._in_thread(partial(self._object, most_bytes, parameters))

    async def _turn(self, service: str, operation: str) -> None:
        """Wait until the account's budget of reads has room for this call."""
        connection, place = self._connection, self._place
        if connection.reads is not None:
            account, region = place.account or connection.own_account, place.region or connection.region
            await connection.reads.take(account, region, service, operation, ahead=self._ahead)

    @property
    def _in_lane(self) -> str:
        """Return the lane of a call: this object's own, or that of what is being done."""
        return self._lane or lane_of_work.get()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        context = contextvars.copy_context()
        context.run(calling.set, self._service)
        loop = asyncio.get_running_loop()
        call = loop.run_in_executor(self._connection.threads(self._in_lane), context.run, work)
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            # a call that was begun may take effect, so that no other executor should act before it is over
            log.info("waiting for a call of AWS that was begun")
            await until_over(call)
            raise

    def _call(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._with_renewal(service, lambda client: getattr(client, operation)(**parameters))
        return answer

    def _object(self, most_bytes: int, parameters: dict[str, Any]) -> S3Object:
        # read in the same thread: the event loop's own threads are few, and name resolution needs them
        def read(client: Any) -> S3Object:
            answer = client.get_object(**parameters)
            return S3Object(answer["Body"].read(most_bytes + 1), answer.get("Metadata") or {})

        return self._with_renewal("s3", read)

    def _pages(self, service: str, operation: str, key: str, parameters: dict[str, Any]) -> list[Any]:
        return self._with_renewal(service, lambda client: all_pages(client, operation, key, parameters))

    def _with_renewal(self, service: str, call: Callable[[Any], T]) -> T:
        """Make a call, and once more with new credentials where AWS refused the present ones as expired.

        The refused call has changed nothing.
        """
        account = self._connection.account(self._place)
        client = self._connection.client_of(account, self._place.region, service, self._in_lane)
        before = account.credentials.held
        try:
            try:
                return call(client)
            except ClientError as error:
                if error.response["Error"]["Code"] not in EXPIRED or not account.credentials.renew_refused(before):
                    raise
            return call(client)
        except ClientError as error:
            if (refusal := self._refusal_of(error)) is not None:
                raise refusal from None
            raise

    def _refusal_of(self, error: ClientError) -> NoCredentials | None:
        """Return AWS's refusal of the credentials or of the signature as our error; None for any other error."""
        code = error.response["Error"]["Code"]
        account, region = self._place.account or "of this process", self._place.region or self._connection.region
        if code in EXPIRED:
            return NoCredentials(f"AWS takes the credentials for account {account} for expired", temporary=True)
        if code in UNKNOWN_TOKEN:
            fault = f"{region} takes no credentials of account {account} ({code}): the region is not enabled there, "
            return NoCredentials(f"{fault}or they are of STS's global endpoint, or wrong", temporary=False)
        if code in WRONG_SIGNATURE and (fault := clock_fault(offset_of(error.response))):
            return ClockOff(fault, temporary=True)
        return None


def all_pages(client: Any, operation: str, key: str, parameters: dict[str, Any]) -> list[Any]:
    found: list[Any] = []
    if client.can_paginate(operation):
        for count, page in enumerate(client.get_paginator(operation).paginate(**parameters)):
            found += page.get(key, [])
            if count >= PAGES:
                break
        return found
    for _ in range(PAGES):
        page = getattr(client, operation)(**parameters)
        found += page.get(key, [])
        token = page.get("nextToken") or page.get("NextToken")
        if not token:
            break
        parameters = {**parameters, ("nextToken" if "nextToken" in page else "NextToken"): token}
    return found
