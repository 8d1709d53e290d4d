"""A service is made again once somebody else has approved that, whatever dies, is refused or changes meanwhile."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from contracts.base import Target
from contracts.recreation import RecreationFinished, RecreationStarted
from services._aws.errors import AwsError
from services._chassis.transition import Transition
from services.recovery.adapters.snapshots import SignedSnapshots
from services.recovery.decisions.recreate import PlanDecision, approve, ask
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.readiness import Need
from services.recovery.domain.recreation.move import Move
from services.recovery.domain.recreation.recreate_discovery import Registry
from services.recovery.domain.recreation.recreate_parts import OF_OTHERS, Kind
from services.recovery.domain.recreation.recreate_plan import Found, parts_of
from services.recovery.domain.recreation.recreation import APPROVAL_TIME, Recreation
from services.recovery.domain.rollback.observed import Targets
from services.recovery.jobs.recreate import SEVERAL_CALLS, RecreateJob
from services.recovery.recreate import Wish
from tests.services.recovery.harness import TARGET, Crash, Recovery, Work
from tests.services.recovery.recreations import NOW, snapshot, there
from tests.services.recovery.web import client_of

WHOLE = snapshot()
WHOLE_PARTS = tuple(part for part in parts_of(WHOLE, NOW) if part.kind not in OF_OTHERS)
"""What is made of it."""
HERE = f"/recreate/{TARGET.cluster}/{TARGET.service}"
DENIED = AwsError("Elastic Load Balancing refused CreateTargetGroup", code="AccessDenied")
LOST = AwsError("AWS did not answer", code="RequestTimeout", temporary=True)


@dataclass
class World:
    """Recovery with one snapshot, and a service that is gone until it is made."""

    recovery: Recovery = field(default_factory=Recovery)
    healthy: int = 6
    found_by: tuple[Registry, ...] = (Registry("backend", 6),)
    """Where its tasks are registered."""

    async def service(self, target: Target) -> dict[str, Any] | None:
        if "service:BackendService" not in self.recovery.infrastructure.present:
            return None
        return {
            "serviceName": TARGET.service, "status": "ACTIVE", "desiredCount": 6, "runningCount": 6, "pendingCount": 0,
            "events": [],
        }  # fmt: skip

    async def targets(self, target: Target, service: dict[str, Any]) -> Targets | None:
        return Targets(healthy=self.healthy, waiting=0, draining=0)

    async def registries(self, target: Target, service: dict[str, Any], names: Any) -> tuple[Registry, ...]:
        return self.found_by

    async def work(self, name: str, die_at: int | None = None) -> bool:
        """Run the job until its end, or until its process dies; return whether it has ended."""
        told, held = self.recovery, self.recovery.store.jobs[name]
        job = RecreateJob(told.recreate, self, self, self, told.store, told.clock)  # type: ignore[arg-type]  # what it calls
        try:
            end = await job(Work(held, told.store, die_at=die_at))
        except Crash:
            return False
        told.store.write(end)
        return True

    def operation(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.recovery.store.records[f"operation:{name}"])
        return found

    def events(self, kind: type) -> list[Any]:
        return [emission.event for emission in self.recovery.store.emitted if isinstance(emission.event, kind)]

    @property
    def made(self) -> list[str]:
        return [part.key for part in self.recovery.infrastructure.made]


@pytest.fixture
async def world() -> World:
    made = World()
    bucket: SignedSnapshots = made.recovery.snapshots
    assert await bucket.put(WHOLE) is not None
    return made


@pytest.fixture
async def web(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(world.recovery) as client:
        yield client


async def asked(web: httpx2.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await web.post(HERE, json={"actor": "ann", "reason": "the region is back"} | more)
    assert answer.status_code == 202, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def approved(web: httpx2.AsyncClient) -> str:
    plan = (await asked(web))["plan"]
    answer = await web.post(f"{HERE}/approve", json={"actor": "bob", "plan": plan})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["recreation_id"])


async def test_what_is_gone_is_made_in_order_once_somebody_else_has_approved(
    world: World, web: httpx2.AsyncClient
) -> None:
    answer = await asked(web)
    name, plan = answer["recreation_id"], answer["plan"]
    assert answer["desired_count"] == 6
    assert not world.recovery.store.jobs
    for actor, digest in (("ann", plan), ("Ann ", plan), ("bob", "0" * 64)):
        refused = await web.post(f"{HERE}/approve", json={"actor": actor, "plan": digest})
        assert refused.status_code == 409, actor
    assert not world.recovery.store.jobs
    assert (await web.post(f"{HERE}/approve", json={"actor": "bob", "plan": plan})).status_code == 202
    assert await world.work(name)
    assert world.made == [part["kind"] + ":" + part["name"] for part in answer["parts"] if part["kind"] != "namespace"]
    [started], [finished] = world.events(RecreationStarted), world.events(RecreationFinished)
    assert (started.actor, started.approved_by, started.plan) == ("ann", "bob", plan)
    assert (finished.result, list(finished.made)) == ("recreated", world.made)
    shown = (await web.get(f"/operations/{name}")).json()
    assert (shown["state"], shown["result"]) == ("finished", "recreated")
    assert "--group-id sg-0db" in shown["sentence"]
    assert "GroupId=sg-0ol9" in shown["sentence"], "under its new id"
    bodies = json.dumps([part.body for part in world.recovery.infrastructure.made])
    assert not [old for old in ("sg-0old", "b0b", "c0c", "/ddd") if old in bodies]


@pytest.mark.parametrize("way", ["before", "after", "lost"])
async def test_whoever_dies_at_any_part_another_goes_on_and_each_is_made_once(way: str) -> None:
    for number, part in enumerate(WHOLE_PARTS, 1):
        world = World()
        await world.recovery.snapshots.put(WHOLE)
        world.recovery.infrastructure.after |= (
            {part.key: Crash() if way == "after" else LOST} if way != "before" else {}
        )
        name = await begun(world)
        over = await world.work(name, die_at=number if way == "before" else None)
        assert over is (way == "lost")
        assert over or await world.work(name)
        assert world.operation(name)["result"] == "recreated", part.key
        twice = [key for key in set(world.made) if world.made.count(key) > 1]
        assert not twice or (way != "before" and twice == [part.key] and part.kind in SEVERAL_CALLS), part.key
        assert set(world.made) == {each.key for each in WHOLE_PARTS}


async def begun(world: World) -> str:
    """Ask and approve without HTTP."""
    told = world.recovery
    plan = await told.recreate.plan(WHOLE, Wish(Move(TARGET, TARGET), told.now))
    wanted = Recreation(
        recreation_id="recreation:1", snapshot_id=WHOLE.snapshot_id, plan=plan.digest, makes=plan.makes,
        asked_at=told.now, until=told.now + APPROVAL_TIME, actor="ann",
    )  # fmt: skip
    decided = PlanDecision(plan.digest, "bob", "", told.now)
    for decide in (
        lambda protection: ask(protection, TARGET, wanted),
        lambda protection: approve(protection, TARGET, decided),
    ):
        on = Transition(key_of(TARGET), lambda state, decide=decide: decide(Protection.from_bytes(state)))  # type: ignore[misc]
        await told.store.apply(on, cause="")
    return wanted.recreation_id


async def test_what_is_denied_waits_says_so_and_goes_on_once_it_is_allowed(
    world: World, web: httpx2.AsyncClient
) -> None:
    name = await approved(web)
    world.recovery.infrastructure.refusing["target group:admin"] = DENIED

    def grant() -> None:
        waits = world.operation(name)["sentence"]
        assert waits.startswith("4 of 17 parts are made. It waits: Elastic Load Balancing refused CreateTargetGroup.")
        assert "surefoot iam --recreate" in waits
        world.recovery.infrastructure.refusing.clear()

    world.recovery.clock.while_asleep.append(grant)
    assert await world.work(name)
    assert world.operation(name)["result"] == "recreated"


async def test_what_is_never_allowed_ends_after_an_hour_and_what_was_made_stays(
    world: World, web: httpx2.AsyncClient
) -> None:
    name, began = await approved(web), world.recovery.clock.now()
    world.recovery.infrastructure.refusing["target group:admin"] = DENIED
    assert await world.work(name)
    operation = world.operation(name)
    assert (operation["state"], operation["result"]) == ("failed", "failed")
    assert "4 of 17 parts were made, and stay" in operation["sentence"]
    assert 3600 <= world.recovery.clock.now() - began <= 3700
    again = await asked(web)
    assert [part["made"] for part in again["parts"][2:7]] == [False] * 4 + [True], "it goes on from what was made"


async def test_tasks_that_do_not_become_healthy_are_no_success(world: World, web: httpx2.AsyncClient) -> None:
    world.healthy = 5
    name = await approved(web)
    assert await world.work(name)
    sentence = world.operation(name)["sentence"]
    assert "6 of 6 tasks run, and 5 of their targets are healthy" in sentence
    assert "Other groups let its old security group in" in sentence


async def test_what_has_changed_since_it_was_shown_is_not_made(world: World, web: httpx2.AsyncClient) -> None:
    name = await approved(web)
    world.recovery.infrastructure.present["target group:web"] = Found("arn:somebody-elses", {"Port": 1})
    assert await world.work(name)
    assert not world.made
    assert "has changed since the plan was shown" in world.operation(name)["sentence"]


async def test_a_look_without_an_answer_is_no_change_and_is_made_again(world: World, web: httpx2.AsyncClient) -> None:
    name = await approved(web)
    world.recovery.infrastructure.unread["target group:web"] = LOST
    assert await world.work(name)
    assert world.operation(name)["result"] == "recreated"


async def test_what_somebody_makes_meanwhile_stays_as_it_is(world: World, web: httpx2.AsyncClient) -> None:
    name = await approved(web)
    world.recovery.infrastructure.refusing["target group:admin"] = DENIED

    def somebody() -> None:
        world.recovery.infrastructure.refusing.clear()
        world.recovery.infrastructure.present["log group:/ecs/other"] = Found()
        world.recovery.infrastructure.present["alarm:busy"] = Found("theirs", {"Threshold": 99})

    world.recovery.clock.while_asleep.append(somebody)
    assert await world.work(name)
    assert "alarm:busy" not in world.made
    assert world.operation(name)["result"] == "recreated"


async def test_nobody_approves_in_time_and_nothing_is_made(world: World, web: httpx2.AsyncClient) -> None:
    answer = await asked(web)
    [timer] = [timer for timer in world.recovery.store.timers.values() if timer.kind == "recreation-expires"]
    world.recovery.clock.time = timer.due
    late = await web.post(f"{HERE}/approve", json={"actor": "bob", "plan": answer["plan"]})
    assert late.status_code == 409
    await world.recovery.fire()
    assert world.operation(answer["recreation_id"])["result"] == "expired"
    assert (await web.get(HERE)).json()["recreation"] is None


async def test_a_rejection_ends_what_waits_and_only_that(world: World, web: httpx2.AsyncClient) -> None:
    answer = await asked(web)
    decided = {"actor": "bob", "reason": "use the other region", "plan": answer["plan"]}
    assert (await web.post(f"{HERE}/reject", json=decided)).status_code == 202
    operation = world.operation(answer["recreation_id"])
    assert (operation["result"], operation["sentence"]) == ("rejected", "bob has rejected it: use the other region.")
    assert (await web.post(f"{HERE}/reject", json=decided)).status_code == 409
    await approved(web)
    assert (await web.post(f"{HERE}/reject", json=decided)).status_code == 409
    past = (await web.get(HERE)).json()["past"]
    assert [each["result"] for each in past] == ["rejected"]


async def test_only_one_is_asked_for_at_a_time_and_the_same_request_is_the_same(
    world: World, web: httpx2.AsyncClient
) -> None:
    key = {"Idempotency-Key": "k"}
    body = {"actor": "ann"}
    first = (await web.post(HERE, json=body, headers=key)).json()
    again = (await web.post(HERE, json=body, headers=key)).json()
    assert (first["recreation_id"], first["plan"]) == (again["recreation_id"], again["plan"])
    assert (await web.post(HERE, json=body | {"count": 2}, headers=key)).status_code == 422
    other = await web.post(HERE, json=body)
    assert other.status_code == 409
    assert "waits for approval" in other.json()["detail"]


async def test_a_dry_run_and_a_service_that_is_whole_ask_nobody(world: World, web: httpx2.AsyncClient) -> None:
    shown = await web.post(HERE, json={"dry_run": True})
    assert (shown.status_code, shown.json()["possible"]) == (200, True)
    world.recovery.infrastructure.present = {
        key: found for key, found in there(WHOLE).items() if isinstance(found, Found)
    }
    whole = await web.post(HERE)
    assert (whole.status_code, whole.json()["sentence"]) == (200, "Nothing of the service is missing.")
    assert (await web.get(HERE)).json()["recreation"] is None


async def test_what_cannot_run_is_refused_with_what_to_do(world: World, web: httpx2.AsyncClient) -> None:
    world.recovery.infrastructure.missing = (Need("the cluster court", there=False),)
    refused = await web.post(HERE)
    assert refused.status_code == 409
    assert "The cluster court is not there: make it first" in refused.json()["detail"]
    none = await web.post(HERE, json={"snapshot_id": "20200101_000000"})
    assert none.status_code == 409
    assert "There is no snapshot" in none.json()["detail"]


@pytest.mark.parametrize("over", [False, True])
@pytest.mark.parametrize("known", ["not at all", "as asked for", "as approved"])
async def test_what_a_restored_redis_has_forgotten_ends_once_and_nothing_is_made_twice(
    world: World, web: httpx2.AsyncClient, known: str, *, over: bool
) -> None:
    store, parts = world.recovery.store, len(WHOLE_PARTS)
    copies = {"not at all": (dict(store.states), dict(store.timers), dict(store.jobs))}
    plan = (await asked(web))["plan"]
    copies["as asked for"] = (dict(store.states), dict(store.timers), dict(store.jobs))
    name = str((await web.post(f"{HERE}/approve", json={"actor": "bob", "plan": plan})).json()["recreation_id"])
    copies["as approved"] = (dict(store.states), dict(store.timers), dict(store.jobs))
    assert await world.work(name, die_at=None if over else parts // 2) is over
    published = [*world.events(RecreationStarted), *world.events(RecreationFinished)]
    store.states, store.timers, store.jobs = copies[known]
    for event in published:
        await world.recovery.send(event, "not-again")
    assert (world.recovery.protection.recreation is None) is (known == "not at all"), "only what is read again counts"
    for number, event in enumerate([*published, *published]):
        await world.recovery.send(event, f"again-{number}", again=True)
    await world.recovery.fire()
    if name in store.jobs and not store.jobs[name].cancelled:
        assert await world.work(name)
    [finished] = world.events(RecreationFinished)
    assert (finished.result == "recreated") is over
    assert (world.operation(name)["state"], world.operation(name)["actor"]) == ("finished" if over else "failed", "ann")
    assert world.recovery.protection.recreation is None
    world.recovery.clock.time += 4000
    await world.recovery.fire()
    assert len(world.events(RecreationFinished)) == 1
    if not over:
        name = await approved(web)
        assert await world.work(name)
        assert world.operation(name)["result"] == "recreated"
    assert sorted(world.made) == sorted({part.key for part in WHOLE_PARTS})


def test_every_kind_is_made_by_somebody() -> None:
    assert {part.kind for part in WHOLE_PARTS} == set(Kind) - OF_OTHERS
