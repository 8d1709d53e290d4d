"""What was asked for over HTTP is followed in the same way, whichever service does it."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.routing import APIRoute

from contracts.base import Target
from contracts.operations import Operation
from contracts.topics import Party
from sandbox.virtual.redis import MemoryRedis
from services._chassis.assembly import create_service, load_settings
from services._chassis.http import PREFIX, create_http
from services._chassis.jobs import Executor, Running
from services._chassis.policies import BuiltInPolicies
from services._chassis.reasons import Impossible
from services._chassis.service import Platform, Service
from services._chassis.store import RedisStore
from services._chassis.transition import Transition, decided
from services.recovery.domain.snapshots.proof import Proof, ProvenSnapshot
from services.recovery.domain.snapshots.snapshot import Snapshot
from tests.kit import JSON, FakeClock, ScriptedAws

RECORDED = Path(__file__).parents[1] / "data" / "recorded" / "redis.json"
SERVICE = {"status": "ACTIVE", "serviceName": "api", "desiredCount": 1, "runningCount": 1}
ASKED: list[tuple[Party, str, dict[str, Any]]] = [
    (Party.MONITOR, "/monitoring/dashboard/Main/api", {}),
    (Party.MONITOR, "/monitoring/alerts/setup", {"cluster_name": "Main", "service_name": "api"}),
    (Party.VALIDATOR, "/deployment-validation/validate/Main/api", {}),
    (Party.VALIDATOR, "/deployment-validation/smoke-test/Main/api", {}),
    (Party.RECOVERY, "/disaster-recovery/snapshot/Main/api", {}),
    (Party.RECOVERY, "/disaster-recovery/rollback/Main/api", {"snapshot_id": "20260105_120000_0a1b2c3d"}),
]
PARTIES = (Party.MONITOR, Party.VALIDATOR, Party.RECOVERY)
ROOTS = {
    Party.MONITOR: "/monitoring",
    Party.VALIDATOR: "/deployment-validation",
    Party.RECOVERY: "/disaster-recovery",
}


class Stopped(FakeClock):
    """Nothing waits."""

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nothing waits {seconds} s")


MEANWHILE = datetime(2026, 1, 5, 14, 18, tzinfo=UTC).timestamp()
"""Product time while a validation that was recorded had not ended."""


def described(parameters: dict[str, Any]) -> dict[str, Any]:
    return {"services": [SERVICE | {"serviceName": parameters["services"][0]}], "failures": []}


@dataclass
class Served:
    """A service as it is built, over HTTP."""

    service: Service
    store: RedisStore
    web: httpx2.AsyncClient

    async def fail_jobs(self, error: Exception) -> None:
        """Let each job that waits raise ``error``."""

        async def work(_: Running) -> Transition:
            raise error

        executor = Executor(
            self.store, dict.fromkeys(self.service.jobs, work), self.service.failures, lease=30, slots=1
        )
        while job := await executor.claim():
            await executor.work(job)


@pytest.fixture
def party(request: pytest.FixtureRequest) -> Party:
    return Party(request.param)


@pytest.fixture
async def served(party: Party, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    clock = Stopped(MEANWHILE)
    store = RedisStore(MemoryRedis(), party, clock)
    aws = ScriptedAws(describe_services=described)
    settings = load_settings(party, aws_account="123456789012", aws_region="us-west-2", backup_bucket="snapshots")
    service = create_service(party, settings, Platform(store, clock, aws, policies=BuiltInPolicies("123456789012")))
    if party is Party.RECOVERY:
        monkeypatch.setattr("services.recovery.adapters.snapshots.SignedSnapshots.get", stored)

    async def ready() -> dict[str, str]:
        return {}

    http = create_http(ready)
    http.include_router(service.router, prefix=PREFIX)
    transport = httpx2.ASGITransport(app=http)
    async with httpx2.AsyncClient(transport=transport, base_url=f"http://here{PREFIX}", headers=JSON) as web:
        yield Served(service, store, web)


async def stored(_: object, target: Target, snapshot_id: str, *__: object) -> ProvenSnapshot:
    """A snapshot in the bucket, of a version that needs nothing."""
    snapshot = Snapshot(
        snapshot_id=snapshot_id,
        target=target,
        taken_at=MEANWHILE,
        purpose="asked",
        service={},
        task_definition={"taskDefinitionArn": "arn/api:1", "containerDefinitions": []},
    )
    return ProvenSnapshot(snapshot, "", Proof.INDEX)


def everywhere(test: Any) -> Any:
    ids = [path.split("/")[2] for _, path, _ in ASKED]
    return pytest.mark.parametrize(("party", "path", "body"), ASKED, ids=ids, indirect=["party"])(test)


@everywhere
async def test_the_same_key_is_the_same_operation(served: Served, path: str, body: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": "once"}
    first, again = [await served.web.post(path, json=body, headers=headers) for _ in range(2)]
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert first.headers["location"] == first.json()["url"]
    other = await served.web.post(path.replace("/api", "/other"), json=body, headers={"Idempotency-Key": "another"})
    if other.status_code == 202:  # a service is rolled back once at a time
        assert other.json()["operation_id"] != first.json()["operation_id"]
    assert (await served.web.post(path, json=body, headers={"Idempotency-Key": ""})).status_code == 422


@everywhere
async def test_it_says_who_asked_for_what_and_why(served: Served, path: str, body: dict[str, Any]) -> None:
    accepted = await served.web.post(path, json=body | {"actor": "ada", "reason": "tonight's release"})
    shown = (await served.web.get(f"http://here{accepted.json()['url']}")).json()
    assert shown["operation_id"] == accepted.json()["operation_id"]
    assert shown["url"] == accepted.json()["url"]
    assert (shown["state"], shown["sentence"], shown["finished_at"]) == ("running", "", None)
    assert (shown["actor"], shown["reason"]) == ("ada", "tonight's release")
    assert shown["target"] == "123456789012/us-west-2/Main/api"
    assert shown["kind"]
    assert shown["started_at"]


@everywhere
async def test_who_does_not_say_is_the_api(served: Served, path: str, body: dict[str, Any]) -> None:
    accepted = await served.web.post(path, json=body)
    shown = (await served.web.get(f"http://here{accepted.json()['url']}")).json()
    assert (shown["actor"], shown["reason"]) == ("api", "")


@everywhere
async def test_a_job_that_cannot_be_done_ends_its_operation_at_once(
    served: Served, path: str, body: dict[str, Any]
) -> None:
    accepted = await served.web.post(path, json=body)
    await served.fail_jobs(Impossible("There is no such thing."))
    shown = (await served.web.get(f"http://here{accepted.json()['url']}")).json()
    assert shown["state"] == "failed"
    assert "There is no such thing" in shown["sentence"]
    assert shown["finished_at"]


@pytest.mark.parametrize("party", [Party.RECOVERY], indirect=True)
async def test_a_rollback_by_hand_that_fails_frees_the_target(served: Served) -> None:
    _, path, body = ASKED[-1]
    first = await served.web.post(path, json=body)
    assert (await served.web.post(path, json=body)).status_code == 409
    await served.fail_jobs(Impossible("The snapshot cannot be read."))
    shown = (await served.web.get(f"http://here{first.json()['url']}")).json()
    assert (shown["state"], shown["result"]) == ("failed", "failed")
    assert (await served.web.post(path, json=body)).status_code == 202


@pytest.mark.parametrize("party", PARTIES, indirect=True)
async def test_an_operation_that_there_is_not_is_a_problem(served: Served, party: Party) -> None:
    answer = await served.web.get(f"{ROOTS[party]}/operations/none")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert "31 days" in answer.json()["detail"]
    assert (await served.web.get(f"{ROOTS[party]}/operations/a%20b")).status_code == 422


@pytest.mark.parametrize("party", PARTIES, indirect=True)
async def test_what_the_version_before_recorded_is_told_with_all_that_it_had(served: Served, party: Party) -> None:
    kept = [one for one in json.loads(RECORDED.read_text()) if (one["service"], one["what"]) == (party, "operation")]
    records = [one for one in kept if one["kind"] == "record"]
    assert records
    for one in records:
        old = json.loads(one["data"])
        await served.store.apply(decided(records={one["key"]: one["data"].encode()}))
        id_ = old.get("operation_id") or old["id"]
        shown = (await served.web.get(f"{ROOTS[party]}/operations/{id_}")).json()
        assert {name: shown[name] for name in old if name != "target"} == {
            name: value for name, value in old.items() if name != "target"
        }
        assert shown["target"].count("/") == 3
        assert (shown["state"] == "running") is (shown["sentence"] == "")


@pytest.mark.parametrize("party", [Party.MONITOR, Party.VALIDATOR], indirect=True)
async def test_an_end_that_a_replica_of_the_version_before_wrote_is_seen(served: Served, party: Party) -> None:
    path, body = next((path, body) for name, path, body in ASKED if name is party)
    accepted = (await served.web.post(path, json=body)).json()
    begun = json.loads(await served.store.record(f"operation:{accepted['operation_id']}") or b"")
    old = {name: begun[name] for name in begun if name not in {"sentence", "kind", "actor", "reason"}}
    ended = json.dumps(old | {"state": "finished", "summary": "all is well"})
    await served.store.apply(decided(records={f"operation/{accepted['operation_id']}": ended.encode()}))
    shown = (await served.web.get(f"http://here{accepted['url']}")).json()
    assert (shown["state"], shown["sentence"]) == ("finished", "all is well")


def test_an_operation_keeps_what_a_newer_version_knows_of_it() -> None:
    written = Operation.model_validate(
        {"operation_id": "1", "kind": "k", "sentence": ""}
        | {"target": {"account": "123456789012", "region": "us-west-2", "cluster": "c", "service": "s"}}
        | {"of_tomorrow": {"a": 1}}
    )
    (data,) = written.record.values()
    assert json.loads(data)["of_tomorrow"] == {"a": 1}


OTHERS: list[tuple[Party, str, dict[str, Any]]] = [
    (Party.MONITOR, "/monitoring/dashboard/Main/api", {}),
    (Party.VALIDATOR, "/deployment-validation/validate/Main/api", {}),
    (Party.RECOVERY, "/disaster-recovery/snapshot/Main/api", {}),
]


@pytest.mark.parametrize(("party", "path", "body"), OTHERS, indirect=["party"])
async def test_a_key_with_another_body_is_refused_and_with_the_same_one_is_the_same_request(
    served: Served, path: str, body: dict[str, Any]
) -> None:
    headers = {"Idempotency-Key": "release 7"}
    first = await served.web.post(path, json=body, headers=headers)
    again = await served.web.post(path, json=body, headers=headers)
    other = await served.web.post(path, json=body | {"reason": "another"}, headers=headers)
    keyless = await served.web.post(path, json=body | {"reason": "another"})
    assert (first.status_code, again.status_code, keyless.status_code) == (202, 202, 202)
    assert again.json()["operation_id"] == first.json()["operation_id"] != keyless.json()["operation_id"]
    assert (other.status_code, other.json()["title"]) == (422, "The Idempotency-Key was used before")


@pytest.mark.parametrize("party", [Party.ORCHESTRATOR, Party.RECOVERY], indirect=True)
async def test_what_brings_a_service_back_is_a_route_that_waits_for_no_other(served: Served) -> None:
    posts = [
        str(route.path)
        for route in served.service.router.routes
        if isinstance(route, APIRoute) and "POST" in (route.methods or ())
    ]
    assert served.service.by_hand
    for begin in served.service.by_hand:
        assert any(path.startswith(begin) for path in posts), f"{begin} is no route"
