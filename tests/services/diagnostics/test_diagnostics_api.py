"""Diagnostics over HTTP."""

import asyncio
from typing import Any

import pytest
from fastapi.testclient import TestClient

from contracts.base import Target
from contracts.diagnostics import IssueFound
from services._aws.errors import AwsError
from services._chassis.http import create_http
from services._chassis.settings import Settings
from services._chassis.store import RedisStore
from services.diagnostics import api
from services.diagnostics.domain.evidence import Evidence, Unasked
from tests.kit import FakeClock, memory_store, published
from tests.services.aws.scripted import there
from tests.services.diagnostics.harness import NOW, SHORT, TARGET, FakeInspector, evidence

CONFIGURED = Settings(aws_account=TARGET.account, cluster_name=TARGET.cluster, service_name=TARGET.service)
CLOCK = FakeClock(NOW)
BASE = "/api/v1/diagnostics"


class Slow:
    async def inspect(self, target: Target) -> Evidence:
        await asyncio.sleep(60)
        raise AssertionError("nobody waits so long")


def client_of(inspector: Any, store: RedisStore | None = None) -> TestClient:
    async def ready() -> dict[str, str]:
        return {}

    http = create_http(ready)
    store = store or memory_store("diagnostics", CLOCK)
    routes = api.router(inspector, store, there, target=CONFIGURED.target, clock=CLOCK)
    http.include_router(routes, prefix="/api/v1")
    return TestClient(http)


def test_running_answers_the_issues_and_keeps_them() -> None:
    store = memory_store("diagnostics", CLOCK)
    client = client_of(FakeInspector(evidence(service=SHORT)), store)
    assert client.get(f"{BASE}/issues").json()["checked_at"] is None
    ran = client.get(f"{BASE}/run-diagnostics").json()
    assert (ran["target"], ran["critical"], ran["unseen"]) == (str(TARGET), 1, [])
    assert [one["kind"] for one in ran["issues"]] == ["below_desired_count"]
    assert [type(envelope.event) for envelope in published(store)] == [IssueFound]
    listed = client.get(f"{BASE}/issues").json()
    assert listed["issues"] == ran["issues"]
    assert listed["checked_at"] == ran["checked_at"]


def test_troubleshooting_has_the_guides_five_parts() -> None:
    client = client_of(FakeInspector(evidence(service=SHORT)))
    issue = client.get(f"{BASE}/run-diagnostics").json()["issues"][0]
    guide = client.get(f"{BASE}/troubleshooting/{issue['issue_id']}").json()
    assert guide["impact"].startswith("critical: ")
    assert guide["resolution_steps"][0] == "aws ecs describe-services --cluster CourtCase --services Backend"
    assert all(guide[part] for part in ("description", "root_causes", "prevention_measures", "evidence"))


def test_what_could_not_be_seen_is_said() -> None:
    dark = Unasked("elbv2.describe_target_health: Throttling")
    assert client_of(FakeInspector(evidence(targets=dark))).get(f"{BASE}/run-diagnostics").json()["unseen"] == [
        dark.why
    ]


@pytest.mark.parametrize(
    ("inspector", "path", "status"),
    [
        (FakeInspector(evidence()), "troubleshooting/no-such-issue", 404),
        (FakeInspector(Evidence(None)), "run-diagnostics", 404),
        (FakeInspector(AwsError("ecs.describe_services: AccessDeniedException")), "run-diagnostics", 502),
        (FakeInspector(evidence()), "issues?service_name=no/such", 400),
    ],
)
def test_problems(inspector: FakeInspector, path: str, status: int) -> None:
    answer = client_of(inspector).get(f"{BASE}/{path}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_look_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "ANSWER_SECONDS", 0.01)
    assert client_of(Slow()).get(f"{BASE}/run-diagnostics").status_code == 504
