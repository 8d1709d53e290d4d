"""Health over HTTP."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from contracts.base import Target
from contracts.policy import Application, Health, ServicePolicy
from services._aws import existing
from services._chassis.http import create_http
from services._chassis.targets import Targets
from services.health import api
from services.health.domain.observed import Answer, Evidence, NotObserved
from tests.kit import FakeClock, FakePolicies, there
from tests.services.health.harness import NOW, TARGET, FakeExaminer, evidence

CONFIGURED = Targets(FakePolicies(), TARGET.cluster, TARGET.service)


class Slow:
    async def __call__(self, target: Target, application: Application) -> Evidence:
        await asyncio.sleep(60)
        raise AssertionError("nobody waits so long")


def client_of(examiner: Any, targets: Targets = CONFIGURED) -> TestClient:
    async def ready() -> dict[str, str]:
        return {}

    http = create_http(ready)
    routes = api.create_router(examiner, there, targets, FakeClock(NOW))
    http.include_router(routes, prefix="/api/v1")
    return TestClient(http, client=("127.0.0.1", 1))


@pytest.fixture
def well() -> Iterator[TestClient]:
    with client_of(FakeExaminer(evidence())) as client:
        yield client


def test_the_score(well: TestClient) -> None:
    body = well.get("/api/v1/health/score").json()
    assert (body["target"], body["low"], body["high"], body["rating"]) == (str(TARGET), 100, 100, "excellent")
    assert [level["level"] for level in body["levels"]] == ["basic", "performance", "business"]


def test_comprehensive_lists_every_check_and_passes_the_migrations_on(well: TestClient) -> None:
    body = well.get("/api/v1/health/comprehensive").json()
    checks = {check["name"]: check for check in body["checks"]}
    assert checks["database"] == {
        "name": "database",
        "level": "basic",
        "finding": "good",
        "critical": True,
        "detail": "the application reports its database well",
    }
    assert {"tasks", "targets", "startup", "redis", "aws", "response_time", "error_rate", "cpu"} <= checks.keys()
    assert body["migrations"] == {"head": "b2"}


def test_the_database(well: TestClient) -> None:
    body = well.get("/api/v1/health/database").json()
    assert (body["database"], body["migrations"]) == ("good", {"head": "b2"})


@pytest.mark.parametrize(
    ("ready", "finding"),
    [(Answer(503, {"database": "down"}), "bad"), (NotObserved("no connection"), "unknown"), (None, "unknown")],
)
def test_the_database_that_is_not_well(ready: Any, finding: str) -> None:
    body = client_of(FakeExaminer(evidence(ready=ready))).get("/api/v1/health/database").json()
    assert (body["database"], body["migrations"]) == (finding, None)


def test_the_query_names_another_target(well: TestClient) -> None:
    body = well.get("/api/v1/health/score?cluster_name=Other&service_name=Shop").json()
    assert body["target"] == "123456789012/us-west-2/Other/Shop"


def test_account_and_region_say_which_service_is_meant(well: TestClient) -> None:
    query = "cluster_name=Other&service_name=Shop&account=210987654321&region=eu-south-1"
    body = well.get(f"/api/v1/health/score?{query}").json()
    assert body["target"] == "210987654321/eu-south-1/Other/Shop"


def test_each_service_is_looked_at_by_the_policy_in_force() -> None:
    strict = ServicePolicy(
        target=TARGET, application=Application(url="https://court.example"), health=Health(cpu_percent=20)
    )
    examiner = FakeExaminer(evidence())
    client = client_of(examiner, Targets(FakePolicies(strict), TARGET.cluster, TARGET.service))
    other = client.get("/api/v1/health/score?cluster_name=Other&service_name=Shop").json()
    assert (client.get("/api/v1/health/score").json()["low"], other["low"]) == (95.0, 100)
    assert [application.url for application in examiner.applications] == [None, "https://court.example"]


@pytest.mark.parametrize(
    ("examiner", "query", "status"),
    [
        (FakeExaminer(Evidence(None)), "", 404),
        (FakeExaminer(Evidence(NotObserved("ecs.describe_services: AccessDeniedException"))), "", 502),
        (FakeExaminer(evidence()), "?cluster_name=not/allowed&service_name=x", 422),
    ],
)
@pytest.mark.parametrize("path", ["score", "comprehensive", "database"])
def test_problems(examiner: Any, query: str, status: int, path: str) -> None:
    answer = client_of(examiner).get(f"/api/v1/health/{path}{query}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_without_a_target_the_answer_says_how_to_name_one() -> None:
    answer = client_of(FakeExaminer(evidence()), Targets(FakePolicies())).get("/api/v1/health/score")
    assert answer.status_code == 422
    assert "CLUSTER_NAME" in answer.json()["detail"]


def test_a_look_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(existing, "LOOK_SECONDS", 0.01)
    assert client_of(Slow()).get("/api/v1/health/score").status_code == 504
