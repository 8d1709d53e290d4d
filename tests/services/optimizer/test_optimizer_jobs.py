"""Commands answered, and the API."""

import httpx2
import pytest
from fastapi import FastAPI

from contracts.base import Target, caused_id
from contracts.deployment import Cause
from contracts.envelope import Meta
from contracts.gates import Verdict
from contracts.optimizer import AnalyzeResources, FargateSize, RecommendationMade
from contracts.results import StepFinished
from services._aws.errors import AwsError
from services._chassis.clock import moment
from services._chassis.commands import becomes_job
from services._chassis.http import PREFIX, create_http
from services._chassis.targets import Targets
from services._chassis.transition import Decision
from services.optimizer.api import create_router
from services.optimizer.domain.analysis import Deployed
from services.optimizer.domain.size import Baseline, Usage
from services.optimizer.jobs.analyze import ANALYZE, Analyze, baseline_record
from services.optimizer.ports import NotSizable
from tests.kit import FakeClock, FakePolicies, FakeRunning, memory_store, there

NOW = 1_764_000_000.0
TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")
COMMAND = AnalyzeResources(target=TARGET, run_id="run-1")


class FakeEcs:
    def __init__(self) -> None:
        size = FargateSize(cpu=1024, memory=4096)
        self.found = Deployed(size=size, tasks=2, architecture="X86_64", on_demand=True)
        self.failure: Exception | None = None

    async def deployed(self, target: Target, since: float) -> Deployed:
        if self.failure:
            raise self.failure
        return self.found


class FakeMetrics:
    def __init__(self) -> None:
        self.hours = 24.0
        self.asked: list[tuple[float, int]] = []

    async def usage(self, target: Target, start: float, end: float, period: int) -> Usage:
        self.asked.append(((end - start) / 3600, period))
        moments = [end - back * 60 for back in range(1, round(self.hours * 60) + 1)]
        return Usage(dict.fromkeys(moments, 10.0), dict.fromkeys(moments, 20.0), period)


class World:
    def __init__(self) -> None:
        clock = FakeClock(NOW)
        self.services, self.metrics, self.store = FakeEcs(), FakeMetrics(), memory_store("optimizer", clock)
        self.analyze = Analyze(clock, self.services, self.metrics)

    async def decide(self, command: AnalyzeResources = COMMAND) -> Decision:
        transition = await self.analyze(FakeRunning(command.model_dump_json().encode(), kind=ANALYZE))
        return (await self.store.apply(transition, cause="test")).decision


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def http(world: World) -> FastAPI:
    async def ready() -> dict[str, str]:
        return {}

    http = create_http(ready)
    http.include_router(create_router(world.store, Targets(FakePolicies()), world.analyze, there), prefix=PREFIX)
    return http


async def get(http: FastAPI, path: str) -> httpx2.Response:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=http), base_url="http://here") as web:
        return await web.get(f"/api/v1/resource-optimization{path}")


async def test_a_command_becomes_a_job_of_its_id() -> None:
    transition = await becomes_job(ANALYZE)(COMMAND, Meta(id="command-1", source="test", time=moment(NOW)))
    (job,) = transition.decide(None).jobs
    assert (job.id, job.kind) == ("command-1", ANALYZE)


async def test_an_analysis_answers_recommends_and_keeps_the_baseline(world: World) -> None:
    decision = await world.decide()
    made, finished = (emission.event for emission in decision.emit)
    assert isinstance(made, RecommendationMade)
    assert isinstance(finished, StepFinished)
    assert (finished.verdict, finished.cause) == (Verdict.PASS, None)
    assert [gate.name for gate in finished.gates] == ["resource_analysis", "performance_baseline"]
    assert decision.emit[1].id == caused_id("command-1", "finished")
    assert (made.kind, made.recommended, made.confidence) == ("scale-down", FargateSize(cpu=256, memory=1024), 95)
    assert made.monthly_saving_usd == round(((0.04048 + 4 * 0.004445) - (0.25 * 0.04048 + 0.004445)) * 730 * 2, 2)
    kept = Baseline.model_validate_json(decision.records[baseline_record(TARGET)])
    assert (kept.cpu_p95, kept.memory_p95, kept.samples) == (10, 20, 1440)


async def test_too_little_data_is_inconclusive_and_recommends_nothing(world: World) -> None:
    world.metrics.hours = 1
    decision = await world.decide()
    (finished,) = (emission.event for emission in decision.emit)
    assert isinstance(finished, StepFinished)
    assert (finished.verdict, finished.cause) == (Verdict.INCONCLUSIVE, Cause.GATE)
    assert "2.0 more hours" in finished.summary
    assert decision.records == {}


@pytest.mark.parametrize(
    ("failure", "cause"), [(NotSizable("runs on EC2"), Cause.USAGE), (AwsError("ECS did not answer"), Cause.ERROR)]
)
async def test_a_failure_is_answered(world: World, failure: Exception, cause: Cause) -> None:
    world.services.failure = failure
    (finished,) = (emission.event for emission in (await world.decide()).emit)
    assert isinstance(finished, StepFinished)
    assert (finished.verdict, finished.cause, finished.summary) == (Verdict.INCONCLUSIVE, cause, str(failure))


async def test_the_api_analyses_and_shows_what_was_recommended(world: World, http: FastAPI) -> None:
    before = (await get(http, "/recommendations/Main/api")).json()
    assert (before["recommendations"], before["baseline"]) == ([], None)
    analysis = (await get(http, "/analyze/Main/api?hours_back=48")).json()["analysis"]
    assert analysis["advice"]["recommended"] == {"cpu": 256, "memory": 1024}
    assert world.metrics.asked == [(48, 120)]
    assert (await get(http, "/recommendations/Main/api")).json() == before, "reading keeps nothing"
    await world.decide()
    after = (await get(http, "/recommendations/Main/api")).json()
    assert after["recommendations"][0]["recommendation_id"] == caused_id("command-1", "recommendation")
    assert after["baseline"]["cpu_p95"] == 10


@pytest.mark.parametrize("hours", ["0", "337", "x"])
async def test_hours_back_is_bounded(http: FastAPI, hours: str) -> None:
    assert (await get(http, f"/analyze/Main/api?hours_back={hours}")).status_code == 422


@pytest.mark.parametrize(("failure", "status"), [(NotSizable("Gone"), 404), (AwsError("No answer"), 502)])
async def test_a_failure_is_a_problem(world: World, http: FastAPI, failure: Exception, status: int) -> None:
    world.services.failure = failure
    answer = await get(http, "/analyze/Main/api")
    assert (answer.status_code, answer.json()["detail"]) == (status, f"{failure}.")


async def test_account_and_region_say_which_service_is_meant(http: FastAPI) -> None:
    answer = await get(http, "/recommendations/Main/api?account=210987654321&region=eu-south-1")
    assert answer.json()["target"] == "210987654321/eu-south-1/Main/api"
