"""Two accounts and two regions, which the services' own connection enters."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from botocore.exceptions import EndpointConnectionError

from contracts.base import Target
from contracts.policy import Access, ServicePolicy
from sandbox.aws.accounts import ACCOUNT, REGION, SECOND_ACCOUNT
from sandbox.aws.server import SimulatedAws
from sandbox.aws.workloads import COURT, COURT_SOUTH, EVERYWHERE, EXTERNAL_ID, PAYMENTS, ROLE, Workload
from services._chassis.accounts import AccountWatch
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services._chassis.aws_limits import AwsLimits
from services._chassis.readiness import Readiness
from tests.kit import FakePolicies

NOW = 1_800_000_000.0
THERE = Access(role=f"arn:aws:iam::{SECOND_ACCOUNT}:role/{ROLE}", external_id=EXTERNAL_ID)
GUESSED = THERE.model_copy(update={"external_id": "guessed"})


def target_of(workload: Workload) -> Target:
    return Target(
        account=workload.place.account,
        region=workload.place.region,
        cluster=workload.cluster,
        service=workload.service,
    )


HERE, ELSEWHERE, SOUTH = map(target_of, (COURT, PAYMENTS, COURT_SOUTH))


def held(*targets: Target) -> dict[Target, ServicePolicy]:
    """Return what the policy holds of each of these services."""
    return {target: ServicePolicy(target=target) for target in targets}


class Connection(AwsConnection):
    """The services' connection to AWS; a test can make STS unreachable or slow."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(REGION, AwsLimits(answer=5, tries=1), now=now)
        self.asked: list[tuple[float, dict[str, Any]]] = []
        """When AssumeRole was called, and with which parameters."""
        self.sts_is_away: Callable[[], bool] = lambda: False
        self._clock = now

    def _assume_at(self, region: str, parameters: Any) -> Any:
        self.asked.append((self._clock(), dict(parameters)))
        if self.sts_is_away():
            raise EndpointConnectionError(endpoint_url=f"https://sts.{region}.amazonaws.com")
        return super()._assume_at(region, parameters)


@dataclass
class Installation:
    aws: SimulatedAws
    connection: Connection
    policies: FakePolicies
    """A test changes them as a reload would."""
    time: list[float]
    """Real time, which a test lets pass."""
    readiness: Readiness = field(default_factory=Readiness)

    def __post_init__(self) -> None:
        self.watch = AccountWatch(
            self.connection, self.policies, ACCOUNT, self.readiness, now=lambda: self.time[0], sleep=self.sleep
        )

    def at(self, target: Target, service: str = "health") -> Aws:
        return Aws(self.connection, service).at(target)

    async def service(self, target: Target) -> str:
        """Return the service's ARN, as ECS says it there."""
        answer = await self.at(target).call(
            "ecs", "describe_services", cluster=target.cluster, services=[target.service]
        )
        return str(answer["services"][0]["serviceArn"])

    async def sleep(self, seconds: float) -> None:
        self.time[0] += seconds

    def control(self, method: str, path: str, body: Any = None) -> Any:
        return httpx2.request(method, f"{self.aws.endpoint}/_sandbox/{path}", json=body, timeout=10).json()


@pytest.fixture(scope="module")
def shared() -> Iterator[SimulatedAws]:
    with SimulatedAws(clock=lambda: NOW, workloads=EVERYWHERE) as found:
        yield found


@pytest.fixture
def installation(shared: SimulatedAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", shared.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    time = [NOW]
    shared.sessions.clock = lambda: time[0]
    shared.calls.clear()
    with closing(Connection(lambda: time[0])) as connection:
        policies = FakePolicies()
        policies.held, policies.accounts = held(HERE, ELSEWHERE, SOUTH), {SECOND_ACCOUNT: THERE}
        yield Installation(shared, connection, policies, time)
    httpx2.request("DELETE", f"{shared.endpoint}/_sandbox/harm", timeout=10)
