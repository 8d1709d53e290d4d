"""Scaling, migrations and drills of one target are neither read nor ended through another, nor by who may not."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from contracts.access import Role
from contracts.recovery import ManualTrigger
from contracts.topics import Party
from services._chassis.access.guard import Access
from services._chassis.access.served import Served
from services._chassis.assembly import create_service, load_settings
from services._chassis.http import PREFIX, create_http
from services._chassis.readiness import Readiness
from services._chassis.service import Platform
from services._chassis.store import RedisStore
from services._chassis.transition import Transition
from services.recovery.decisions.drill import begin_drill
from services.recovery.decisions.migrate import begin_migration
from services.recovery.decisions.scale import begin_scaling
from services.recovery.domain.drill.drill import Drill
from services.recovery.domain.migration.migration import Migration
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.scaling.scaling import EmergencyScaling
from tests.kit import FakeClock, memory_store
from tests.security.access import OURS, THEIRS, Keys, bearer, client, of_role, ready
from tests.security.test_fuzz import NOW, DenyingAws

BEGUN = datetime.fromtimestamp(NOW, UTC)
ANN = ManualTrigger(actor="ann", reason="a secret plan of theirs")
SCALING = EmergencyScaling(
    scaling_id="scaling:1", trigger=ANN, target_count=5, asked_at=BEGUN, until=BEGUN + timedelta(hours=1)
)
MIGRATION = Migration(migration_id="migration:1", trigger=ANN, command=("upgrade",), minutes=5, asked_at=BEGUN)
DRILL = Drill(
    drill_id="drill:1", plan="scaling", trigger=ANN, asked_at=BEGUN, until=BEGUN + timedelta(hours=1),
    minimum_health_score=80,
)  # fmt: skip
OPERATIONS = (SCALING.scaling_id, MIGRATION.migration_id, DRILL.drill_id)
ROOT = f"{PREFIX}/disaster-recovery"
ENDED = ("emergency-scale/{}/end", "drill/{}/end")
SHOWN = ("emergency-scale/{}", "migrations/{}", "drill/{}", "decisions/{}", "readiness/{}", "drift/{}")


@dataclass
class Recovery:
    """Recovery's API, with something of each kind under way on the other team's service."""

    http: FastAPI
    store: RedisStore
    access: Access
    keys: Keys
    key: str = ""

    async def ask(self, method: str, path: str, role: Role, **given: Any) -> httpx2.Response:
        """Ask as who has ``role`` for our service alone, and nothing for theirs."""
        self.access.policies = of_role(role)
        key = self.key = self.key or await self.keys.create("caller")
        async with client(self.http) as web:
            return await web.request(method, f"{ROOT}/{path}", headers=bearer(key), **given)

    async def theirs(self) -> bytes | None:
        return await self.store.load(key_of(THEIRS))


@pytest.fixture
async def recovery() -> Recovery:
    keys, store = Keys(), memory_store("recovery", FakeClock(NOW))
    settings = load_settings(
        Party.RECOVERY, aws_account=OURS.account, aws_region=OURS.region, backup_bucket="snapshots", _env_file=None
    )
    policies = of_role(Role.OPERATOR)
    service = create_service(Party.RECOVERY, settings, Platform(store, FakeClock(NOW), DenyingAws(), policies=policies))
    access = Access(Served.DEMANDED, keys=keys.ring(), report=lambda _: None)
    http = create_http(ready, Readiness(), access=access)
    http.include_router(service.router, prefix=PREFIX)
    for begin, of in ((begin_scaling, SCALING), (begin_migration, MIGRATION), (begin_drill, DRILL)):
        decided = Transition(key_of(THEIRS), lambda state, begin=begin, of=of: begin(_of(state), THEIRS, of))  # type: ignore[misc]  # a loop
        await store.apply(decided, cause="")
    return Recovery(http, store, access, keys)


def _of(state: bytes | None) -> Protection:
    return Protection.from_bytes(state)


@pytest.mark.parametrize("operation_id", OPERATIONS)
async def test_no_operation_of_theirs_is_there_for_who_has_no_role_for_it(
    recovery: Recovery, operation_id: str
) -> None:
    for query in ({}, {"cluster_name": "Main", "service_name": "api"}, {"service_name": "other"}):
        answer = await recovery.ask("GET", f"operations/{operation_id}", Role.OPERATOR, params=query)
        assert (answer.status_code, "secret plan" in answer.text) == (404, False), query


@pytest.mark.parametrize("operation_id", OPERATIONS)
async def test_who_may_see_both_does_not_find_it_under_the_other(recovery: Recovery, operation_id: str) -> None:
    key = await recovery.keys.create("lead", Role.ADMIN)
    async with client(recovery.http) as web:
        for service, status in (("api", 404), ("other", 200)):
            url = f"{ROOT}/operations/{operation_id}?cluster_name=Main&service_name={service}"
            assert (await web.get(url, headers=bearer(key))).status_code == status


@pytest.mark.parametrize("path", ENDED)
async def test_nothing_of_theirs_is_ended_through_ours_or_without_a_role(recovery: Recovery, path: str) -> None:
    before = await recovery.theirs()
    ours = await recovery.ask("POST", path.format("Main/api"), Role.OPERATOR, json={"reason": "mine"})
    theirs = await recovery.ask("POST", path.format("Main/other"), Role.OPERATOR, json={"reason": "mine"})
    less = await recovery.ask("POST", path.format("Main/api"), Role.APPROVER, json={"reason": "mine"})
    assert (ours.status_code, theirs.status_code, less.status_code) == (409, 403, 403)
    assert await recovery.theirs() == before


@pytest.mark.parametrize("path", SHOWN)
async def test_what_stands_on_theirs_is_not_shown_to_who_looks_at_ours(recovery: Recovery, path: str) -> None:
    theirs = await recovery.ask("GET", path.format("Main/other"), Role.OPERATOR)
    ours = await recovery.ask("GET", path.format("Main/api"), Role.VIEWER)
    assert theirs.status_code == 403
    assert "secret plan" not in ours.text
    assert not any(id_ in ours.text for id_ in OPERATIONS)
