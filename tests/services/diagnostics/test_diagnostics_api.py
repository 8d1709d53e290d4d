"""Diagnostics over HTTP."""

import asyncio
from typing import Any

import pytest
from fastapi.testclient import TestClient

from contracts.base import Target
from sandbox.virtual.redis import MemoryRedis
from services._aws import existing
from services._aws.errors import AwsError
from services._chassis.http import create_http
from services._chassis.store import RedisStore
from services._chassis.targets import Targets
from services.diagnostics import api
from services.diagnostics.domain.evidence import Evidence, NotObserved
from tests.kit import FakeClock, FakePolicies, memory_store, published, there
from tests.services.diagnostics.harness import NOW, SHORT, TARGET, FakeInspector, evidence

CONFIGURED = Targets(FakePolicies(), TARGET.cluster, TARGET.service)
CLOCK = FakeClock(NOW)
BASE = "/api/v1/diagnostics"


class Slow:
    async def __call__(self, target: Target) -> Evidence:
        await asyncio.sleep(60)
        raise AssertionError("nobody waits so long")


def client_of(inspector: Any, store: RedisStore | None = None) -> TestClient:
    async def ready() -> dict[str, str]:
        return {}

    http = create_http(ready)
    store = store or memory_store("diagnostics", CLOCK)
    routes = api.create_router(api.Endpoints(inspector, store, there, CLOCK), CONFIGURED)
    http.include_router(routes, prefix="/api/v1")
    return TestClient(http, client=("127.0.0.1", 1))


def test_running_answers_the_issues_and_stores_nothing() -> None:
    store = memory_store("diagnostics", CLOCK)
    client = client_of(FakeInspector(evidence(service=SHORT)), store)
    assert client.get(f"{BASE}/issues").json()["checked_at"] is None
    ran = client.get(f"{BASE}/run-diagnostics").json()
    assert (ran["target"], ran["critical"], ran["unseen"]) == (str(TARGET), 1, [])
    assert [issue["kind"] for issue in ran["issues"]] == ["below_desired_count"]
    assert published(store) == []
    assert store.redis.copy() == MemoryRedis().copy()
    listed = client.get(f"{BASE}/issues").json()
    assert listed["issues"] == ran["issues"]
    assert listed["checked_at"] == ran["checked_at"]


def test_troubleshooting_has_the_five_parts_of_the_requirements() -> None:
    client = client_of(FakeInspector(evidence(service=SHORT)))
    issue = client.get(f"{BASE}/run-diagnostics").json()["issues"][0]
    playbook = client.get(f"{BASE}/troubleshooting/{issue['issue_id']}").json()
    assert playbook["impact"].startswith("critical: ")
    assert playbook["resolution_steps"][0] == "aws ecs describe-services --cluster CourtCase --services Backend"
    assert all(playbook[part] for part in ("description", "root_causes", "prevention_measures", "evidence"))


def test_what_could_not_be_seen_is_said() -> None:
    dark = NotObserved("elbv2.describe_target_health: Throttling")
    assert client_of(FakeInspector(evidence(targets=dark))).get(f"{BASE}/run-diagnostics").json()["unseen"] == [
        dark.why
    ]


@pytest.mark.parametrize(
    ("inspector", "path", "status"),
    [
        (FakeInspector(evidence()), "troubleshooting/no-such-issue", 404),
        (FakeInspector(Evidence(None)), "run-diagnostics", 404),
        (FakeInspector(AwsError("ecs.describe_services: AccessDeniedException")), "run-diagnostics", 502),
        (FakeInspector(evidence()), "issues?cluster_name=Main&service_name=no/such", 422),
        (FakeInspector(evidence()), "issues?service_name=Shop", 422),
    ],
)
def test_problems(inspector: FakeInspector, path: str, status: int) -> None:
    answer = client_of(inspector).get(f"{BASE}/{path}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_look_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(existing, "LOOK_SECONDS", 0.01)
    assert client_of(Slow()).get(f"{BASE}/run-diagnostics").status_code == 504


def test_account_and_region_say_which_service_is_meant() -> None:
    query = "cluster_name=Main&service_name=Shop&account=210987654321&region=eu-south-1"
    ran = client_of(FakeInspector(evidence())).get(f"{BASE}/run-diagnostics?{query}").json()
    assert ran["target"] == "210987654321/eu-south-1/Main/Shop"


def test_only_so_many_looks_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MOST_SEEN", 2)
    client = client_of(FakeInspector(evidence(service=SHORT)))
    names = ("a", "b", "c", "b")
    for name in names:
        assert client.get(f"{BASE}/run-diagnostics?cluster_name=Main&service_name={name}").status_code == 200
    looked = {
        name: client.get(f"{BASE}/issues?cluster_name=Main&service_name={name}").json()["checked_at"] for name in names
    }
    assert [name for name, at in looked.items() if at is None] == ["a"]
