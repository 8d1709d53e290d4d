"""A service that there is not gets the same answer from all seven, and it names those that there are."""

from typing import Any

import httpx2
import pytest

from contracts.base import Target
from contracts.topics import Party
from sandbox.virtual.redis import MemoryRedis
from services._chassis.assembly import create_service, load_settings
from services._chassis.clock import Pace, PacedClock
from services._chassis.http import PREFIX, create_http
from services._chassis.service import Platform
from services._chassis.store import RedisStore
from tests.kit import JSON, ScriptedAws, refusal

CLUSTERS = {"clusterArns": ["arn:aws:ecs:us-west-2:123456789012:cluster/Main"]}
SERVICES = {"serviceArns": [f"arn:aws:ecs:us-west-2:123456789012:service/Main/{name}" for name in ("api", "worker")]}
NO_SERVICE = {"services": [], "failures": [{"reason": "MISSING"}]}
TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="apy")
QUERY = "?cluster_name=Main&service_name=apy"
ASKED: list[tuple[Party, str, str, dict[str, Any] | None]] = [
    (Party.ORCHESTRATOR, "POST", "/deployment-orchestration/orchestrate/Main/apy", {"image": "api:2"}),
    (Party.ORCHESTRATOR, "GET", "/deployment-orchestration/status/Main/apy", None),
    (Party.ORCHESTRATOR, "POST", "/deployment-orchestration/abort/Main/apy", {}),
    (Party.MONITOR, "GET", "/monitoring/metrics/Main/apy", None),
    (Party.MONITOR, "POST", "/monitoring/dashboard/Main/apy", None),
    (Party.MONITOR, "POST", "/monitoring/alerts/setup", {"cluster_name": "Main", "service_name": "apy"}),
    (Party.HEALTH, "GET", f"/health/score{QUERY}", None),
    (Party.HEALTH, "GET", f"/health/comprehensive{QUERY}", None),
    (Party.HEALTH, "GET", f"/health/database{QUERY}", None),
    (Party.DIAGNOSTICS, "GET", f"/diagnostics/run-diagnostics{QUERY}", None),
    (Party.DIAGNOSTICS, "GET", f"/diagnostics/issues{QUERY}", None),
    (Party.DIAGNOSTICS, "GET", f"/diagnostics/troubleshooting/1{QUERY}", None),
    (Party.OPTIMIZER, "GET", "/resource-optimization/analyze/Main/apy", None),
    (Party.OPTIMIZER, "GET", "/resource-optimization/recommendations/Main/apy", None),
    (Party.VALIDATOR, "POST", "/deployment-validation/validate/Main/apy", None),
    (Party.VALIDATOR, "POST", "/deployment-validation/smoke-test/Main/apy", None),
    (Party.RECOVERY, "POST", "/disaster-recovery/snapshot/Main/apy", None),
    (Party.RECOVERY, "GET", "/disaster-recovery/snapshots/Main/apy", None),
    (Party.RECOVERY, "POST", "/disaster-recovery/rollback/Main/apy", {"snapshot_id": "20260105_120000_0a1b2c3d"}),
]
everywhere = pytest.mark.parametrize(
    ("party", "method", "path", "body"), ASKED, ids=[path.partition("?")[0] for _, _, path, _ in ASKED]
)


async def asked(party: Party, method: str, path: str, body: Any, **answers: Any) -> httpx2.Response:
    """Ask a service as it is built; ECS answers as ``answers`` say."""
    clock = PacedClock(Pace())
    aws = ScriptedAws(**{"list_clusters": CLUSTERS, "list_services": SERVICES, "list_objects_v2": {}, **answers})
    aws.targets.append(TARGET)  # the backup bucket is nobody's target
    settings = load_settings(party, aws_account="123456789012", aws_region="us-west-2", backup_bucket="snapshots")
    service = create_service(party, settings, Platform(RedisStore(MemoryRedis(), party, clock), clock, aws))

    async def ready() -> dict[str, str]:
        return {}

    http = create_http(ready)
    http.include_router(service.router, prefix=PREFIX)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=http), base_url=f"http://here{PREFIX}", headers=JSON
    ) as web:
        answer = await web.request(method, path, json=body)
    for close in service.closers:
        await close()
    assert answer.headers["content-type"] == "application/problem+json"
    return answer


@everywhere
async def test_it_is_not_found_and_those_that_there_are_are_named(
    party: Party, method: str, path: str, body: Any
) -> None:
    answer = await asked(party, method, path, body, describe_services=NO_SERVICE)
    assert (answer.status_code, answer.json()["title"]) == (404, "No such service")
    assert answer.json()["detail"] == (
        "There is no service apy in cluster Main; did you mean api? There are api, worker."
    )


@everywhere
async def test_where_aws_denies_it_that_is_told_and_no_secret(party: Party, method: str, path: str, body: Any) -> None:
    if party is Party.ORCHESTRATOR:
        return  # it needs no rights at AWS: preflight judges a name that it cannot look up
    answer = await asked(party, method, path, body, describe_services=refusal("AccessDeniedException"))
    assert answer.status_code == 502
    assert "AccessDeniedException" in answer.json()["detail"]
    assert "secret" not in answer.text


async def test_a_deployment_is_accepted_where_its_service_cannot_be_looked_up() -> None:
    """No problem+json: the run's preflight says what is wrong with its name."""
    with pytest.raises(AssertionError, match="application/json"):
        await asked(*ASKED[0], describe_services=refusal("AccessDeniedException"))
