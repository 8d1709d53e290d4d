"""What is asked of whom, and what becomes of it when somebody does not answer."""

from collections.abc import Sequence
from typing import Any, Literal

import pytest
from pydantic import SecretStr

from contracts.base import Target
from contracts.policy import Application
from services._aws.errors import AwsError
from services._aws.reach import Front, Group, Reach
from services._aws.routing import Condition, Forward, Rule
from services._chassis.web import Address
from services.health.domain.observed import (
    Answer,
    Measurements,
    NotObserved,
    Rollout,
    TargetHealth,
)
from services.health.domain.watch.memory import Memory
from services.health.examine import Examine
from services.health.observe import Observe
from tests.kit import FakeClock
from tests.services.health.harness import GROUP, HEALTHY, NOW, OURS, TARGET, FakeEcs, deployment, service

BALANCER = "arn:aws:elasticloadbalancing:us-west-2:1:loadbalancer"
FORWARDS = Rule(Forward(frozenset({GROUP})))
API_ONLY = (
    Rule(Forward(frozenset({GROUP})), (Condition("path-pattern", ("/api/*",)),)),
    Rule(Forward(frozenset({"arn:targetgroup/other/1"}))),
)


def balanced(*rules: Rule, kind: str = "app", protocol: str = "HTTP", scheme: Literal["http"] | None = "http") -> Reach:
    front = Front(f"{BALANCER}/{kind}/court/50dc", "court.elb", protocol, 80, rules or (FORWARDS,))
    return Reach((front,), (Group(GROUP, scheme, health_path="/api/ping"),))


class FakeBalancers:
    def __init__(self, reach: Reach | None = None, *, dark: bool = False) -> None:
        self._reach, self._dark = reach or balanced(), dark

    async def targets(self, target: Target, groups: Sequence[str]) -> tuple[TargetHealth, ...]:
        if self._dark:
            raise AwsError("Elastic Load Balancing did not answer DescribeTargetHealth: Throttling")
        return HEALTHY

    async def reach(self, target: Target, groups: Sequence[str]) -> Reach:
        return self._reach if groups else Reach()


class FakeMetrics:
    async def measure(self, target: Any, endpoint: Any, now: float) -> Measurements:
        return Measurements(5, cpu=1)


class FakeApplications:
    def __init__(self, secrets: dict[str, SecretStr] | AwsError | None = None) -> None:
        self.secrets = secrets or {}
        self.asked: list[tuple[Address, str]] = []

    async def headers(self, target: Target, application: Application) -> dict[str, SecretStr]:
        if isinstance(self.secrets, AwsError):
            raise self.secrets
        return self.secrets

    async def get(self, address: Address, path: str) -> Answer:
        self.asked.append((address, path))
        return Answer(200)


def examine(ecs: FakeEcs, balancers: FakeBalancers, applications: FakeApplications | None = None) -> Examine:
    return Examine(ecs, balancers, FakeMetrics(), applications or FakeApplications(), FakeClock(NOW))


async def test_everybody_is_asked() -> None:
    seen = await examine(FakeEcs(), FakeBalancers())(TARGET, Application())
    assert (seen.targets, seen.balanced, seen.health) == (HEALTHY, True, Answer(200))
    assert seen.endpoints == {"/api/v1/": Answer(200)}


async def test_without_a_load_balancer_nobody_behind_one_is_asked() -> None:
    seen = await examine(FakeEcs(service(target_groups=())), FakeBalancers())(TARGET, Application())
    assert (seen.targets, seen.balanced, seen.health, seen.ready, seen.endpoints) == (None, False, None, None, {})


async def test_behind_a_network_load_balancer_the_application_is_asked_and_no_request_is_counted() -> None:
    applications = FakeApplications()
    network = FakeBalancers(balanced(kind="net", protocol="TCP"))
    seen = await examine(FakeEcs(), network, applications)(TARGET, Application())
    assert (seen.balanced, seen.health) == (False, Answer(200))
    assert {address.url for address, _ in applications.asked} == {"http://court.elb:80"}


