"""A request's run is its own: no other team, target or spelling gets it, and runs of the version before go on."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from contracts.base import Event
from contracts.deployment import (
    AbortRequested,
    DeploymentFinished,
    DeploymentStarted,
    Outcome,
    Phase,
    PhaseStarted,
    run_id_of,
)
from contracts.topics import Party
from services._chassis.http import PREFIX
from services.orchestrator.domain.request_name import RequestName
from services.orchestrator.domain.view import run_key
from tests.over_http import served
from tests.security.orchestrated import Orchestrator
from tests.services.orchestrator.harness import IMAGE, START, TARGET, asked, at

OTHER = TARGET.model_copy(update={"service": "api"})
PATH = f"{PREFIX}/deployment-orchestration"
UNREADABLE = b'{"change": 7}'


@pytest.fixture
def orchestrator() -> Orchestrator:
    return Orchestrator()


@pytest.fixture
async def http(orchestrator: Orchestrator) -> AsyncIterator[httpx2.AsyncClient]:
    async with served(orchestrator.service.router) as client:
        yield client


async def status(http: httpx2.AsyncClient, run_id: str, service: str = "web") -> httpx2.Response:
    return await http.get(f"{PATH}/status/shop/{service}", params={"run_id": run_id})


# whose run it is


async def test_another_team_with_the_same_source_and_id_has_a_run_of_its_own(orchestrator: Orchestrator) -> None:
    """It used to vanish, and its events bore the id of the run that somebody else had asked for."""
    await orchestrator.takes(asked(target=OTHER), "ci", "build-7")
    await orchestrator.takes(asked(), "ci", "build-7")
    expected = [(target, run_id_of(target, "ci", "build-7")) for target in (OTHER, TARGET)]
    assert orchestrator.started == expected


@pytest.mark.parametrize(("one", "other"), [(("a:b", "c"), ("a", "b:c")), (("a", "1:b"), ("a:1", "b"))])
async def test_nor_is_a_run_captured_by_another_spelling(
    orchestrator: Orchestrator, one: tuple[str, str], other: tuple[str, str]
) -> None:
    await orchestrator.takes(asked(), *one)
    await orchestrator.takes(asked(), *other)
    course = await orchestrator.course()
    assert course.active is not None
    assert course.active.run_id == run_id_of(TARGET, *one)
    assert [request.run_id for request in course.queue] == [run_id_of(TARGET, *other)]


async def test_a_request_that_cannot_be_read_ends_no_run_of_another_target(orchestrator: Orchestrator) -> None:
    """Sent before somebody else's request, it would have ended that run as failed before it began."""
    await orchestrator.takes(asked(target=OTHER), "ci", "build-7", value=UNREADABLE)
    await orchestrator.takes(asked(), "ci", "build-7")
    (end,) = orchestrator.events(DeploymentFinished)
    assert (end.target, end.run_id) == (OTHER, run_id_of(OTHER, "ci", "build-7"))
    assert orchestrator.started == [(TARGET, run_id_of(TARGET, "ci", "build-7"))]


async def test_the_same_key_over_http_is_another_run_on_another_target(
    orchestrator: Orchestrator, http: httpx2.AsyncClient
) -> None:
    for service in ("web", "api"):
        path = f"{PATH}/orchestrate/shop/{service}"
        answer = await http.post(path, json={"image": "a:1"}, headers={"Idempotency-Key": "k"})
        target = TARGET if service == "web" else OTHER
        assert answer.json()["run_id"] == run_id_of(target, f"surefoot/api/shop/{service}", "k")
    assert len(orchestrator.started) == 2


# runs and ids of the version before

NAME = RequestName(TARGET, "ci", "build-7")


async def test_a_run_of_before_is_not_begun_again(orchestrator: Orchestrator) -> None:
    """Neither by a redelivery, nor when it is over, nor where the inbox is empty."""
    before = await orchestrator.began_before(NAME)
    for emptied in (False, True):
        if emptied:
            orchestrator.forget_what_was_handled()
        await orchestrator.takes(asked(), NAME.source, NAME.id)
        await orchestrator.takes(asked(), NAME.source, NAME.id, value=UNREADABLE)
    await orchestrator.takes(AbortRequested(target=TARGET, run_id=before, actor="ada"), id_="stop")
    orchestrator.forget_what_was_handled()
    await orchestrator.takes(asked(), NAME.source, NAME.id)
    assert orchestrator.started == [(TARGET, before)]
    (end,) = orchestrator.events(DeploymentFinished)
    assert (end.run_id, end.outcome) == (before, Outcome.ABORTED)


