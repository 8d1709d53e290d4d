"""What is held after rollbacks, over HTTP and over Kafka: who may release it, and what the answers say."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from contracts.audit import Act
from contracts.policy import Requests
from contracts.run_verbs import HoldBegan, ReleaseAnswered, ReleaseRequested
from contracts.topics import Party
from services._chassis.audit.events import act_of
from services._chassis.http import PREFIX
from services.orchestrator.domain.approval import is_ci
from services.orchestrator.domain.policy import Policy
from tests.over_http import served
from tests.security.orchestrated import Orchestrator
from tests.services.orchestrator.harness import SERVICE_POLICY, TARGET, FixedPolicies, World, asked
from tests.services.orchestrator.test_version_holds import TAKEN, goes_back, went_back
from tests.services.orchestrator.web import routes

PATH = f"{PREFIX}/deployment-orchestration"


@pytest.fixture
def world() -> World:
    return World(Policy.of(SERVICE_POLICY, progress_every=300))


@pytest.fixture
async def http(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    async with served(routes(world, FixedPolicies())) as client:
        yield client


async def test_what_is_held_is_shown_and_released_once(http: httpx2.AsyncClient, world: World) -> None:
    assert (await http.get(f"{PATH}/holds/shop/web")).json()["holds"] == []
    goes_back(world, actor="ann")
    (hold,) = (await http.get(f"{PATH}/holds/shop/web")).json()["holds"]
    assert (hold["hold_id"], hold["actor"], hold["why"], hold["until"]) == ("rollback:1", "ann", "error_rate", None)
    assert hold["version"]["images"] == TAKEN.images
    body, key = {"actor": "bob", "reason": "it was the database"}, {"Idempotency-Key": "K"}
    unknown = await http.post(f"{PATH}/release/shop/web", json={**body, "hold_id": "another"})
    assert (unknown.status_code, "rollback:1" in unknown.json()["detail"]) == (409, True)
    for _ in range(2):
        released = await http.post(f"{PATH}/release/shop/web", json=body, headers=key)
        assert (released.status_code, released.json()["released"]) == (200, ["rollback:1"])
    assert (await http.get(f"{PATH}/holds/shop/web")).json()["holds"] == []
    again = await http.post(f"{PATH}/release/shop/web", json=body)
    assert (again.status_code, again.json()["detail"]) == (409, "Nothing is held on this service.")
    assert [(answer.accepted, answer.actor) for answer in world.told(ReleaseAnswered)][1] == (True, "bob")


async def test_a_request_over_http_counts_by_the_role_of_its_caller(http: httpx2.AsyncClient, world: World) -> None:
    """Without keys everybody is an admin, and so nobody's deployment is taken for CI's."""
    await http.post(f"{PATH}/orchestrate/shop/web", json={"image": "shop/web:2"})
    assert not world.run.request.by_ci


@pytest.mark.parametrize(("approvers", "released"), [(None, True), (("team-a",), False)])
async def test_over_kafka_requests_are_cis_and_approvers_release(
    approvers: tuple[str, ...] | None, released: bool
) -> None:
    policy = SERVICE_POLICY.model_copy(update={"requests": Requests(approvers=approvers)})
    orchestrator = Orchestrator(policy)
    await orchestrator.takes(went_back(), id_="back", by=Party.RECOVERY)
    assert [event.version for event in orchestrator.events(HoldBegan)] == [TAKEN]
    await orchestrator.takes(asked())
    for _ in range(2):
        await orchestrator.takes(ReleaseRequested(target=TARGET, actor="ann", reason="mended"), id_="2")
    (answer,) = orchestrator.events(ReleaseAnswered)
    assert (answer.accepted, answer.actor, answer.reason) == (released, "ci for ann", "mended")
    act = act_of(answer, "1")
    assert act is not None
    assert (act.act, act.outcome) == (Act.HOLD_RELEASED, "done" if released else "refused")
    course = await orchestrator.course()
    assert (course.version_holds == ()) is released
    assert course.active is not None
    assert course.active.request.by_ci
    assert course.active.version_holds == course.version_holds, "the active run knows of it"


async def test_a_release_is_heard_again_by_a_restored_orchestrator_alone() -> None:
    orchestrator = Orchestrator()
    await orchestrator.takes(went_back(), id_="back", by=Party.RECOVERY)
    told = ReleaseAnswered(target=TARGET, accepted=True, released=("rollback:1",), actor="ann", sentence="It ended.")
    await orchestrator.takes(told, id_="2", by=Party.ORCHESTRATOR)
    assert (await orchestrator.course()).version_holds, "what comes in its own name at another time is not believed"
    orchestrator.progress.after_a_restoration = True
    await orchestrator.takes(told, id_="3", by=Party.ORCHESTRATOR)
    assert not (await orchestrator.course()).version_holds


@pytest.mark.parametrize(("approvers", "by_ci"), [(None, True), (("team-b",), True), (("team-a",), False)])
def test_whose_key_counts_as_cis(approvers: tuple[str, ...] | None, by_ci: bool) -> None:
    policy = SERVICE_POLICY.model_copy(update={"requests": Requests(approvers=approvers)})
    assert is_ci(policy, "ci:team-a") is by_ci
    assert is_ci(policy, "")
