"""The API: asked, looked at, stopped; the same decisions as over the bus."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from contracts.deployment import (
    CheckUp,
    DeploymentConfig,
    DeploymentStarted,
    ImageChange,
    Observe,
    Outcome,
    Phase,
    TaskDefinitionChange,
)
from contracts.envelope import Meta
from contracts.gates import Verdict
from contracts.policy import Timeouts
from contracts.run_verbs import VerbAnswered
from services._chassis.clock import Pace
from services._chassis.http import PREFIX
from services._chassis.transition import Timer
from services.orchestrator.handlers import Handlers
from tests.over_http import served
from tests.services.orchestrator.harness import (
    SERVICE_POLICY,
    START,
    TARGET,
    FixedPolicies,
    World,
    asked,
    at,
    run_id_of,
)
from tests.services.orchestrator.web import routes

PATH = f"{PREFIX}/deployment-orchestration"
SEVEN = SERVICE_POLICY.model_copy(update={"timeouts": Timeouts(validation_minutes=7)})


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def handlers(world: World) -> Handlers:
    return Handlers(world, world.clock, FixedPolicies(SEVEN), 300)


@pytest.fixture
async def http(world: World, handlers: Handlers) -> AsyncIterator[httpx2.AsyncClient]:
    async with served(routes(world, FixedPolicies(), handlers)) as client:
        yield client


async def orchestrate(http: httpx2.AsyncClient, body: dict[str, Any], key: str | None = None) -> httpx2.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await http.post(f"{PATH}/orchestrate/shop/web", json=body, headers=headers)


async def test_a_deployment_is_accepted_and_its_status_told(http: httpx2.AsyncClient, world: World) -> None:
    answer = await orchestrate(http, {"image": "web=shop/web:2", "actor": "ada"})
    assert answer.status_code == 202
    accepted = answer.json()
    assert answer.headers["Location"] == accepted["status_url"]
    assert accepted["status_url"] == f"{PATH}/status/shop/web?run_id={accepted['run_id']}"
    world.now += 3
    run = (await http.get(accepted["status_url"])).json()
    assert run["run_id"] == accepted["run_id"] == world.run.run_id
    assert (run["status"], run["phase"], run["seconds"]) == ("running", "pre_deployment_validation", 3)
    assert (run["actor"], run["image"], run["outcome"], run["rollback"]) == ("ada", "web=shop/web:2", None, None)
    assert run["target"]["service"] == "web"
    assert [phase["phase"] for phase in run["phases"]] == [str(phase) for phase in Phase][:5]
    assert (run["phases"][0]["seconds"], run["phases"][1]["seconds"], run["baking"]) == (3, None, None)


@pytest.mark.parametrize("over", [False, True])
async def test_a_key_with_another_image_is_refused(http: httpx2.AsyncClient, world: World, *, over: bool) -> None:
    """Whoever sent it would take the first image's run for its own."""
    first = await orchestrate(http, {"image": "shop/web:2"}, "release 7")
    if over:
        world.to_the_end()
    other = await orchestrate(http, {"image": "shop/web:3"}, "release 7")
    assert (other.status_code, other.json()["title"]) == (422, "The Idempotency-Key was used before")
    again = await orchestrate(http, {"image": "shop/web:2"}, "release 7")
    assert (again.status_code, again.json()["run_id"]) == (202, first.json()["run_id"])
    assert len(world.told(DeploymentStarted)) == 1


async def test_who_asks_and_why_are_on_the_record(http: httpx2.AsyncClient, world: World) -> None:
    accepted = (await orchestrate(http, {"image": "shop/web:2", "actor": "ada", "reason": "release 7"})).json()
    run = (await http.get(accepted["url"])).json()
    assert (run["actor"], run["request_reason"], run["reason"]) == ("ada", "release 7", "")
    (started,) = world.told(DeploymentStarted)
    assert (started.actor, started.reason) == ("ada", "release 7")


async def test_a_finished_run_stays_on_the_record(http: httpx2.AsyncClient, world: World) -> None:
    accepted = (await orchestrate(http, {"image": "shop/web:2"})).json()
    world.to_the_end()
    for url in (accepted["status_url"], f"{PATH}/status/shop/web"):
        run = (await http.get(url)).json()
        assert (run["run_id"], run["status"], run["outcome"]) == (accepted["run_id"], "finished", "succeeded")
        assert [phase["verdict"] for phase in run["phases"]] == ["pass"] * 5
        assert run["baking"]["verdict"] == "pass"
        gate = run["phases"][0]["gates"][0]
        wanted = {"name", "verdict", "value", "comparison", "threshold", "unit", "samples", "detail", "overridden_by"}
        assert wanted <= set(gate)


