"""The port ``Applications``: asks the application that serves what schema its database has."""

import asyncio
from dataclasses import dataclass

import httpx2

from contracts.base import Target
from contracts.bounds import read_json
from contracts.policy import Application
from contracts.schema_status import SchemaStatus
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._aws.load_balancers import find_reach
from services._aws.reach import Nowhere, Reach
from services._aws.secrets import Secrets
from services._chassis.aws import Aws
from services._chassis.web import Address, Web, body_of, leads_away
from services.recovery.domain.change import Body

AGENT = "surefoot-recovery"
ANSWER_SECONDS = 10.0
"""Real seconds for the whole of one request."""
CONNECT_SECONDS = 5.0
"""Real seconds for a connection."""
MOST_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class HttpApplications:
    aws: Aws
    web: Web
    secrets: Secrets

    async def schema(self, target: Target, service: Body, application: Application) -> SchemaStatus:
        path = application.ready_path
        try:
            found = (await self._reach(target, service, application)).to(path)
            headers = await self.secrets.headers(target, application) if application.headers else {}
        except AwsError as error:
            return _unknown(str(error).rstrip("."))
        if isinstance(found, Nowhere):
            return _unknown(found.why)
        address = found.with_secrets(headers)
        if address is None:
            return _unknown("the policy's headers are not sent where the certificate cannot be checked")
        return await self._reported(address, path)

    async def _reach(self, target: Target, service: Body, application: Application) -> Reach:
        if application.url is not None:
            return Reach.at(application.url)
        groups = EcsService(service).target_groups
        return await find_reach(self.aws, target, groups) if groups else Reach()

    async def _reported(self, address: Address, path: str) -> SchemaStatus:
        asked = f"GET {path.partition('?')[0]}"
        try:
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                self.web.get(address, path, connect=CONNECT_SECONDS) as response,
            ):
                if leads_away(address, response):
                    return _unknown(f"{asked} leads to another host")
                body, status = await body_of(response, MOST_BYTES), response.status_code
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            return _unknown(f"{asked} was not answered ({type(error).__name__})")
        return SchemaStatus.reported_by(_document(body), ready=status < httpx2.codes.MULTIPLE_CHOICES)


def _document(body: bytes | None) -> object:
    try:
        document: object = None if body is None else read_json(body, MOST_BYTES)
    except ValueError:
        return None
    return document


def _unknown(why: str) -> SchemaStatus:
    return SchemaStatus(unknown=why)
