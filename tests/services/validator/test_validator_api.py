"""The API: asked, answered with an operation, read again."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from fastapi import FastAPI

from contracts.base import Target
from services._chassis.http import PREFIX, create_http
from services._chassis.store import Applied, Written
from services._chassis.transition import Job, Transition
from services.validator.api import create_router
from services.validator.domain.operation import Validation
from tests.services.aws.scripted import there

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
PATH = "/api/v1/deployment-validation"


class FakeStore:
    def __init__(self) -> None:
        self.records: dict[str, bytes] = {}
        self.jobs: list[Job] = []
        self.causes: set[str] = set()

    async def load(self, key: str) -> bytes | None:
        return None

    async def record(self, key: str) -> bytes | None:
        return self.records.get(key)

    async def apply(self, transition: Transition, *, cause: str) -> Written:
        decision = transition.decide(None)
        if cause in self.causes:
            return Written(Applied.SEEN, decision)
        self.causes.add(cause)
        self.records |= decision.records
        self.jobs += decision.jobs
        return Written(Applied.APPLIED, decision)


class FakeClock:
    def __init__(self) -> None:
        self.time = NOW.timestamp()

    def at(self, real: float) -> float:
        return real

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def http(store: FakeStore, clock: FakeClock) -> FastAPI:
    async def ready() -> dict[str, str]:
        return {}

    def find_target(cluster: str, service: str) -> Target:
        return Target(account="123456789012", region="us-west-2", cluster=cluster, service=service)

    http = create_http(ready)
    http.include_router(create_router(store, clock, find_target, timedelta(minutes=10), there), prefix=PREFIX)
    return http


async def call(http: FastAPI, method: str, path: str, **more: object) -> httpx2.Response:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=http), base_url="http://here") as web:
        return await web.request(method, path, **more)  # type: ignore[arg-type]  # httpx2's own


async def test_a_validation_is_accepted_and_can_be_followed(http: FastAPI, store: FakeStore) -> None:
    answer = await call(http, "POST", f"{PATH}/validate/Main/api")
    assert answer.status_code == 202
    accepted = answer.json()
    assert answer.headers["location"] == accepted["url"] == f"{PATH}/operations/{accepted['operation_id']}"
    (job,) = store.jobs
    assert job.id == accepted["operation_id"]
    asked = Validation.model_validate_json(job.payload)
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
async def test_suites(http: FastAPI, store: FakeStore, path: str, body: object, suites: tuple[str, ...]) -> None:
    more = {} if body is None else {"json": body}
    assert (await call(http, "POST", f"{PATH}/{path}/Main/api", **more)).status_code == 202
    assert Validation.model_validate_json(store.jobs[0].payload).suites == suites


async def test_the_same_key_is_the_same_operation(http: FastAPI, store: FakeStore) -> None:
    headers = {"Idempotency-Key": "ci-17"}
    answers = [await call(http, "POST", f"{PATH}/validate/Main/api", headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len(store.jobs) == 1
    other = await call(http, "POST", f"{PATH}/validate/Main/other", headers=headers)
    assert other.json() != answers[0].json()


@pytest.mark.parametrize("body", [{"suites": []}, {"suites": ["load"]}, {"suites": "smoke"}, {"suite": ["smoke"]}, []])
async def test_a_wrong_body_is_refused(http: FastAPI, store: FakeStore, body: object) -> None:
    answer = await call(http, "POST", f"{PATH}/validate/Main/api", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert not store.jobs


async def test_a_name_that_ecs_would_not_allow_is_refused(http: FastAPI, store: FakeStore) -> None:
    assert (await call(http, "POST", f"{PATH}/validate/Main/a%20b")).status_code == 422
    assert not store.jobs


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
