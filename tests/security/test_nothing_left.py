"""Requests about services that do not exist leave nothing for ever, and GETs write nothing."""

import asyncio
from typing import Any

import httpx2
import pytest

from contracts.base import Target
from contracts.deployment import DeploymentFinished, DeployRequested, ImageChange, Outcome, run_id_of
from contracts.envelope import from_message
from contracts.policy import Access
from contracts.topics import DEPLOYMENT_EVENTS, SERVICES, Party
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.workloads import EVERYWHERE
from services._chassis.aws_connection import MOST_UNKNOWN_REGIONS, AwsConnection, Place, UnknownRegion
from services._chassis.http import PREFIX
from services._chassis.records import Record
from services._chassis.redis_keys import REMEMBER_SECONDS
from services._chassis.store import RedisStore
from services._chassis.transition import Decision, Index, Transition
from tests.kit import FakeClock, memory_store
from tests.rehearsal.installation import Installation, installed, policy
from tests.security.test_fuzz import Installation as OneService
from tests.security.test_fuzz import application

NOBODY = Target(account=ACCOUNT, region=REGION, cluster=EVERYWHERE[0].cluster, service="nobody")


async def ask_for_nobody(installation: Installation) -> DeploymentFinished:
    ended: asyncio.Future[DeploymentFinished] = asyncio.get_running_loop().create_future()

    async def look(record: Record) -> None:
        event = from_message(record.headers, record.value).event
        if (
            isinstance(event, DeploymentFinished)
            and event.run_id == run_id_of(NOBODY, "test", "1")
            and not ended.done()
        ):
            ended.set_result(event)

    reading = asyncio.create_task(installation.system.bus.read([DEPLOYMENT_EVENTS.name], look))
    request = DeployRequested(target=NOBODY, change=ImageChange(reference="web:1"), actor="test")
    await installation.system.publish(request, "1", "test")
    end = await asyncio.wait_for(ended, 3600)
    await installation.clock.sleep(600)
    reading.cancel()
    return end


def test_a_request_for_a_service_that_there_is_not_leaves_nothing_for_ever() -> None:
    with installed() as installation:
        assert installation.play(policy(), ask_for_nobody).outcome is Outcome.BLOCKED
        held, ends = installation.system.redis.copy()
        about_it = {key: value for key, value in held.items() if b"nobody" in key and value}
        assert about_it, "the run was there"
        assert [key for key in about_it if key not in ends] == []
        assert {end - installation.clock.now() <= REMEMBER_SECONDS for end in ends.values()} == {True}
        assert not any(b"nobody" in member for key, value in held.items() if b"timers" in key for member in value)


async def test_lines_of_an_index_go_after_31_days() -> None:
    store = memory_store("orchestrator", FakeClock(0))
    for member, at in (("old", 1_000.0), ("new", 1_000.0 + REMEMBER_SECONDS + 1)):
        decision = Decision(indexes=(Index("runs", member, at, keep=9),))
        await store.apply(Transition(None, lambda _, decision=decision: decision))  # type: ignore[misc]  # bound now
    assert [line.member for line in await store.range("runs")] == ["new"]


@pytest.mark.parametrize("expires", [False, True])
async def test_a_state_expires_only_while_it_says_so(redis: Any, expires: bool) -> None:
    store = RedisStore(redis, "recovery", FakeClock(0))
    await store.apply(Transition("state", lambda _: Decision(b"1", expires=not expires)))
    await store.apply(Transition("state", lambda _: Decision(b"2", expires=expires)))
    assert (await redis.ttl(store.key("state", "state")) > 0) is expires


GETS = [
    (party, path)
    for party in SERVICES
    for path, methods in application(OneService(party)).openapi()["paths"].items()
    if "get" in methods
]


@pytest.mark.parametrize(("party", "path"), GETS, ids=[path for _, path in GETS])
async def test_a_get_writes_nothing(party: Party, path: str) -> None:
    installation = OneService(party)
    transport = httpx2.ASGITransport(app=application(installation))
    async with httpx2.AsyncClient(transport=transport, base_url="http://here") as client:
        asked = path.removeprefix(PREFIX).format(
            cluster_name="Main", service_name="api", operation_id="x", run_id="x", issue_id="x"
        )
        for query in ("", "?cluster_name=Main&service_name=api", "?cluster_name=No&service_name=such"):
            answer = await client.get(f"{PREFIX}{asked}{query}")
            assert answer.status_code < 500 or answer.status_code in {502, 503, 504}
    held, _ = installation.store.redis.copy()
    assert held == {}


def test_a_region_that_somebody_invents_gets_no_client_for_ever() -> None:
    """Whoever may look at services may name any region; those of AWS are a few dozen."""
    connection = AwsConnection(REGION)
    for number in range(MOST_UNKNOWN_REGIONS):
        connection.client("ecs", Place("", f"aa-invented-{number}"))
    with pytest.raises(UnknownRegion, match="AWS has no region aa-invented-99"):
        connection.client("ecs", Place("", "aa-invented-99"))
    assert connection.client("ecs", Place("", "eu-central-1")).meta.region_name == "eu-central-1"
    connection.close()


class Listing:
    """A policy that lists a service in each of these regions."""

    def __init__(self, *regions: str) -> None:
        self.regions = regions

    def access(self, account: str) -> Access | None:
        return None

    def all(self) -> tuple[Target, ...]:
        return tuple(Target(account=ACCOUNT, region=region, cluster="c", service="s") for region in self.regions)


def test_invented_regions_take_no_place_of_a_new_one_that_the_policy_lists_nor_the_other_way_round() -> None:
    new = [f"eu-new-{number}" for number in range(MOST_UNKNOWN_REGIONS + 2)]
    connection, policy = AwsConnection(REGION), Listing(*new)
    connection.follow(policy, ACCOUNT)
    for region in new[:-1]:
        connection.client("ecs", Place(ACCOUNT, region))
    for number in range(MOST_UNKNOWN_REGIONS):
        connection.client("ecs", Place(ACCOUNT, f"aa-invented-{number}"))
    with pytest.raises(UnknownRegion):
        connection.client("ecs", Place(ACCOUNT, "aa-invented-9"))
    assert connection.client("ecs", Place(ACCOUNT, new[-1])).meta.region_name == new[-1]
    policy.regions += ("aa-invented-9",)
    assert connection.client("ecs", Place(ACCOUNT, "aa-invented-9")).meta.region_name == "aa-invented-9"
    connection.close()
