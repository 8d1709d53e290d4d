"""The thread: from a request to its outcome, seven services on a real bus."""

import time

import pytest

from sandbox.scenarios.load import shipped
from surefoot.rehearsal.judge import mismatches
from tests.e2e.harness import CLUSTER, SERVICE, aws, changes, deployed, described, rehearsed

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("e2e")]


def test_a_healthy_image_goes_through_five_phases(surefoot: dict[str, str]) -> None:
    run = deployed(surefoot, "healthy")
    assert run["outcome"] == "succeeded", run
    assert [phase["phase"] for phase in run["phases"]] == [
        "pre_deployment_validation",
        "deployment_monitoring",
        "post_deployment_validation",
        "monitoring_setup",
        "optimization_analysis",
    ]
    assert [phase["verdict"] for phase in run["phases"]][:3] == ["pass"] * 3
    assert run["rollback"] is None
    primary = described(surefoot)["deployments"][0]
    assert primary["rolloutState"] == "COMPLETED"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["slow", "database-failure"])
def test_a_scenario_ends_over_sockets_as_under_the_virtual_clock(surefoot: dict[str, str], name: str) -> None:
    """So does ``crash-loop``, in a full Redis (``test_redis_becomes_full.py``)."""
    before, begun = described(surefoot)["taskDefinition"], changes(surefoot)
    run = deployed(surefoot, name)
    assert mismatches(rehearsed(surefoot, run, begun), shipped()[name].expect) == [], run
    after = described(surefoot)
    assert (after["taskDefinition"] == before) == (run["outcome"] == "rolled_back")
    assert after["runningCount"] == after["desiredCount"]


@pytest.mark.slow
def test_with_ecs_own_circuit_breaker_there_is_no_duel(surefoot: dict[str, str]) -> None:
    ecs = aws(surefoot, "ecs")
    before = described(surefoot)["taskDefinition"]
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    ecs.update_service(cluster=CLUSTER, service=SERVICE, deploymentConfiguration=breaker)
    try:
        run = deployed(surefoot, "crash-loop")
    finally:
        breaker["deploymentCircuitBreaker"] = {"enable": False, "rollback": False}
        ecs.update_service(cluster=CLUSTER, service=SERVICE, deploymentConfiguration=breaker)
    assert run["outcome"] == "rolled_back", run
    assert run["rollback"]["by"] == "ecs"
    assert described(surefoot)["taskDefinition"] == before
    deadline = time.monotonic() + 30
    while len(described(surefoot)["deployments"]) > 1 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert len(described(surefoot)["deployments"]) == 1
