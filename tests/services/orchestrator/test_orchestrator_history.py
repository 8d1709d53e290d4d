"""Runs and services are listed: from what the decisions themselves have put into indexes and records."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from contracts.base import Event, Target
from contracts.deployment import AbortRequested, DeployRequested, run_id_of
from contracts.envelope import Meta
from contracts.health import HealthScored, LevelScore
from contracts.monitor import CriticalAlert, WarningAlert
from contracts.recovery import AlertTrigger, ReadinessChanged, RollbackDecided, TargetArmed, TargetDisarmed
from services._chassis.http import PREFIX
from services._chassis.service import Platform, Service
from services._chassis.store import RedisStore
from services._chassis.transition import Decision, Transition
from services.orchestrator.app import create_app
from services.orchestrator.domain.course import Course, course_key
from services.orchestrator.settings import Settings
from tests.kit import FakeClock, ScriptedAws, memory_store, refusal
from tests.over_http import served
from tests.services.orchestrator.harness import START, TARGET, FixedPolicies, asked, at

PATH = f"{PREFIX}/deployment-orchestration"
OTHER = TARGET.model_copy(update={"service": "api"})


class Orchestrator:
    """The orchestrator as it is, with a store in memory."""

    def __init__(self) -> None:
        self.clock = FakeClock(START)
        self.store: RedisStore = memory_store("orchestrator", self.clock)
        settings = Settings(aws_account=TARGET.account, aws_region=TARGET.region)
        denied = ScriptedAws(describe_services=refusal("AccessDeniedException"))
        self.service: Service = create_app(settings, Platform(self.store, self.clock, denied, policies=FixedPolicies()))
        self.count = 0

    async def hears(self, event: Event) -> None:
        self.count += 1
        meta = Meta(str(self.count), "test", at(self.clock.time))
        transition = await self.service.handlers[type(event)](event, meta)
        if transition is not None:
            await self.store.apply(transition, cause=f"test#{self.count}")

    async def asks(self, target: Target = TARGET, actor: str = "ada", **fields: Any) -> str:
        self.clock.time += 1
        await self.hears(asked(target=target, actor=actor, **fields))
        return run_id_of(target, "test", str(self.count))

    async def ends(self, run_id: str, target: Target = TARGET) -> None:
        """Ended before its change, so at once."""
        await self.hears(AbortRequested(target=target, run_id=run_id, actor="bob"))


@pytest.fixture
def orchestrator() -> Orchestrator:
    return Orchestrator()


@pytest.fixture
async def http(orchestrator: Orchestrator) -> AsyncIterator[httpx2.AsyncClient]:
    async with served(orchestrator.service.router) as client:
        yield client


async def listed(http: httpx2.AsyncClient, **query: Any) -> list[str]:
    answer = await http.get(f"{PATH}/deployments", params=query)
    assert answer.status_code == 200, answer.text
    return [run["run_id"] for run in answer.json()["deployments"]]


async def test_a_run_that_goes_on_has_taken_longer_each_time(
    orchestrator: Orchestrator, http: httpx2.AsyncClient
) -> None:
    run_id = await orchestrator.asks()
    orchestrator.clock.time += 90
    assert [run["seconds"] for run in (await http.get(f"{PATH}/deployments")).json()["deployments"]] == [90]
    await orchestrator.ends(run_id)
    orchestrator.clock.time += 90
    assert [run["seconds"] for run in (await http.get(f"{PATH}/deployments")).json()["deployments"]] == [90]


async def test_runs_are_listed_the_latest_first(orchestrator: Orchestrator, http: httpx2.AsyncClient) -> None:
    runs = [await orchestrator.asks(actor=f"actor-{number}") for number in range(3)]
    assert await listed(http) == runs[::-1]
    (first, *_) = (await http.get(f"{PATH}/deployments")).json()["deployments"]
    assert (first["status"], first["actor"], first["target"]["service"]) == ("queued", "actor-2", "web")
    assert first["asked_at"] == at(START + 3).isoformat().replace("+00:00", "Z")


async def test_filters_are_met_together(orchestrator: Orchestrator, http: httpx2.AsyncClient) -> None:
    web = await orchestrator.asks(actor="ada")
    api = await orchestrator.asks(OTHER, actor="ada")
    await orchestrator.asks(OTHER, actor="eve", on_conflict="refuse")
    await orchestrator.ends(api, OTHER)
    assert await listed(http, cluster_name="shop", service_name="web") == [web]
    assert await listed(http, actor="ada") == [api, web]
    assert await listed(http, outcome="aborted") == [api]
    assert await listed(http, outcome="aborted", actor="eve") == []
    assert len(await listed(http, outcome="blocked", actor="eve", cluster_name="shop", service_name="api")) == 1
    since = at(START + 2).isoformat()
    assert web not in await listed(http, since=since)
    assert api in await listed(http, since=since)


async def test_a_list_goes_on_behind_its_cursor(orchestrator: Orchestrator, http: httpx2.AsyncClient) -> None:
    runs = [await orchestrator.asks() for _ in range(5)]
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        answer = (await http.get(f"{PATH}/deployments", params=query)).json()
        seen += [run["run_id"] for run in answer["deployments"]]
        cursor = answer["cursor"]
        await orchestrator.asks()  # one more comes in meanwhile
    assert seen == runs[::-1]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"cursor": "yesterday"}, "cursor"),
        ({"outcome": "great"}, "outcome"),
        ({"limit": "1000"}, "limit"),
        ({"service_name": "web"}, "both"),
        ({"since": "2026-11-27"}, "since"),
    ],
)
async def test_what_cannot_be_listed_is_explained(http: httpx2.AsyncClient, query: dict[str, str], said: str) -> None:
    answer = await http.get(f"{PATH}/deployments", params=query)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


async def test_a_run_is_named_by_the_beginning_of_its_id(orchestrator: Orchestrator, http: httpx2.AsyncClient) -> None:
    run_id = await orchestrator.asks()
    await orchestrator.ends(run_id)
    await orchestrator.asks()
    status = f"{PATH}/status/shop/web"
    assert (await http.get(status, params={"run_id": run_id[:8]})).json()["run_id"] == run_id
    assert (await http.get(status, params={"run_id": run_id[:3]})).status_code == 404
    assert (await http.get(f"{PATH}/status/shop/api", params={"run_id": run_id[:8]})).status_code == 404


async def test_several_runs_of_one_beginning_are_listed(orchestrator: Orchestrator, http: httpx2.AsyncClient) -> None:
    first = await orchestrator.asks()
    namesake = None
    for number in range(400_000):
        if run_id_of(TARGET, "ci", str(number)).startswith(first[:4]):
            namesake = Meta(str(number), "ci", at(orchestrator.clock.time))
            break
    assert namesake is not None
    transition = await orchestrator.service.handlers[DeployRequested](asked(), namesake)
    assert transition is not None
    await orchestrator.store.apply(transition, cause="ci")
    answer = await http.get(f"{PATH}/status/shop/web", params={"run_id": first[:4]})
    assert answer.status_code == 422
    assert first in answer.json()["detail"]


async def overview(http: httpx2.AsyncClient) -> dict[str, Any]:
    services = (await http.get(f"{PATH}/overview")).json()["services"]
    return {service["target"]["service"]: service for service in services}


async def test_the_overview_shows_every_service(orchestrator: Orchestrator, http: httpx2.AsyncClient) -> None:
    assert list(await overview(http)) == ["web"], "which the policy lists"
    api = await orchestrator.asks(OTHER)
    await orchestrator.ends(api, OTHER)
    running = await orchestrator.asks()
    await orchestrator.asks()
    shown = await overview(http)
    assert (shown["api"]["listed"], shown["api"]["last_run"]["run_id"], shown["api"]["active_run"]) == (
        False,
        api,
        None,
    )
    assert (shown["web"]["active_run"]["run_id"], shown["web"]["queued"]) == (running, 1)


async def test_the_overview_shows_what_others_publish(orchestrator: Orchestrator, http: httpx2.AsyncClient) -> None:
    until = at(START + 600)
    await orchestrator.hears(TargetArmed(target=TARGET, run_id="run", snapshot_id="s", expires_at=until))
    level = LevelScore(level="basic", low=80, high=90, weight=1)
    await orchestrator.hears(HealthScored(target=TARGET, low=80, high=90, rating="good", levels=(level,)))
    alert: dict[str, Any] = {
        "target": TARGET,
        "value": 12.0,
        "comparison": ">",
        "threshold": 10,
        "samples": 99,
        "began_at": at(START),
        "detail": "12 %",
    }
    await orchestrator.hears(CriticalAlert(alert_id="1", rule="error_rate", state="raised", **alert))
    await orchestrator.hears(WarningAlert(alert_id="2", rule="cpu", state="raised", **alert))
    condition = (await overview(http))["web"]["condition"]
    assert condition["armed"]["run_id"] == "run"
    assert (condition["score"]["low"], condition["score"]["rating"]) == (80, "good")
    assert [(one["rule"], one["severity"]) for one in condition["alerts"]] == [
        ("error_rate", "critical"),
        ("cpu", "warning"),
    ]
    await orchestrator.hears(CriticalAlert(alert_id="1", rule="error_rate", state="resolved", **alert))
    await orchestrator.hears(TargetDisarmed(target=TARGET, run_id="another", reason="finished"))
    condition = (await overview(http))["web"]["condition"]
    assert [one["rule"] for one in condition["alerts"]] == ["cpu"]
    assert condition["armed"] is not None, "that was another run's"
    await orchestrator.hears(TargetDisarmed(target=TARGET, run_id="run", reason="finished"))
    assert (await overview(http))["web"]["condition"]["armed"] is None


async def test_the_overview_shows_that_a_way_back_is_lost(orchestrator: Orchestrator, http: httpx2.AsyncClient) -> None:
    async def shown() -> dict[str, Any] | None:
        lost: dict[str, Any] | None = (await overview(http))["web"]["condition"]["no_way_back"]
        return lost

    def changed(*lost: str) -> ReadinessChanged:
        return ReadinessChanged(target=TARGET, ready=not lost, lost=lost, checked_at=at(START))

    await orchestrator.hears(changed("You cannot go back to web:1, because the role is gone."))
    assert ((await shown()) or {})["sentences"] == ["You cannot go back to web:1, because the role is gone."]
    await orchestrator.hears(changed())
    assert await shown() is None
    await orchestrator.hears(changed("You cannot go back to web:1, because the role is gone."))
    orchestrator.clock.time += 3 * 86400
    assert await shown() is None, "recovery says it every day while it is so"


async def test_the_overview_shows_that_people_are_called(orchestrator: Orchestrator, http: httpx2.AsyncClient) -> None:
    async def called() -> dict[str, Any] | None:
        shown: dict[str, Any] | None = (await overview(http))["web"]["condition"]["called"]
        return shown

    def decided(decision: Any, alert_id: str = "1") -> RollbackDecided:
        trigger = AlertTrigger(rule="error_rate", alert_id=alert_id, detail="12 %")
        because = "Did not roll back, because it is old."
        return RollbackDecided(
            target=TARGET, decision=decision, reason="too-old", sentence=because, trigger=trigger, decided_at=at(START)
        )

    await orchestrator.hears(decided("declined"))
    assert await called() is None
    await orchestrator.hears(decided("people-called"))
    assert ((await called()) or {})["sentence"] == "Did not roll back, because it is old."
    await orchestrator.hears(decided("declined", "2"))
    assert await called() is not None
    await orchestrator.hears(decided("acted"))
    assert await called() is None
    await orchestrator.hears(decided("people-called"))
    over: Any = {
        "value": 0.0,
        "comparison": ">",
        "threshold": 10,
        "samples": 99,
        "began_at": at(START),
        "detail": "0 %",
    }
    await orchestrator.hears(CriticalAlert(target=TARGET, alert_id="1", rule="error_rate", state="resolved", **over))
    assert await called() is None
    await orchestrator.hears(decided("people-called"))
    orchestrator.clock.time += timedelta(days=1).total_seconds()
    assert await called() is None, "not for ever"


async def test_an_arm_ends_by_itself(orchestrator: Orchestrator, http: httpx2.AsyncClient) -> None:
    until = at(START + 600)
    await orchestrator.hears(TargetArmed(target=TARGET, run_id="run", snapshot_id="s", expires_at=until))
    orchestrator.clock.time += timedelta(minutes=11).total_seconds()
    assert (await overview(http))["web"]["condition"]["armed"] is None


async def test_an_old_score_says_nothing(orchestrator: Orchestrator, http: httpx2.AsyncClient) -> None:
    level = LevelScore(level="basic", low=95, high=95, weight=1)
    await orchestrator.hears(HealthScored(target=TARGET, low=95, high=95, rating="excellent", levels=(level,)))
    assert (await overview(http))["web"]["condition"]["score"]["low"] == 95
    orchestrator.clock.time += timedelta(hours=2).total_seconds()
    assert (await overview(http))["web"]["condition"]["score"] is None


async def test_a_score_is_as_old_as_its_event(orchestrator: Orchestrator, http: httpx2.AsyncClient) -> None:
    """Read again after a restoration, an event is no news."""
    level = LevelScore(level="basic", low=95, high=95, weight=1)
    event = HealthScored(target=TARGET, low=95, high=95, rating="excellent", levels=(level,))
    transition = await orchestrator.service.handlers[HealthScored](event, Meta("1", "test", at(START - 86_400)))
    assert transition is not None
    await orchestrator.store.apply(transition, cause="replayed")
    assert (await overview(http))["web"]["condition"]["score"] is None


async def test_a_service_of_before_the_lists_is_shown_once_something_happens(
    orchestrator: Orchestrator, http: httpx2.AsyncClient
) -> None:
    await orchestrator.store.apply(
        Transition("course:" + str(OTHER), lambda _: Decision(Course().to_bytes())), cause=""
    )
    assert "api" not in await overview(http)
    await orchestrator.asks(OTHER)
    assert "api" in await overview(http)


async def test_what_a_newer_version_wrote_hides_no_other_service(
    orchestrator: Orchestrator, http: httpx2.AsyncClient
) -> None:
    await orchestrator.asks()
    await orchestrator.asks(OTHER)
    newer = b'{"schema_version": 99}'
    await orchestrator.store.apply(Transition(course_key(OTHER), lambda _: Decision(newer)), cause="")
    shown = await overview(http)
    assert "newer version" in shown["api"]["problem"]
    assert shown["web"]["active_run"] is not None


async def test_an_actor_cannot_make_up_an_outcome(orchestrator: Orchestrator, http: httpx2.AsyncClient) -> None:
    await orchestrator.asks(actor="ci|outcome=failed")
    assert await listed(http, actor="ci", outcome="failed") == []
    assert len(await listed(http, actor="ci|outcome=failed")) == 1
