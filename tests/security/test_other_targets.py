"""Nothing of one target is read or driven through another, and looking writes nothing, in whatever way."""

import asyncio
from typing import Any

import httpx2
import pytest

from contracts.base import Target
from contracts.catalogue import entry_of
from contracts.deployment import AbortRequested, DeployRequested, ImageChange
from contracts.envelope import Envelope, Meta
from contracts.run_verbs import VerbAnswered
from contracts.topics import SERVICES, Party
from services._chassis.clock import moment
from services._chassis.http import PREFIX
from services.orchestrator.domain.course import Course, course_key
from tests.kit import published
from tests.security.test_fuzz import Installation, application
from tests.services.test_operations_everywhere import ROOTS, Served, everywhere, party, served

__all__ = ["party", "served"]
OTHERS = (
    {"cluster_name": "Other"},
    {"service_name": "other"},
    {"account": "210987654321"},
    {"region": "eu-central-1"},
    {"cluster_name": "Main", "service_name": "api", "account": "210987654321", "region": "us-west-2"},
)
OWN = {"cluster_name": "Main", "service_name": "api", "account": "123456789012", "region": "us-west-2"}


@everywhere
async def test_an_operation_is_not_there_for_another_target(served: Served, path: str, body: dict[str, Any]) -> None:
    accepted = (await served.web.post(path, json=body)).json()
    url = accepted["url"].removeprefix(PREFIX)
    for query in ({}, OWN):
        assert (await served.web.get(url, params=query)).status_code == 200
    for query in OTHERS:
        answer = await served.web.get(url, params=query)
        assert (answer.status_code, answer.json()["title"]) == (404, "No such operation")
        assert "210987654321" not in answer.text


@everywhere
async def test_an_operation_of_one_service_is_none_of_another(served: Served, path: str, body: dict[str, Any]) -> None:
    id_ = (await served.web.post(path, json=body)).json()["operation_id"]
    for other, root in ROOTS.items():
        answer = await served.web.get(f"{root}/operations/{id_}")
        assert answer.status_code == (200 if other == served.store.service else 404)


MINE, THEIRS = (Target(account="000000000000", region="us-west-2", cluster="Main", service=name) for name in ("a", "b"))


async def take(installation: Installation, event: Any, id_: str) -> None:
    meta = Meta(id_, "ci", moment(installation.clock.now()))
    message = Envelope(meta, event).to_message()
    attributes = {name: value.decode() for name, value in message.headers if name.startswith("ce_")}
    await installation.take(entry_of(type(event)), message.value, **attributes)


async def course(installation: Installation, target: Target) -> Course:
    return await installation.store.read(course_key(target), Course)


async def test_a_run_is_neither_seen_nor_stopped_under_another_target() -> None:
    installation = Installation(Party.ORCHESTRATOR)
    await take(installation, DeployRequested(target=THEIRS, change=ImageChange(reference="x:1"), actor="b"), "1")
    before = await course(installation, THEIRS)
    assert before.active is not None
    run_id = before.active.request.run_id
    await take(installation, AbortRequested(target=MINE, run_id=run_id, actor="a"), "2")
    transport = httpx2.ASGITransport(app=application(installation))
    async with httpx2.AsyncClient(transport=transport, base_url=f"http://here{PREFIX}/deployment-orchestration") as web:
        seen = await web.get(f"/status/Main/b?run_id={run_id}")
        assert seen.status_code == 200, seen.text
        for query in (f"run_id={run_id}", f"run_id={run_id[:8]}"):
            assert (await web.get(f"/status/Main/a?{query}")).status_code in {404, 502}
        refused = await web.post("/abort/Main/a", json={"run_id": run_id})
        assert refused.status_code in {404, 502}
    after = await course(installation, THEIRS)
    assert after.active is not None
    assert after.active.ending is None
    assert (await course(installation, MINE)).active is None
    events = [envelope.event for envelope in published(installation.store)]
    (answer,) = (event for event in events if getattr(event, "target", None) == MINE)
    assert isinstance(answer, VerbAnswered)
    assert (answer.accepted, "none of this id" in answer.sentence) == (False, True)


LOOKS = ("HEAD", "OPTIONS", "GET", "TRACE", "PROPFIND")


@pytest.mark.parametrize("asked", SERVICES)
async def test_looking_writes_nothing_in_whatever_way(asked: Party) -> None:
    installation = Installation(asked)
    paths = application(installation).openapi()["paths"]
    transport = httpx2.ASGITransport(app=application(installation))
    async with httpx2.AsyncClient(transport=transport, base_url="http://here") as web:
        for path in paths:
            named = path.format(cluster_name="Main", service_name="api", operation_id="x", run_id="x", issue_id="x")
            asked_for = f"{named}?cluster_name=Main&service_name=api"
            answers = await asyncio.gather(*(web.request(method, asked_for) for method in LOOKS))
            assert all(answer.status_code < 500 or answer.status_code in {502, 503, 504} for answer in answers)
    held, _ = installation.store.redis.copy()
    assert held == {}


async def test_a_key_does_not_go_out_with_the_events() -> None:
    installation = Installation(Party.ORCHESTRATOR)
    transport = httpx2.ASGITransport(app=application(installation))
    async with httpx2.AsyncClient(transport=transport, base_url=f"http://here{PREFIX}/deployment-orchestration") as web:
        for path, body in (("/orchestrate/Main/api", {"image": "x:1"}), ("/abort/Main/api", {})):
            answer = await web.post(path, json=body, headers={"Idempotency-Key": "hunter2"})
            assert answer.status_code in {202, 502}
    messages = [fields for _, fields in installation.store.redis.stream(installation.store.key("outbox"))]
    held, _ = installation.store.redis.copy()
    assert messages, "a run began"
    assert b"hunter2" not in repr((messages, held)).encode()


@pytest.mark.parametrize("image", ["app:hunter2@registry.example.com/app:1", "web=https://a:hunter2@registry/app"])
async def test_an_image_with_a_password_is_refused_and_not_repeated(image: str) -> None:
    installation = Installation(Party.ORCHESTRATOR)
    transport = httpx2.ASGITransport(app=application(installation))
    async with httpx2.AsyncClient(transport=transport, base_url=f"http://here{PREFIX}/deployment-orchestration") as web:
        answer = await web.post("/orchestrate/Main/api", json={"image": image})
        assert (answer.status_code, answer.json()["title"]) == (422, "What an image's name cannot have")
        assert "hunter2" not in answer.text
    event = DeployRequested(target=MINE, change=ImageChange.parse(image), actor="a")
    await take(installation, event, "1")
    held, _ = installation.store.redis.copy()
    assert b"hunter2" not in repr(held).encode()
