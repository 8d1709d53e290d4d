"""The API: asked, answered with an operation, read again."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from fastapi import FastAPI

from contracts.base import Target
from contracts.policy import ServicePolicy, Timeouts
from services._chassis.http import PREFIX, create_http
from services._chassis.operations import Operations
from services._chassis.store import RedisStore
from services._chassis.targets import Targets
from services.validator.api import Endpoints, create_router
from services.validator.domain.operation import Validation
from tests.kit import JSON, FakeClock, FakePolicies, memory_store, there

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
PATH = "/api/v1/deployment-validation"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW.timestamp())


@pytest.fixture
def store(clock: FakeClock) -> RedisStore:
    return memory_store("validator", clock)


class Policies(FakePolicies):
    """Policies of two services with different limits, of which one is in two accounts."""

    def of(self, target: Target) -> ServicePolicy:
        minutes = {"api": 10, "slow": 25}.get(target.service, 10)
        return ServicePolicy(target=target, timeouts=Timeouts(validation_minutes=minutes))

    def named(self, cluster: str, service: str, account: str | None = None, region: str | None = None) -> Target:
        return self.find(cluster, service, account, region)

    def find(self, cluster: str, service: str, account: str | None = None, region: str | None = None) -> Target:
        if service == "twice" and account is None:
            error = LookupError("twice is in several accounts: name the account, too")
            error.choices = tuple(self.find(cluster, service, number * 12) for number in "12")  # type: ignore[attr-defined]
            raise error
        return super().find(cluster, service, account, region)


@pytest.fixture
def http(store: RedisStore, clock: FakeClock) -> FastAPI:
    async def ready() -> dict[str, str]:
        return {}

    http, policies = create_http(ready), Policies()
    endpoints = Endpoints(Operations(store, clock, "/deployment-validation"), policies, there)
    http.include_router(create_router(endpoints, Targets(policies)), prefix=PREFIX)
    return http


def jobs(store: RedisStore) -> list[Validation]:
    """Return what is asked of the jobs that wait."""
    found = store.redis.hashes(store.key("job", ""))
    return [Validation.model_validate_json(fields[b"payload"]) for fields in found.values()]


async def call(http: FastAPI, method: str, path: str, **more: object) -> httpx2.Response:
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=http), base_url="http://here", headers=JSON
    ) as web:
        return await web.request(method, path, **more)  # type: ignore[arg-type]  # httpx2's own


async def test_a_validation_is_accepted_and_can_be_followed(http: FastAPI, store: RedisStore) -> None:
    answer = await call(http, "POST", f"{PATH}/validate/Main/api")
    assert answer.status_code == 202
    accepted = answer.json()
    assert answer.headers["location"] == accepted["url"] == f"{PATH}/operations/{accepted['operation_id']}"
    (asked,) = jobs(store)
    assert asked.operation_id == accepted["operation_id"]
    assert (asked.suites, asked.deadline) == (("smoke", "api"), NOW + timedelta(minutes=10))
    seen = (await call(http, "GET", accepted["url"])).json()
    assert (seen["state"], seen["result"]) == ("running", None)


@pytest.mark.parametrize(
    ("path", "body", "suites"),
    [
        ("smoke-test", None, ("smoke",)),
        ("validate", {}, ("smoke", "api")),
        ("validate", {"suites": ["api"]}, ("api",)),
    ],
)
async def test_suites(http: FastAPI, store: RedisStore, path: str, body: object, suites: tuple[str, ...]) -> None:
    more = {} if body is None else {"json": body}
    assert (await call(http, "POST", f"{PATH}/{path}/Main/api", **more)).status_code == 202
    assert jobs(store)[0].suites == suites


async def test_the_same_key_is_the_same_operation(http: FastAPI, store: RedisStore) -> None:
    headers = {"Idempotency-Key": "ci-17"}
    answers = [await call(http, "POST", f"{PATH}/validate/Main/api", headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len(jobs(store)) == 1
    other = await call(http, "POST", f"{PATH}/validate/Main/other", headers=headers)
    assert other.json() != answers[0].json()


@pytest.mark.parametrize("body", [{"suites": []}, {"suites": ["load"]}, {"suites": "smoke"}, {"suite": ["smoke"]}, []])
async def test_a_wrong_body_is_refused(http: FastAPI, store: RedisStore, body: object) -> None:
    answer = await call(http, "POST", f"{PATH}/validate/Main/api", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert not jobs(store)


async def test_a_name_that_ecs_would_not_allow_is_refused(http: FastAPI, store: RedisStore) -> None:
    assert (await call(http, "POST", f"{PATH}/validate/Main/a%20b")).status_code == 422
    assert not jobs(store)


async def test_an_unknown_operation_is_a_404(http: FastAPI) -> None:
    answer = await call(http, "GET", f"{PATH}/operations/none")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_what_never_answers_has_failed(http: FastAPI, clock: FakeClock) -> None:
    url = (await call(http, "POST", f"{PATH}/smoke-test/Main/api")).json()["url"]
    await clock.sleep(14 * 60)
    assert (await call(http, "GET", url)).json()["state"] == "running"
    await clock.sleep(2 * 60)
    seen = (await call(http, "GET", url)).json()
    assert (seen["state"], seen["sentence"]) == ("failed", "It never ended: its job was lost. Ask for it again.")


async def test_each_service_has_its_own_time(http: FastAPI, store: RedisStore) -> None:
    assert (await call(http, "POST", f"{PATH}/validate/Main/slow")).status_code == 202
    assert [asked.deadline for asked in jobs(store)] == [NOW + timedelta(minutes=25)]


async def test_account_and_region_say_which_service_is_meant(http: FastAPI, store: RedisStore) -> None:
    answer = await call(http, "POST", f"{PATH}/validate/Main/twice")
    assert answer.status_code == 422
    assert "111111111111/us-west-2/Main/twice" in answer.json()["detail"]
    place = {"account": "2" * 12, "region": "eu-south-1"}
    assert (await call(http, "POST", f"{PATH}/validate/Main/twice", params=place)).status_code == 202
    assert [str(asked.target) for asked in jobs(store)] == ["222222222222/eu-south-1/Main/twice"]
