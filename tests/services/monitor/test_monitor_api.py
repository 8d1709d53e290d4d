"""The monitor's API: asked, answered, read again."""

import httpx2
import pytest
from fastapi import FastAPI

from contracts.policy import Monitoring, ServicePolicy
from contracts.policy_parts import MonitoringPolicy
from contracts.policy_rules import BUILT_IN_RULES
from services._aws.errors import AwsError
from services._chassis.http import PREFIX, create_http
from services._chassis.targets import Targets
from services.monitor.api import POINTS, Endpoints, create_router, period_of
from services.monitor.domain.look import Look
from services.monitor.domain.watch import Watch, watch_key
from services.monitor.ports import NotFound
from tests.kit import JSON, there
from tests.services.monitor.harness import TARGET, World

PATH = "/api/v1/monitoring"


@pytest.fixture
def world() -> World:
    return World()


async def _ready() -> dict[str, str]:
    return {}


@pytest.fixture
def http(world: World) -> FastAPI:
    return served(world)


def served(world: World, cluster: str | None = None, service: str | None = None) -> FastAPI:
    """Return the API of a monitor for which this service is configured."""
    http = create_http(_ready)
    endpoints = Endpoints(world, world.clock, world.policies, world.services, world.metrics, world.dashboards, there)
    http.include_router(create_router(endpoints, Targets(world.policies, cluster, service)), prefix=PREFIX)
    return http


async def call(http: FastAPI, method: str, path: str, **more: object) -> httpx2.Response:
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=http), base_url="http://here", headers=JSON
    ) as web:
        return await web.request(method, path if path.startswith("/api") else PATH + path, **more)  # type: ignore[arg-type]  # passed on


async def test_metrics_and_the_latest_rules(world: World, http: FastAPI) -> None:
    readings = await world.metrics.read(TARGET, world.services.found, "Mine", 0, world.clock.time)
    policy = ServicePolicy(target=TARGET).part(MonitoringPolicy)
    watch, _ = Watch(target=TARGET).with_look(Look(policy, world.clock.time, readings))
    await world.keep(watch_key(TARGET), watch.to_bytes())
    answer = (await call(http, "GET", "/metrics/Main/api")).json()
    assert answer["period_seconds"] == 60
    assert answer["series"]["response_time"]["stat"] == "p95"
    assert [point[1] for point in answer["series"]["requests"]["points"]] == [100.0] * 10
    assert {rule["rule"]: rule["verdict"] for rule in answer["rules"]}["error_rate"] == "ok"


