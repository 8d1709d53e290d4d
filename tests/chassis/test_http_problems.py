"""Errors over HTTP: always problem+json, in words for people, never with a value that was sent."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

import httpx2
import pytest
from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator
from redis.exceptions import ConnectionError as RedisAway

from contracts.base import Name
from services._chassis.aws import AwsError
from services._chassis.http import PREFIX, Problem, create_http
from services._chassis.transition import Busy
from tests.kit import JSON

SECRET = "correct-horse"


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    suites: Annotated[tuple[Literal["smoke", "api"], ...], Field(min_length=1)] = ("smoke",)
    minutes: Annotated[float, Field(gt=0, le=120)] = 10
    actor: Annotated[str, Field(min_length=1, max_length=20)] = "api"
    expires_at: AwareDatetime | None = None
    image: str = ""

    @field_validator("image")
    @classmethod
    def _named(cls, image: str) -> str:
        if image == SECRET:
            raise ValueError(f"{image} is no image")
        if image == "none":
            raise ValueError("a digest or a tag is needed")
        return image


@pytest.fixture
async def web() -> AsyncIterator[httpx2.AsyncClient]:
    router = APIRouter(prefix="/shop")

    @router.post("/orders/{cluster_name}")
    async def order(cluster_name: Name, body: Body, most: Annotated[int, Query(ge=1, le=5)] = 1) -> int:
        raise {
            1: RedisAway("redis://:password@host"),
            2: Busy("s is being changed by too many at once"),
            4: AwsError("too many reads wait for their turn", code="BudgetSpent", temporary=True),
        }.get(most, Problem(409, "Held", "It is held."))

    @router.get("/orders/{cluster_name}")
    async def orders(cluster_name: Name) -> str:
        raise RuntimeError(SECRET)

    async def ready() -> dict[str, str]:
        return {}

    http = create_http(ready)
    http.include_router(router, prefix=PREFIX)
    transport = httpx2.ASGITransport(app=http, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=f"http://here{PREFIX}", headers=JSON) as client:
        yield client


def problem(answer: httpx2.Response, status: int) -> dict[str, object]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    shown: dict[str, object] = answer.json()
    assert (shown["type"], shown["status"]) == ("about:blank", status)
    assert SECRET not in answer.text
    assert str(shown["detail"]).endswith(".")
    return shown


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"suites": [SECRET]}, "suites[0] in the body must be 'smoke' or 'api'."),
        ({"suites": []}, "suites in the body must have 1 entries at least."),
        ({"minutes": 0}, "minutes in the body must be more than 0.0."),
        ({"minutes": "soon"}, "minutes in the body must be a number."),
        ({"actor": ""}, "actor in the body must not be empty."),
        ({"actor": SECRET * 3}, "actor in the body must have 20 characters at most."),
        (
            {"expires_at": "2026-01-05T14:05:26"},
            "expires_at in the body must have a time zone, like 2026-01-05T14:05:26Z.",
        ),
        ({"suite": ["smoke"]}, "suite in the body is not known here."),
        ({"image": SECRET}, "image in the body is not valid."),
        ({"image": "none"}, "image in the body is not valid: a digest or a tag is needed."),
        (None, "the body is required."),
        (
            {"minutes": 0, "actor": ""},
            "minutes in the body must be more than 0.0; actor in the body must not be empty.",
        ),
    ],
)  # fmt: skip
async def test_each_wrong_field_is_named_with_what_it_must_be(
    web: httpx2.AsyncClient, body: dict[str, object] | None, detail: str
) -> None:
    shown = problem(await web.post("/shop/orders/Main", json=body), 422)
    assert shown["detail"] == detail
    assert shown["errors"]


async def test_a_body_that_is_no_json_is_called_so(web: httpx2.AsyncClient) -> None:
    answer = await web.post("/shop/orders/Main", content=f"{{{SECRET}", headers={"content-type": "application/json"})
    assert problem(answer, 422)["detail"] == "the body must be JSON."


async def test_parameters_are_told_with_where_they_stand(web: httpx2.AsyncClient) -> None:
    answer = await web.post("/shop/orders/a%20b", params={"most": "9"}, json={})
    assert problem(answer, 422)["detail"] == (
        "cluster_name in the path may have letters, digits, - and _ only; most in the query must be 5 at most."
    )


async def test_an_unknown_path_names_those_that_there_are(web: httpx2.AsyncClient) -> None:
    shown = problem(await web.get("/shop/order"), 404)
    assert shown["detail"] == (
        "There is no such path. Under /api/v1/shop there are GET /api/v1/shop/orders/{cluster_name}, "
        "POST /api/v1/shop/orders/{cluster_name}; /api/v1/docs describes them all."
    )
    shown = problem(await web.get("/shp/orders"), 404)
    assert "/api/v1/shop; did you mean shop?" in str(shown["detail"])
    shown = problem(await web.get(f"http://here/{SECRET}"), 404)
    assert "Paths begin with /api/v1/shop; /api/v1/docs" in str(shown["detail"])


async def test_a_wrong_method_names_the_right_ones(web: httpx2.AsyncClient) -> None:
    answer = await web.delete("/shop/orders/Main")
    assert "takes GET, POST only" in str(problem(answer, 405)["detail"])
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(("most", "status"), [(1, 503), (2, 503), (3, 409), (4, 503)])
async def test_what_may_pass_says_when_to_come_again(web: httpx2.AsyncClient, most: int, status: int) -> None:
    answer = await web.post("/shop/orders/Main", params={"most": most}, json={})
    problem(answer, status)
    assert ("retry-after" in answer.headers) is (status == 503)
    assert "password" not in answer.text


async def test_a_fault_of_ours_is_told_without_its_text(web: httpx2.AsyncClient) -> None:
    assert problem(await web.get("/shop/orders/Main"), 500)["title"] == "A fault of Surefoot"


async def test_until_the_routes_are_there_each_path_says_so() -> None:
    async def missing() -> dict[str, str]:
        return {"kafka": "no answer"}

    started = False
    http = create_http(missing, started=lambda: started)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=http), base_url="http://here", headers=JSON
    ) as client:
        for path in ("/api/v1/shop/orders/Main", "/api/v1/docs", "/nowhere"):
            answer = await client.get(path)
            assert (problem(answer, 503)["title"], int(answer.headers["retry-after"])) == ("Try again", 5)
        assert (await client.get("/livez")).status_code == 200
        started = True
        problem(await client.get("/nowhere"), 404)
