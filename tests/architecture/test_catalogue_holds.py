"""The catalogue says who writes and who reads; the code of the services does what it says."""

import ast
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from contracts.audit import AuditRecord
from contracts.catalogue import CATALOGUE, REPLAYED_FIRST, Contracted, read_by, topics_of
from contracts.dead_letter import DeadLettered
from contracts.monitor import CriticalAlert, WarningAlert
from contracts.results import StepFinished, StepProgressed
from contracts.topics import SERVICES, Party
from sandbox.virtual.redis import MemoryRedis
from services._chassis.assembly import create_service, load_settings
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services._chassis.aws_limits import AwsLimits
from services._chassis.clock import Pace, PacedClock
from services._chassis.service import Platform
from services._chassis.store import RedisStore

SOURCES = Path(__file__).parents[2] / "services"
NOT_BY_NAME: frozenset[Contracted] = frozenset({AuditRecord, DeadLettered, WarningAlert, CriticalAlert})
"""What ``_chassis`` writes in a service's name (letters, their warnings, the audit), and what is chosen by severity."""
WRITTEN_THROUGH = {"of": StepFinished.__name__, "to": StepFinished.__name__, "progressed": StepProgressed.__name__}
"""Methods of ``services._chassis.commands.Command`` → the event that a service writes by them."""


def handled_by(party: Party) -> set[Contracted]:
    given: dict[str, Any] = {"aws_account": "123456789012", "aws_region": "eu-central-1", "backup_bucket": "snapshots"}
    settings, clock = load_settings(party, **given), PacedClock(Pace())
    connection = AwsConnection(settings.aws_region, AwsLimits())
    try:
        platform = Platform(RedisStore(MemoryRedis(), party, clock), clock, Aws(connection, party))
        return set(create_service(party, settings, platform).handlers)
    finally:
        connection.close()


@pytest.mark.parametrize("party", SERVICES)
def test_a_service_handles_exactly_what_it_is_said_to_read(party: Party) -> None:
    assert handled_by(party) == {entry.contract for entry in read_by(party)}


@cache
def constructed_in(package: str) -> frozenset[str]:
    """The classes of contracts that are called anywhere in a package below ``services``."""
    return frozenset(name for path in (SOURCES / package).rglob("*.py") for name in _constructed(path))


def _constructed(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    contracts = {
        name.asname or name.name: name.name
        for node in imports
        if (node.module or "").startswith("contracts.")
        for name in node.names
    }
    calls = [node.func for node in nodes if isinstance(node, ast.Call)]
    by_name = {contracts[call.id] for call in calls if isinstance(call, ast.Name) and call.id in contracts}
    if not any(node.module == "services._chassis.commands" for node in imports):
        return by_name
    methods = {call.attr for call in calls if isinstance(call, ast.Attribute)}
    return by_name | {WRITTEN_THROUGH[method] for method in methods & WRITTEN_THROUGH.keys()}


def writers_of(contract: Contracted) -> set[Party]:
    return {party for party in SERVICES if contract.__name__ in constructed_in(party)}


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.type)
def test_only_those_write_an_event_that_are_said_to(entry: Any) -> None:
    said = entry.writers & set(SERVICES)
    found = writers_of(entry.contract)
    if entry.contract in NOT_BY_NAME:
        assert found <= said
    elif entry.writers - set(SERVICES):
        assert said <= found, "outsiders write it too: over the API a service may write it in their name"
    else:
        assert found == said


def test_what_is_replayed_first_is_read_by_those_who_wrote_it() -> None:
    for party, names in REPLAYED_FIRST.items():
        assert names <= {topic.name for topic in topics_of(party)}
        assert {entry.topic.name for entry in CATALOGUE if entry.writers == {party}} >= names
