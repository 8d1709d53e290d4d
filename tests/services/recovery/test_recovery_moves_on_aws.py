"""Who has changed a service, by recovery as it is built for production, on the simulated AWS."""

from typing import Any

import httpx2
import pytest

from sandbox.aws.server.seed import CLUSTER, SERVICE
from sandbox.scenarios.incident import By as Who
from sandbox.scenarios.incident import Incident
from services._chassis.acting import Actor, acting
from services._chassis.http import PREFIX, create_http
from services.recovery.adapters.ecs import AwsEcs
from services.recovery.adapters.movers import AwsMovers
from services.recovery.domain.moves.mover import By, Sure
from services.recovery.domain.moves.view import Traced
from services.recovery.trace import Trace
from tests.kit import JSON
from tests.services.recovery.test_recovery_on_simulated_aws import TARGET, Account, account

__all__ = ["account"]


async def traced(account: Account, hours: float = 1) -> Traced:
    trace = Trace(AwsEcs(account.calls), AwsMovers(account.calls), account.store, account.clock)
    found = await trace.traced(TARGET, account.clock.now() - hours * 3600)
    assert found is not None
    return found


def deny(account: Account, **calls: str) -> None:
    rule = {"kind": "deny", **calls}
    httpx2.post(f"{account.aws.endpoint}/_sandbox/harm", json=rule, timeout=60).raise_for_status()


def told(found: Traced) -> list[tuple[str, str, str, By, Sure]]:
    return [(move.what, move.before, move.after, move.mover.by, move.mover.sure) for move in found.moves]


async def test_each_mover_is_named_by_what_shows_it(account: Account) -> None:
    await account.armed()
    acting.set(Actor("apply-change/change/1"))
    await account.changed("healthy")
    account.aws.step(120)
    movers: list[tuple[Who, By, Sure]] = [
        ("person", By.PERSON, Sure.CERTAIN),
        ("cli", By.PERSON, Sure.CERTAIN),
        ("terraform", By.TOOL, Sure.CERTAIN),
        ("cdk", By.TOOL, Sure.CERTAIN),
        ("github-actions", By.TOOL, Sure.CERTAIN),
        ("codedeploy", By.TOOL, Sure.CERTAIN),
        ("another-surefoot", By.ANOTHER_SUREFOOT, Sure.LIKELY),
        ("autoscaler", By.AUTOSCALER, Sure.CERTAIN),
    ]
    for number, (who, _, _) in enumerate(movers):
        account.aws.happen(Incident(scale_to=4 + number % 2, by=who))
        account.aws.step(120)
    account.aws.step(400)
    found = await traced(account)
    counts = [(by, sure) for what, _, _, by, sure in reversed(told(found)) if what == "count"]
    assert counts[-len(movers) :] == [(by, sure) for _, by, sure in movers]
    [change] = [move for move in found.moves if move.what == "version"]
    assert (change.mover.by, change.mover.who, change.mover.sure) == (By.OURS, "the run run", Sure.CERTAIN)
    assert "CloudTrail event" in " ".join(change.evidence)
    assert set(found.sources.values()) == {"read"}


async def test_the_breaker_of_ecs_is_named_beside_whoever_deployed(account: Account) -> None:
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    account.console.update_service(cluster=CLUSTER, service=SERVICE, deploymentConfiguration=breaker)
    account.aws.happen(Incident(deploys="crash-loop", by="terraform"))
    account.aws.step(1500)
    back, deployed = told(await traced(account))
    assert back[3:] == (By.ECS, Sure.CERTAIN)
    assert deployed[3:] == (By.TOOL, Sure.CERTAIN)
    assert back[2] == deployed[1]
    [move, _] = (await traced(account)).moves
    assert "circuit breaker" in move.sentence


async def test_what_cloudtrail_does_not_tell_yet_or_not_at_all_is_said_so(account: Account) -> None:
    account.aws.happen(Incident(deploys="healthy", by="person"))
    account.aws.step(120)
    assert told(await traced(account))[0][3:] == (By.UNKNOWN, Sure.NOT_YET)
    deny(account, service="cloudtrail")
    found = await traced(account)
    assert told(found)[0][3:] == (By.UNKNOWN, Sure.NOT_ALLOWED)
    assert found.sources["CloudTrail"] == "not allowed: cloudtrail:LookupEvents"
    httpx2.delete(f"{account.aws.endpoint}/_sandbox/harm", timeout=60)
    account.aws.step(400)
    assert told(await traced(account))[0][3:] == (By.PERSON, Sure.CERTAIN)


@pytest.mark.parametrize("operation", ["ListServiceDeployments", "DescribeScalingActivities", "LookupEvents"])
async def test_one_source_that_fails_hides_no_other(account: Account, operation: str) -> None:
    account.aws.happen(Incident(deploys="healthy", by="terraform"))
    account.aws.step(600)
    deny(account, operation=operation)
    found = await traced(account)
    assert len([why for why in found.sources.values() if why != "read"]) == 1
    [moved] = told(found)
    expected: Any = (By.UNKNOWN, Sure.NOT_ALLOWED) if operation == "LookupEvents" else (By.TOOL, Sure.CERTAIN)
    assert moved[3:] == expected


async def test_it_is_shown_over_http_and_a_service_that_is_not_there_is_said_so(account: Account) -> None:
    async def ready() -> dict[str, str]:
        return {}

    http = create_http(ready)
    assert account.service.router is not None
    http.include_router(account.service.router, prefix=PREFIX)
    account.aws.happen(Incident(scale_to=2, by="terraform"))
    account.aws.step(600)
    base = f"http://here{PREFIX}/disaster-recovery/moves"
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=http), base_url=base, headers=JSON) as client:
        found = (await client.get(f"/{CLUSTER}/{SERVICE}?hours_back=1")).json()
        gone = await client.get(f"/{CLUSTER}/Nobody")
        wrong = await client.get(f"/{CLUSTER}/{SERVICE}?hours_back=99999")
    assert (found["moves"][0]["by"], found["moves"][0]["after"], found["moves"][0]["what"]) == ("tool", "2", "count")
    assert len(found["sentences"]) == 3
    assert set(found["sources"]) == {"ECS", "Application Auto Scaling", "CloudTrail", "our own record"}
    assert (gone.status_code, wrong.status_code) == (404, 422)