BEFORE = {"target": TARGET, "run_id": NAME.run_id_before}
OWN = (
    DeploymentStarted(**BEFORE, actor="ada", change=IMAGE),
    PhaseStarted(**BEFORE, phase=Phase.DEPLOYMENT_MONITORING, deadline=at(START + 600)),
    DeploymentFinished(**BEFORE, outcome=Outcome.ROLLED_BACK, reason="It was bad.", seconds=60),
)


@pytest.mark.parametrize("event", OWN)
async def test_nor_where_a_restored_redis_only_knows_what_was_published_of_it(
    orchestrator: Orchestrator, event: Event
) -> None:
    orchestrator.progress.after_a_restoration = True
    await orchestrator.takes(event, by=Party.ORCHESTRATOR)
    await orchestrator.takes(asked(), NAME.source, NAME.id)
    ended = isinstance(event, DeploymentFinished)
    assert orchestrator.started == ([] if ended else [(TARGET, NAME.run_id_before)])
    assert await orchestrator.store.record(run_key(NAME.run_id_before)) is not None


async def test_the_same_id_on_another_target_is_no_run_of_before(orchestrator: Orchestrator) -> None:
    await orchestrator.began_before(NAME)
    await orchestrator.takes(asked(target=OTHER), NAME.source, NAME.id)
    assert orchestrator.started[1] == (OTHER, run_id_of(OTHER, NAME.source, NAME.id))


async def test_a_key_of_before_is_answered_with_its_run(orchestrator: Orchestrator, http: httpx2.AsyncClient) -> None:
    before = await orchestrator.began_before(RequestName(TARGET, "surefoot/api/shop/web", "k"))
    answer = await http.post(f"{PATH}/orchestrate/shop/web", json={"image": "a"}, headers={"Idempotency-Key": "k"})
    assert answer.json()["run_id"] == before
    assert len(orchestrator.started) == 1
    assert (await status(http, before)).json()["run_id"] == before


async def test_who_computes_the_id_of_before_finds_the_run_and_can_stop_it(
    orchestrator: Orchestrator, http: httpx2.AsyncClient
) -> None:
    await orchestrator.takes(asked(), NAME.source, NAME.id)
    assert (await status(http, NAME.run_id_before)).json()["run_id"] == NAME.run_id
    await orchestrator.takes(AbortRequested(target=TARGET, run_id=NAME.run_id_before, actor="ada"), id_="stop")
    assert [end.run_id for end in orchestrator.events(DeploymentFinished)] == [NAME.run_id]
    await orchestrator.takes(asked(), NAME.source, "build-8")
    stop = {"actor": "ada", "run_id": RequestName(TARGET, NAME.source, "build-8").run_id_before}
    answer = await http.post(f"{PATH}/abort/shop/web", json=stop)
    assert answer.json()["run_id"] == run_id_of(TARGET, NAME.source, "build-8")


async def test_an_id_of_before_never_leads_to_another_targets_run(
    orchestrator: Orchestrator, http: httpx2.AsyncClient
) -> None:
    await orchestrator.takes(asked(target=OTHER), NAME.source, NAME.id)
    assert (await status(http, NAME.run_id_before)).status_code == 404
    await orchestrator.takes(AbortRequested(target=TARGET, run_id=NAME.run_id_before, actor="eve"), id_="stop")
    await orchestrator.takes(asked(), NAME.source, NAME.id)
    assert orchestrator.events(DeploymentFinished) == []
    for service, target in (("web", TARGET), ("api", OTHER)):
        found = (await status(http, NAME.run_id_before, service)).json()
        assert found["run_id"] == run_id_of(target, NAME.source, NAME.id)


async def test_whoever_comes_later_takes_over_no_id_of_before(
    orchestrator: Orchestrator, http: httpx2.AsyncClient
) -> None:
    """Two spellings had one id: the first run keeps it, as it did then."""
    await orchestrator.takes(asked(), "a:b", "c")
    await orchestrator.takes(asked(), "a", "b:c")
    found = await status(http, RequestName(TARGET, "a", "b:c").run_id_before)
    assert found.json()["run_id"] == run_id_of(TARGET, "a:b", "c")