async def test_http_is_not_asked_of_tcp() -> None:
    applications = FakeApplications()
    broker = FakeBalancers(balanced(kind="net", protocol="TCP", scheme=None))
    seen = await examine(FakeEcs(), broker, applications)(TARGET, Application())
    assert (seen.targets, seen.health, seen.ready, seen.endpoints) == (HEALTHY, None, None, {})
    assert not applications.asked


async def test_only_what_leads_to_the_service_is_asked() -> None:
    applications = FakeApplications()
    shared = FakeBalancers(balanced(*API_ONLY))
    seen = await examine(FakeEcs(), shared, applications)(TARGET, Application())
    assert (seen.balanced, seen.health, seen.ready, seen.endpoints) == (True, None, None, {"/api/v1/": Answer(200)})
    assert [path for _, path in applications.asked] == ["/api/v1/"]


async def test_where_no_path_leads_to_the_service_its_own_health_check_is_asked() -> None:
    applications = FakeApplications()
    policy = Application(endpoints=("/orders",))
    seen = await examine(FakeEcs(), FakeBalancers(balanced(*API_ONLY)), applications)(TARGET, policy)
    assert (seen.health, seen.ready, seen.endpoints) == (None, None, {"/api/ping": Answer(200)})


async def test_the_policy_s_address_and_paths_are_asked_even_without_a_load_balancer() -> None:
    applications = FakeApplications({"X-Probe": SecretStr("s3cret")})
    policy = Application(url="https://court.example", health_path="/alive", ready_path="/ready", endpoints=("/a", "/b"))
    seen = await examine(FakeEcs(service(target_groups=())), FakeBalancers(), applications)(TARGET, policy)
    address = Address("https://court.example", certified=True, headers={"X-Probe": SecretStr("s3cret")})
    assert applications.asked == [(address, path) for path in ("/alive", "/ready", "/a", "/b")]
    assert seen.endpoints == {"/a": Answer(200), "/b": Answer(200)}


async def test_a_secret_that_cannot_be_read_leaves_the_application_unknown_and_unasked() -> None:
    applications = FakeApplications(AwsError("cannot read the secret court/probe: AccessDeniedException"))
    seen = await examine(FakeEcs(), FakeBalancers(), applications)(TARGET, Application())
    why = NotObserved("cannot read the secret court/probe: AccessDeniedException")
    assert (seen.health, seen.ready, seen.endpoints) == (why, why, {"/api/v1/": why})
    assert (seen.targets, applications.asked) == (HEALTHY, [])


async def test_what_cannot_be_asked_does_not_keep_the_rest_from_being_seen() -> None:
    seen = await examine(FakeEcs(), FakeBalancers(dark=True))(TARGET, Application())
    assert seen.targets == NotObserved("Elastic Load Balancing did not answer DescribeTargetHealth: Throttling")
    assert seen.health == Answer(200)
    dark = await examine(FakeEcs(unavailable=True), FakeBalancers())(TARGET, Application())
    assert isinstance(dark.service, NotObserved)


async def test_an_observation_looks_up_how_our_rollout_ended_only_when_it_was_replaced() -> None:
    ecs = FakeEcs(ended=Rollout("ROLLBACK_SUCCESSFUL"))
    memory = Memory(began_at=NOW, deployment_id=OURS, seen=True, rollout="rollout-2")
    observe = Observe(ecs, FakeBalancers())
    assert (await observe(TARGET, memory, NOW)).rollout is None
    ecs.state = service(deployment("ecs-svc/3"))
    assert (await observe(TARGET, memory, NOW)).rollout == Rollout("ROLLBACK_SUCCESSFUL")
    assert ecs.asked == ["rollout-2"]
    ecs.unavailable = True
    with pytest.raises(AwsError):
        await observe(TARGET, memory, NOW)
