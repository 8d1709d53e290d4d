"""docs/requirements.md says of each requirement where it stands, and says the truth of endpoints and settings."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fastapi.routing import APIRoute

from contracts.topics import SERVICES
from sandbox.virtual.redis import MemoryRedis
from services._chassis.assembly import create_service, load_settings
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services._chassis.aws_limits import AwsLimits
from services._chassis.clock import Pace, PacedClock
from services._chassis.service import Platform
from services._chassis.store import RedisStore
from services._policy.environment import SETTINGS

REQUIREMENTS = Path(__file__).parents[2] / "docs" / "requirements.md"
NOTHING_MISSING = "—"
GIVEN: dict[str, Any] = {"aws_account": "123456789012", "backup_bucket": "snapshots"}
BOTO3 = {"aws_access_key_id", "aws_secret_access_key"}
"""Settings of boto3's own."""


@dataclass(frozen=True, slots=True)
class Row:
    requirement: str
    where: str
    test: str
    missing: str

    @property
    def built(self) -> bool:
        return bool(self.where)


@cache
def rows() -> tuple[Row, ...]:
    lines = re.findall(r"^\|(.*)\|$", REQUIREMENTS.read_text(), re.MULTILINE)
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    assert {len(row) for row in cells} == {4}
    return tuple(Row(*row) for row in cells if row[0] not in {"requirement", "---"})


@cache
def routes() -> frozenset[tuple[str, str]]:
    """Return method and path of every route of the seven services, without the names of parameters."""
    found: set[tuple[str, str]] = set()
    clock = PacedClock(Pace())
    for party in SERVICES:
        settings = load_settings(party, **GIVEN)
        connection = AwsConnection(settings.aws_region, AwsLimits())
        try:
            platform = Platform(RedisStore(MemoryRedis(), party, clock), clock, Aws(connection, party))
            there = create_service(party, settings, platform).router.routes
        finally:
            connection.close()
        found |= {
            (method, shape(route.path))
            for route in there
            if isinstance(route, APIRoute)
            for method in route.methods or ()
        }
    return frozenset(found)


def shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path.partition("?")[0])


def test_each_row_says_where_it_stands() -> None:
    silent = [
        row.requirement
        for row in rows()
        if not row.missing or (row.missing == NOTHING_MISSING and not (row.where and row.test))
    ]
    assert len(rows()) > 100
    assert silent == []


def test_endpoints_are_there_where_it_says_so_and_only_there() -> None:
    asked = {
        (method, shape(path)): row.built
        for row in rows()
        for method, path in re.findall(r"`(GET|POST) (/[^`]*)`", row.requirement)
        if path != "/health/ready"  # the application's own
    }
    assert len(asked) > 20
    assert asked == {endpoint: endpoint in routes() for endpoint in asked}


def test_settings_are_there_where_it_says_so_and_only_there() -> None:
    fields = {name for party in SERVICES for name in type(load_settings(party, **GIVEN)).model_fields}
    known = fields | {setting.name for setting in SETTINGS} | BOTO3
    text = REQUIREMENTS.read_text()
    begin, end = text.index("## Environment variables"), text.index("## The API")
    stated = {
        name.lower(): row.built
        for row in rows()
        if row.requirement in text[begin:end]
        for name in re.findall(r"`(\w+)(?:: [^`]*)?`", row.requirement)
    }
    assert len(stated) == 19
    assert stated == {name: name in known for name in stated}
