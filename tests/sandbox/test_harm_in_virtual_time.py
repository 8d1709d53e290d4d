"""AWS fails in a rehearsal as it does over a socket, and takes the loop's time for it."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from sandbox.aws.accounts import REGION
from sandbox.aws.server.in_process import InProcessAws
from sandbox.scenarios.harm import Rule
from sandbox.virtual.aws import InProcessConnection, botocore_in_virtual_time
from sandbox.virtual.clock import LoopClock
from sandbox.virtual.loop import VirtualLoop

SERVICE = {"cluster": "CourtCaseCluster", "services": ["BackendService"]}


@dataclass
class Harmed:
    loop: VirtualLoop
    aws: InProcessAws
    gateway: Any
    connection: InProcessConnection

    def call(self, operation: str, **parameters: Any) -> tuple[Any, float]:
        """The answer or the error of a call of ECS, and how many seconds it took."""
        ecs = self.connection.client("ecs")

        async def ask() -> Any:
            running = asyncio.get_running_loop()
            return await running.run_in_executor(None, lambda: getattr(ecs, operation)(**parameters))

        begun = self.loop.time()
        try:
            answer = self.loop.run_until_complete(ask())
        except (ClientError, ReadTimeoutError, ConnectionClosedError) as error:
            answer = error
        return answer, self.loop.time() - begun

    def harm(self, **rule: Any) -> None:
        self.gateway.fault_rules.add(Rule.model_validate({"service": "ecs", **rule}))

    def desired(self) -> int:
        return int(self.call("describe_services", **SERVICE)[0]["services"][0]["desiredCount"])


@pytest.fixture
def harmed() -> Iterator[Harmed]:
    loop = VirtualLoop()
    clock = LoopClock(loop, 1_764_000_000.0)
    aws = InProcessAws(clock.now)
    gateway = aws.open("http://aws.sandbox", "app.sandbox", [80])
    with botocore_in_virtual_time(loop):
        yield Harmed(loop, aws, gateway, InProcessConnection(REGION, gateway, loop=loop))
    aws.close()
    loop.close()


def update(harmed: Harmed, desired: int) -> tuple[Any, float]:
    return harmed.call("update_service", cluster="CourtCaseCluster", service="BackendService", desiredCount=desired)


def test_tries_of_a_throttled_call_take_the_loops_time(harmed: Harmed) -> None:
    harmed.harm(kind="throttle", operation="DescribeServices")
    error, seconds = harmed.call("describe_services", **SERVICE)
    assert error.response["Error"]["Code"] == "ThrottlingException"
    assert seconds > 0.01
    assert harmed.gateway.fault_rules.rules()[0]["done"] == 4


def test_a_hanging_call_lasts_as_long_as_its_caller_waits(harmed: Harmed) -> None:
    harmed.harm(kind="hang", operation="UpdateService")
    error, seconds = update(harmed, 5)
    assert isinstance(error, ReadTimeoutError)
    assert 40 <= seconds < 120, "four tries of ten seconds, and the pauses between them"
    assert harmed.desired() == 3


def test_a_slow_call_is_answered_late_and_lands_late_where_nobody_waits_for_it(harmed: Harmed) -> None:
    harmed.harm(kind="slow", operation="UpdateService", delay=4, calls=1)
    answer, seconds = update(harmed, 5)
    assert answer["service"]["desiredCount"] == 5
    assert seconds == pytest.approx(4)
    harmed.harm(kind="slow", operation="UpdateService", delay=30)
    error, _ = update(harmed, 4)
    assert isinstance(error, ReadTimeoutError)
    harmed.loop.run_until_complete(asyncio.sleep(60))
    assert harmed.desired() == 4


def test_a_connection_can_end_before_and_after_the_effect(harmed: Harmed) -> None:
    harmed.harm(kind="reset", operation="UpdateService", calls=4)
    assert isinstance(update(harmed, 5)[0], ConnectionClosedError)
    assert harmed.desired() == 3
    harmed.harm(kind="reset-after", operation="UpdateService", calls=4)
    assert isinstance(update(harmed, 5)[0], ConnectionClosedError)
    assert harmed.desired() == 5


def test_fields_can_be_missing_from_an_answer(harmed: Harmed) -> None:
    harmed.harm(kind="omit", operation="DescribeServices", omits=["createdAt", "deployments"])
    (service,) = harmed.call("describe_services", **SERVICE)[0]["services"]
    assert {"createdAt", "deployments"}.isdisjoint(service)
    assert service["desiredCount"] == 3
    harmed.gateway.fault_rules.add(Rule(kind="omit", service="elasticloadbalancing", omits=("DNSName", "Scheme")))
    (balancer,) = harmed.connection.client("elbv2").describe_load_balancers()["LoadBalancers"]
    assert "DNSName" not in balancer
    assert balancer["LoadBalancerName"] == "court-case-alb"


def test_a_rule_ends_after_its_seconds_of_the_loop(harmed: Harmed) -> None:
    harmed.harm(kind="deny", operation="DescribeServices", seconds=60)
    assert harmed.call("describe_services", **SERVICE)[0].response["Error"]["Code"] == "AccessDeniedException"
    harmed.loop.run_until_complete(asyncio.sleep(61))
    assert harmed.desired() == 3