async def test_a_rollback_is_told_with_its_trigger(http: httpx2.AsyncClient, world: World) -> None:
    accepted = (await orchestrate(http, {"image": "shop/web:2"})).json()
    world.through(Phase.DEPLOYMENT_MONITORING)
    world.answer("validate-deployment", Verdict.FAIL)
    assert (await http.get(accepted["status_url"])).json()["rolling_back"] is True
    world.rollback_ends(accepted["run_id"])
    run = (await http.get(accepted["status_url"])).json()
    assert run["outcome"] == "rolled_back"
    assert run["rollback"] == {
        "trigger": "error_rate",
        "by": "surefoot",
        "snapshot_id": "snapshot-1",
        "seconds": 42,
        "actor": "",
        "reason": "",
    }


@pytest.mark.parametrize(
    ("body", "change"),
    [
        ({"image": "r.example:5000/a/b:1"}, ImageChange(reference="r.example:5000/a/b:1")),
        ({"task_definition": "web:7"}, TaskDefinitionChange(task_definition="web:7")),
        ({"observe": True}, Observe()),
        ({}, CheckUp()),
    ],
)
async def test_a_body_says_what_changes(
    http: httpx2.AsyncClient, world: World, body: dict[str, Any], change: object
) -> None:
    extra = {
        "deployment_config": {"enable_auto_recovery": False},
        "overrides": [{"gate": "health_score", "reason": "the fix"}],
        "on_conflict": "refuse",
        "expires_at": at(START + 60).isoformat(),
    }
    assert (await orchestrate(http, body | extra)).status_code == 202
    request = world.run.request
    assert request.change == change
    assert request.config == DeploymentConfig(enable_auto_recovery=False, validation_timeout_minutes=7)
    assert (request.on_conflict, request.expires_at, request.actor) == ("refuse", START + 60, "api")
    assert request.overrides[0].gate == "health_score"


async def test_a_newer_request_may_take_the_place_of_an_older_one(http: httpx2.AsyncClient, world: World) -> None:
    old = (await orchestrate(http, {"image": "a"})).json()["run_id"]
    world.now += 1
    new = (await orchestrate(http, {"image": "b", "on_conflict": "supersede"})).json()["run_id"]
    assert world.view(old).outcome is Outcome.ABORTED
    assert world.run.run_id == new


