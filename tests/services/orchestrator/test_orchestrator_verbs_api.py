"""Acting on a run over HTTP and over Kafka: who may, what the answers say, and that each counts once."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from contracts.audit import Act
from contracts.deployment import AbortRequested
from contracts.policy import Requests
from contracts.policy_holds import Approval, Pause
from contracts.run_verbs import ApprovalDecided, PauseRequested, ResumeRequested, VerbAnswered
from services._chassis.audit.events import act_of
from services._chassis.http import PREFIX
from services.orchestrator.domain.policy import Policy
from tests.over_http import served
from tests.security.orchestrated import Orchestrator
from tests.services.orchestrator.harness import SERVICE_POLICY, TARGET, FixedPolicies, World, asked
from tests.services.orchestrator.test_orchestrator_holds import answer_checks
from tests.services.orchestrator.web import routes

PATH = f"{PREFIX}/deployment-orchestration"
WITH_APPROVALS = SERVICE_POLICY.model_copy(
    update={"approval_before_change": Approval(needed=2), "pause": Pause(maximum_minutes=60)}
)


@pytest.fixture
def world() -> World:
    return World(Policy.of(WITH_APPROVALS, progress_every=300))


@pytest.fixture
async def http(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    async with served(routes(world, FixedPolicies(WITH_APPROVALS))) as client:
        yield client


async def post(http: httpx2.AsyncClient, verb: str, key: str = "", **body: Any) -> httpx2.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await http.post(f"{PATH}/{verb}/shop/web", json=body, headers=headers)


async def waiting(http: httpx2.AsyncClient, world: World) -> dict[str, Any]:
    """Ask for a run, and return its status once it waits for approvals."""
    world.request()
    answer_checks(world)
    status: dict[str, Any] = (await http.get(f"{PATH}/status/shop/web")).json()
    return status


async def test_a_run_is_paused_and_resumed(http: httpx2.AsyncClient, world: World) -> None:
    run_id = world.request()
    paused = await post(http, "pause", actor="bob", minutes=10, reason="the database moves")
    assert (paused.status_code, paused.json()["run_id"]) == (200, run_id)
    assert paused.json()["answer"].startswith("Paused until")
    status = (await http.get(f"{PATH}/status/shop/web")).json()
    assert status["held"].startswith("Paused by bob (the database moves) until")
    again = await post(http, "pause", actor="eve")
    assert (again.status_code, "already by bob" in again.json()["detail"]) == (409, True)
    assert (await post(http, "resume", run_id=run_id, actor="eve")).json()["answer"] == "Resumed."
    assert (await post(http, "resume", actor="eve")).status_code == 409
    too_long = await post(http, "pause", minutes=61)
    assert (too_long.status_code, "at most 60 minutes" in too_long.json()["detail"]) == (409, True)
    assert (await post(http, "pause", minutes=0)).status_code == 422
    assert (await post(http, "pause", minutes=1441)).status_code == 422


async def test_two_persons_approve_what_they_were_shown(http: httpx2.AsyncClient, world: World) -> None:
    status = await waiting(http, world)
    shown = {"run_id": status["run_id"], "plan": status["approval"]["plan"]}
    assert (status["approval"]["needed"], status["approval"]["given"]) == (2, [])
    assert status["held"].startswith("Waits for 2 of 2 approvals before the change until")
    first = await post(http, "approve", **shown, actor="bob")
    assert first.json()["answer"] == "Approved: 1 of 2."
    assert (await post(http, "approve", **shown, actor="bob")).status_code == 409
    assert (await post(http, "approve", **{**shown, "plan": "0" * 32}, actor="eve")).status_code == 409
    assert (await post(http, "approve", run_id=status["run_id"], actor="eve")).status_code == 422
    assert (await http.get(f"{PATH}/status/shop/web")).json()["approval"]["given"] == ["bob"]
    assert (await post(http, "approve", **shown, actor="eve")).json()["answer"] == "Approved: 2 of 2."
    assert world.names()[-1] == "arm"


async def test_the_same_key_has_the_same_answer_and_one_effect(http: httpx2.AsyncClient, world: World) -> None:
    status = await waiting(http, world)
    shown = {"run_id": status["run_id"], "plan": status["approval"]["plan"]}
    for _ in range(3):
        answer = await post(http, "approve", "K", **shown, actor="bob")
        assert (answer.status_code, answer.json()["answer"]) == (200, "Approved: 1 of 2.")
    assert len(world.told(VerbAnswered)) == 1
    other = await post(http, "approve", "K", **shown, actor="eve")
    assert (other.status_code, other.json()["title"]) == (422, "The Idempotency-Key was used before")
    await post(http, "reject", "K", **shown, actor="bob")
    assert world.active is None
    late = await post(http, "approve", "K", **shown, actor="bob")
    assert (late.status_code, late.json()["answer"]) == (200, "Approved: 1 of 2."), "it was, at its time"
    over = await post(http, "approve", **shown, actor="eve")
    assert (over.status_code, "has ended" in over.json()["detail"]) == (409, True)


async def test_a_rejection_ends_the_run_with_its_reason(http: httpx2.AsyncClient, world: World) -> None:
    status = await waiting(http, world)
    shown = {"run_id": status["run_id"], "plan": status["approval"]["plan"]}
    assert (await post(http, "reject", **shown, actor="bob", reason="not on a Friday")).status_code == 200
    ended = (await http.get(f"{PATH}/status/shop/web")).json()
    assert (ended["outcome"], ended["reason"]) == ("blocked", "Nothing was changed. Rejected by bob: not on a Friday.")
    assert (ended["held"], ended["approval"]) == ("", None)


async def test_nothing_is_asked_of_no_run(http: httpx2.AsyncClient) -> None:
    for verb in ("pause", "resume"):
        assert (await post(http, verb)).status_code == 404
    for verb in ("approve", "reject"):
        assert (await post(http, verb, run_id="x", plan="0" * 32)).status_code == 404


async def test_over_kafka_each_request_has_its_answer_and_its_record() -> None:
    orchestrator = Orchestrator()
    await orchestrator.takes(asked())
    ((_, run_id),) = orchestrator.started
    pause = PauseRequested(target=TARGET, run_id=run_id, actor="ann", minutes=5, reason="wait")
    await orchestrator.takes(pause, id_="2")
    await orchestrator.takes(pause, id_="2")
    await orchestrator.takes(pause, id_="3")
    await orchestrator.takes(ResumeRequested(target=TARGET, run_id=run_id, actor="ann"), id_="4")
    decided = ApprovalDecided(target=TARGET, run_id="nobody's", plan="0" * 32, decision="approve", actor="ann")
    await orchestrator.takes(decided, id_="5")
    abort = AbortRequested(target=TARGET, run_id=run_id, actor="ann", reason="wrong branch")
    await orchestrator.takes(abort, id_="6")
    await orchestrator.takes(abort, id_="6")
    await orchestrator.takes(abort, id_="7")
    answers = orchestrator.events(VerbAnswered)
    assert [(answer.verb, answer.accepted, answer.actor) for answer in answers] == [
        ("pause", True, "ci for ann"),
        ("pause", False, "ci for ann"),
        ("resume", True, "ci for ann"),
        ("approve", False, "ci for ann"),
        ("abort", True, "ci for ann"),
        ("abort", False, "ci for ann"),
    ]
    acts = [act_of(answer, "1") for answer in answers]
    assert [(act.act, act.outcome) for act in acts if act is not None] == [
        (Act.RUN_PAUSED, "done"),
        (Act.RUN_PAUSED, "refused"),
        (Act.RUN_RESUMED, "done"),
        (Act.RUN_APPROVED, "refused"),
        (Act.RUN_ABORTED, "done"),
        (Act.RUN_ABORTED, "refused"),
    ]
    assert [act.why for act in acts[-2:] if act is not None] == ["wrong branch", "wrong branch"]


@pytest.mark.parametrize("decision", ["approve", "reject"])
async def test_over_kafka_only_the_keys_of_approvers_decide(decision: Any) -> None:
    policy = WITH_APPROVALS.model_copy(update={"requests": Requests(approvers=("team-a",))})
    orchestrator = Orchestrator(policy)
    await orchestrator.takes(asked())
    ((_, run_id),) = orchestrator.started
    decided = ApprovalDecided(target=TARGET, run_id=run_id, plan="0" * 32, decision=decision, actor="key:lead")
    await orchestrator.takes(decided, id_="2")
    (answer,) = orchestrator.events(VerbAnswered)
    assert (answer.accepted, answer.actor) == (False, "ci for key:lead")
    assert "requests.approvers" in answer.sentence