@pytest.mark.parametrize("hours", ["0", "337", "-1", "many"])
async def test_hours_back_is_bounded(http: FastAPI, hours: str) -> None:
    answer = await call(http, "GET", f"/metrics/Main/api?hours_back={hours}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("hours", "period"), [(1, 60), (24, 60), (25, 120), (336, 840)])
def test_no_series_is_longer_than_a_day_of_minutes(hours: int, period: int) -> None:
    assert period_of(hours) == period
    assert hours * 3600 / period <= POINTS


@pytest.mark.parametrize(
    ("failure", "status"), [(NotFound("No such service"), 404), (AwsError("ECS did not answer"), 502)]
)
async def test_a_failure_is_a_problem(world: World, http: FastAPI, failure: Exception, status: int) -> None:
    world.services.failure = failure
    answer = await call(http, "GET", "/metrics/Main/api")
    assert (answer.status_code, answer.json()["detail"]) == (status, f"{failure}.")


async def test_a_dashboard_is_created_and_shown(world: World, http: FastAPI) -> None:
    assert (await call(http, "GET", "/dashboard/Main/api")).status_code == 404
    accepted = await call(http, "POST", "/dashboard/Main/api")
    assert accepted.status_code == 202
    url = accepted.headers["Location"]
    assert (await call(http, "GET", url)).json()["state"] == "running"
    await world.do_jobs()
    operation = (await call(http, "GET", url)).json()
    assert (operation["state"], operation["verdict"]) == ("finished", "pass")
    shown = (await call(http, "GET", "/dashboard/Main/api")).json()
    assert shown["name"] == "surefoot-Main-_-api"
    assert shown["url"].endswith("#dashboards/dashboard/surefoot-Main-_-api")
    assert world.alarms.put_names == []
    assert not world.timers, "a dashboard alone watches nothing"


async def test_alerts_are_set_up_and_watched_and_the_same_key_is_the_same_operation(
    world: World, http: FastAPI
) -> None:
    body, headers = {"cluster_name": "Main", "service_name": "api"}, {"Idempotency-Key": "once"}
    first = await call(http, "POST", "/alerts/setup", json=body, headers=headers)
    again = await call(http, "POST", "/alerts/setup", json=body, headers=headers)
    assert first.json() == again.json()
    await world.do_jobs()
    assert len(world.alarms.put_names) == 8
    assert list(world.timers) == [f"collect:{TARGET}"]


async def test_what_is_not_asked_for_properly_is_refused(http: FastAPI) -> None:
    assert (await call(http, "POST", "/alerts/setup", json={"cluster_name": "Main"})).status_code == 422
    assert (await call(http, "GET", "/operations/unknown")).status_code == 404
    assert (await call(http, "GET", "/metrics/Main/no$name")).status_code == 422


async def test_a_set_up_that_fails_says_why(world: World, http: FastAPI) -> None:
    world.services.failure = AwsError("ECS did not answer DescribeServices: AccessDeniedException")
    accepted = await call(http, "POST", "/dashboard/Main/api")
    await world.do_jobs()
    operation = (await call(http, "GET", accepted.json()["url"])).json()
    assert (operation["verdict"], operation["summary"]) == ("inconclusive", str(world.services.failure))


async def test_a_set_up_without_a_body_takes_the_configured_target(world: World) -> None:
    http = served(world, "Main", "api")
    for body in (None, {}, {"actor": "ada", "reason": "the first of this service"}):
        accepted = await call(http, "POST", "/alerts/setup", json=body)
        assert accepted.status_code == 202
        operation = (await call(http, "GET", accepted.json()["url"])).json()
        assert operation["target"] == str(TARGET)
    assert (operation["actor"], operation["reason"]) == ("ada", "the first of this service")


async def test_a_set_up_without_a_target_says_what_to_do(world: World) -> None:
    answer = await call(served(world), "POST", "/alerts/setup")
    assert answer.status_code == 422
    assert answer.json()["detail"] == "Name a cluster and a service, or set CLUSTER_NAME and SERVICE_NAME."


async def test_account_and_region_tell_services_of_one_name_apart(world: World, http: FastAPI) -> None:
    other = TARGET.model_copy(update={"account": "210987654321", "region": "eu-west-1"})
    where = {"account": other.account, "region": other.region}
    query = "&".join(f"{name}={value}" for name, value in where.items())
    answer = (await call(http, "GET", f"/metrics/Main/api?{query}")).json()
    assert answer["target"] == str(other)
    accepted = await call(http, "POST", f"/dashboard/Main/api?{query}")
    assert (await call(http, "GET", accepted.json()["url"])).json()["target"] == str(other)
    body = {"cluster_name": "Main", "service_name": "api", **where}
    accepted = await call(http, "POST", "/alerts/setup", json=body)
    assert (await call(http, "GET", accepted.json()["url"])).json()["target"] == str(other)


async def test_metrics_and_set_ups_over_http_go_by_the_policy_in_force(world: World, http: FastAPI) -> None:
    world.policies.reload(
        ServicePolicy(target=TARGET, monitoring=Monitoring(metrics_namespace="Mine"), rules=BUILT_IN_RULES[:2])
    )
    await call(http, "GET", "/metrics/Main/api")
    assert world.metrics.namespaces == ["Mine"]
    body = {"cluster_name": "Main", "service_name": "api"}
    await call(http, "POST", "/alerts/setup", json=body)
    await world.do_jobs()
    assert [(rule.name, monitoring.metrics_namespace) for rule, monitoring in world.alarms.made.values()] == [
        ("service_unavailable", "Mine"),
        ("error_rate", "Mine"),
    ]