@pytest.mark.parametrize("body", [{"image": "a", "observe": True}, {"image": "a", "task_definition": "b"}])
async def test_more_than_one_change_is_explained(http: httpx2.AsyncClient, world: World, body: dict[str, Any]) -> None:
    answer = await orchestrate(http, body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "one of image, task_definition and observe" in answer.json()["detail"]
    assert world.state is None


@pytest.mark.parametrize(
    "body",
    [
        {"image": "a", "deployment_config": {"validaton_timeout_minutes": 3}},
        {"image": "a", "deployment_config": {"baking_minutes": 0}},
        {"image": "a", "expires_at": "2026-01-01T00:00:00"},
        {"image": ""},
        {"image": "a", "comment": "x"},
    ],
)
async def test_what_does_not_fit_is_refused(http: httpx2.AsyncClient, world: World, body: dict[str, Any]) -> None:
    assert (await orchestrate(http, body)).status_code == 422
    assert world.state is None


async def test_the_same_key_is_the_same_run(http: httpx2.AsyncClient, world: World) -> None:
    first = (await orchestrate(http, {"image": "a"}, key="build-7")).json()
    said = len(world.emitted)
    assert (await orchestrate(http, {"image": "a"}, key="build-7")).json() == first
    world.to_the_end()
    said = len(world.emitted)
    assert (await orchestrate(http, {"image": "a"}, key="build-7")).json() == first
    assert len(world.emitted) == said
    assert (await orchestrate(http, {"image": "a"})).json() != first
    assert world.active is not None


async def test_a_second_run_waits_and_can_be_asked_for(http: httpx2.AsyncClient, world: World) -> None:
    first = (await orchestrate(http, {"image": "a"})).json()
    second = (await orchestrate(http, {"image": "b"})).json()
    waiting = (await http.get(second["status_url"])).json()
    assert (waiting["status"], waiting["phase"], waiting["seconds"]) == ("queued", None, None)
    assert (await http.get(f"{PATH}/status/shop/web")).json()["run_id"] == first["run_id"]


async def test_an_unknown_run_is_a_problem(http: httpx2.AsyncClient) -> None:
    for url in (f"{PATH}/status/shop/web", f"{PATH}/status/shop/web?run_id=x", f"{PATH}/status/shop/other"):
        answer = await http.get(url)
        assert answer.status_code == 404
        assert str(TARGET)[:20] in answer.json()["detail"]
    accepted = (await orchestrate(http, {"image": "a"})).json()
    assert (await http.get(f"{PATH}/status/shop/other?run_id={accepted['run_id']}")).status_code == 404


async def test_an_abort_goes_to_the_active_run(http: httpx2.AsyncClient, world: World) -> None:
    accepted = (await orchestrate(http, {"image": "a"})).json()
    answer = await http.post(f"{PATH}/abort/shop/web", json={"actor": "bob", "reason": "wrong branch"})
    assert (answer.status_code, answer.json()["run_id"]) == (202, accepted["run_id"])
    assert answer.json()["answer"] == "Aborted: the run ends."
    assert world.end.reason == "Aborted by bob: wrong branch."
    again = await http.post(f"{PATH}/abort/shop/web", json={"actor": "bob", "run_id": accepted["run_id"]})
    assert again.status_code == 409
    unknown = await http.post(f"{PATH}/abort/shop/web", json={"actor": "bob", "run_id": "x"})
    assert unknown.status_code == 404


async def test_an_abort_with_the_same_key_has_the_same_answer_and_one_effect(
    http: httpx2.AsyncClient, world: World
) -> None:
    run_id = (await orchestrate(http, {"image": "a"})).json()["run_id"]
    body, key = {"run_id": run_id, "actor": "bob"}, {"Idempotency-Key": "K"}
    for _ in range(3):
        answer = await http.post(f"{PATH}/abort/shop/web", json=body, headers=key)
        assert (answer.status_code, answer.json()["answer"]) == (202, "Aborted: the run ends.")
    assert [answer.accepted for answer in world.told(VerbAnswered)] == [True]
    assert len(world.ends(run_id)) == 1


async def test_an_abort_that_comes_too_late_is_accepted_and_says_so(http: httpx2.AsyncClient, world: World) -> None:
    run_id = (await orchestrate(http, {"image": "a"})).json()["run_id"]
    world.through(Phase.DEPLOYMENT_MONITORING)
    for says in ("Aborted: the run ends.", "The run ends already"):
        answer = await http.post(f"{PATH}/abort/shop/web", json={"run_id": run_id, "actor": "bob"})
        assert answer.status_code == 202
        assert says in answer.json()["answer"]
    assert world.names().count("roll-back") == 1


async def test_an_abort_with_the_key_of_another_one_is_told(http: httpx2.AsyncClient) -> None:
    """It would be taken for the first one sent again, and its run would go on."""
    key = {"Idempotency-Key": "K"}
    first = (await orchestrate(http, {"image": "a"})).json()["run_id"]
    assert (await http.post(f"{PATH}/abort/shop/web", json={"run_id": first}, headers=key)).status_code == 202
    second = (await orchestrate(http, {"image": "b"})).json()["run_id"]
    for body in ({"run_id": second}, {}):
        answer = await http.post(f"{PATH}/abort/shop/web", json=body, headers=key)
        assert (answer.status_code, answer.json()["title"]) == (422, "The Idempotency-Key was used before")
    status = await http.get(f"{PATH}/status/shop/web", params={"run_id": second})
    assert status.json()["status"] == "running"


async def test_too_many_at_once_is_told(http: httpx2.AsyncClient, world: World) -> None:
    world.busy = True
    assert (await orchestrate(http, {"image": "a"})).status_code == 503


async def test_a_request_over_the_bus_of_a_finished_run_is_nothing_new(world: World, handlers: Handlers) -> None:
    meta = Meta(id="build-7", source="ci", time=at(START - 5))
    transition = await handlers.on_request(asked(), meta)
    assert transition is not None
    world.write(transition)
    assert world.run.run_id == run_id_of("build-7")
    assert world.run.request.asked_at == START - 5
    world.to_the_end()
    world.request("2")
    world.to_the_end()
    assert await handlers.on_request(asked(), meta) is None


async def test_times_from_outside_are_the_walls(world: World, handlers: Handlers) -> None:
    world.clock.pace = Pace(rate=20, anchor=START)
    world.now = START + 20 * 60
    event = asked(expires_at=at(START + 90))
    transition = await handlers.on_request(event, Meta(id="1", source="ci", time=at(START + 55)))
    assert transition is not None
    world.write(transition)
    request = world.run.request
    assert (request.asked_at, request.expires_at) == (START + 20 * 55, START + 20 * 90)


async def test_a_timer_wakes_its_own_target(world: World, handlers: Handlers) -> None:
    run_id = world.request()
    (timer,) = [timer for timer in world.timers.values() if timer.kind == "phase"]
    assert timer == Timer(f"phase:{run_id}", "phase", START + 600, str(TARGET).encode())
    world.now = timer.due
    transition = await handlers.on_timer(timer)
    assert transition.key == f"course:{TARGET}"
    world.write(transition)
    assert world.end.run_id == run_id
