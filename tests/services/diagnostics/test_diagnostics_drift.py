"""What recovery tells of a service's drift is an issue, which no look of diagnostics makes or ends."""

from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

from contracts.diagnostics import IssueFound, IssueGone
from contracts.envelope import Meta
from contracts.recovery import DriftObserved, ReadinessChanged
from services._chassis.http import create_http
from services._chassis.store import RedisStore
from services._chassis.targets import Targets
from services._chassis.transition import Decision
from services.diagnostics import api, handlers
from services.diagnostics.decisions import record_issues
from services.diagnostics.domain.known_issues import KnownIssues, issues_key
from tests.kit import FakeClock, FakePolicies, events, memory_store, there
from tests.services.diagnostics.harness import NOW, SHORT, TARGET, FakeInspector, evidence

CLOCK = FakeClock(NOW)
DIFFERENCES = ("enableExecuteCommand is true, and was not set in the snapshot.",)
AT = datetime(2026, 1, 12, tzinfo=UTC)
KIND = "configuration_drift"


@pytest.fixture
def store() -> RedisStore:
    return memory_store("diagnostics", CLOCK)


async def told(store: RedisStore, *differences: str, id_: str = "look-1") -> Decision:
    event = DriftObserved(target=TARGET, snapshot_id="s", differences=differences, observed_at=AT)
    meta = Meta(id=id_, source="surefoot/recovery", time=AT)
    return (await store.apply(await handlers.drift(event, meta), cause=id_)).decision


async def known(store: RedisStore) -> list[str]:
    return [issue.kind for issue in (await store.read(issues_key(TARGET), KnownIssues)).issues]


async def test_a_drift_is_an_issue_until_recovery_tells_that_it_is_gone(store: RedisStore) -> None:
    [found] = events(await told(store, *DIFFERENCES))
    assert isinstance(found, IssueFound)
    assert (found.issue.kind, found.issue.severity, found.issue.evidence) == (KIND, "warning", DIFFERENCES)
    assert f"/disaster-recovery/drift/{TARGET.cluster}/{TARGET.service}" in found.issue.steps[0]
    assert events(await told(store, *DIFFERENCES, id_="look-2")) == []
    # a look that sees everything neither ends it nor tells it again
    look = record_issues(TARGET, (), NOW, complete=True, cause="look")
    assert events((await store.apply(look, cause="look")).decision) == []
    assert await known(store) == [KIND]
    [gone] = events(await told(store, id_="look-3"))
    assert isinstance(gone, IssueGone)
    assert (gone.kind, await known(store)) == (KIND, [])
    assert events(await told(store, id_="look-4")) == []


async def test_it_is_shown_beside_what_a_look_finds(store: RedisStore) -> None:
    async def ready() -> dict[str, str]:
        return {}

    http = create_http(ready)
    targets = Targets(FakePolicies(), TARGET.cluster, TARGET.service)
    inspector = FakeInspector(evidence(service=SHORT))
    http.include_router(api.create_router(api.Endpoints(inspector, store, there, CLOCK), targets), prefix="/api/v1")
    client = TestClient(http, client=("127.0.0.1", 1))
    assert [issue["kind"] for issue in client.get("/api/v1/diagnostics/run-diagnostics").json()["issues"]] == [
        "below_desired_count"
    ]
    await told(store, *DIFFERENCES)
    both = ["below_desired_count", KIND]
    assert [issue["kind"] for issue in client.get("/api/v1/diagnostics/issues").json()["issues"]] == both
    ran = client.get("/api/v1/diagnostics/run-diagnostics").json()
    assert [issue["kind"] for issue in ran["issues"]] == both
    guide = client.get(f"/api/v1/diagnostics/troubleshooting/{ran['issues'][1]['issue_id']}").json()
    assert guide["evidence"] == list(DIFFERENCES)
    await told(store, id_="look-2")
    assert [issue["kind"] for issue in client.get("/api/v1/diagnostics/issues").json()["issues"]] == both[:1]


async def test_a_lost_way_back_is_an_issue_of_its_own(store: RedisStore) -> None:
    async def heard(*lost: str, id_: str) -> Decision:
        event = ReadinessChanged(target=TARGET, ready=not lost, lost=lost, checked_at=AT)
        meta = Meta(id=id_, source="surefoot/recovery", time=AT)
        return (await store.apply(await handlers.readiness(event, meta), cause=id_)).decision

    await told(store, *DIFFERENCES)
    [found] = events(await heard("You cannot go back to backend:41, because the role is gone.", id_="look-2"))
    assert isinstance(found, IssueFound)
    assert found.issue.steps[0] == f"surefoot ready {TARGET.cluster} {TARGET.service}"
    assert await known(store) == [KIND, "way_back_lost"]
    [gone] = events(await heard(id_="look-3"))
    assert isinstance(gone, IssueGone)
    assert await known(store) == [KIND]


async def test_a_way_back_that_goes_soon_is_an_issue_beside_one_that_is_lost(store: RedisStore) -> None:
    async def heard(lost: tuple[str, ...], soon: tuple[str, ...], id_: str) -> list[tuple[str, str]]:
        event = ReadinessChanged(target=TARGET, ready=not lost, lost=lost, soon=soon, checked_at=AT)
        meta = Meta(id=id_, source="surefoot/recovery", time=AT)
        decision = (await store.apply(await handlers.readiness(event, meta), cause=id_)).decision
        return [
            ("found", event.issue.kind) if isinstance(event, IssueFound) else ("gone", str(event.kind))
            for event in events(decision)
            if isinstance(event, IssueFound | IssueGone)
        ]

    soon = ("The way back to backend:41 is lost soon: rule 1 deletes it.",)
    lost = ("You cannot go back to backend:40, because the role is gone.",)
    assert await heard((), soon, "look-1") == [("found", "way_back_expires")]
    assert await heard(lost, soon, "look-2") == [("found", "way_back_lost")]
    assert await heard(lost, soon, "look-3") == []
    assert await known(store) == ["way_back_lost", "way_back_expires"]
    assert await heard((), soon, "look-4") == [("gone", "way_back_lost")]
    assert await heard((), (), "look-5") == [("gone", "way_back_expires")]


async def test_another_place_that_is_lost_is_an_issue_of_its_own(store: RedisStore) -> None:
    async def heard(*elsewhere: str, id_: str) -> Decision:
        event = ReadinessChanged(target=TARGET, ready=True, elsewhere=elsewhere, checked_at=AT)
        meta = Meta(id=id_, source="surefoot/recovery", time=AT)
        return (await store.apply(await handlers.readiness(event, meta), cause=id_)).decision

    [found] = events(await heard("It could not be made as s in eu-south-1: the key is Disabled.", id_="look-1"))
    assert isinstance(found, IssueFound)
    assert (found.issue.kind, found.issue.severity) == ("elsewhere_lost", "warning")
    assert await known(store) == ["elsewhere_lost"]
    [gone] = events(await heard(id_="look-2"))
    assert isinstance(gone, IssueGone)
