"""The requests of a campaign: runs on several targets, which follow from the seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from contracts.base import Target, caused_id
from contracts.deployment import DeploymentConfig, DeployRequested, ImageChange

ACCOUNT, REGION, CLUSTER = "123456789012", "us-west-2", "CourtCaseCluster"
SOURCE = "chaos"
REPOSITORY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/backend"
BEHAVIOURS = ("healthy",) * 5 + ("crash-loop",) * 3 + ("slow", "unhealthy", "wrong-architecture")
ABORTED = 0.06
"""The share of runs that a person aborts."""
CONFIG = DeploymentConfig(deployment_timeout_minutes=8, validation_timeout_minutes=8, baking_minutes=3)


@dataclass(frozen=True, slots=True)
class Asked:
    """The request of one run."""

    number: int
    target: Target
    behaviour: str
    tag: str
    """An image of its own, so that each change is one."""
    abort_after: float | None
    """Real seconds."""

    @property
    def id(self) -> str:
        return f"run-{self.number}"

    @property
    def run_id(self) -> str:
        return caused_id(SOURCE, self.id)

    @property
    def event(self) -> DeployRequested:
        change = ImageChange(reference=f"{REPOSITORY}:{self.tag}")
        return DeployRequested(target=self.target, change=change, actor="chaos", config=CONFIG)


def service_name(number: int) -> str:
    return "BackendService" if number == 1 else f"BackendService-{number}"


def target(number: int) -> Target:
    return Target(account=ACCOUNT, region=REGION, cluster=CLUSTER, service=service_name(number))


def requests(seed: int, runs: int, targets: int) -> Iterator[Asked]:
    """Yield ``runs`` requests; they go round the ``targets``."""
    random = Random(f"requests {seed}")
    for number in range(runs):
        behaviour = random.choice(BEHAVIOURS)
        abort_after = random.uniform(0.1, 8.0) if random.random() < ABORTED else None
        yield Asked(number, target(number % targets + 1), behaviour, f"{behaviour}-{seed}-{number}", abort_after)
