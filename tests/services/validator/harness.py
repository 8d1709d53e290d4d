"""Shared by the tests of the validator's jobs: an ECS with what a test puts into it, and the answer of a job."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pydantic import SecretStr

from contracts.base import Target, caused_id
from contracts.monitor import DependencyFault
from contracts.policy import Application, Gates
from contracts.policy_tests import SMOKE, HttpTest, Tests
from contracts.results import StepFinished
from contracts.validator import Suite
from services._aws.errors import AwsError
from services._chassis.transition import Decision, Transition
from services._chassis.web import Address
from services.validator.domain.facts import Absent, Image, LiveService, NotAsked, TaskDefinition, Unknown
from services.validator.domain.manifest import LINUX_AMD64, Platform
from services.validator.domain.results import Answered, TestResult
from services.validator.ports import Addresses, Ways

TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
REPOSITORY = "123456789012.dkr.ecr.us-west-2.amazonaws.com/app"
DIGEST = "sha256:" + "ab" * 32
ARN = "arn:aws:ecs:us-west-2:123456789012:task-definition/api:7"
DEFAULT_GATES = Gates()
IN_FORCE, CARRIED = "1" * 64, "2" * 64
ARM64 = Platform("linux", "arm64")
GOOD = Image(DIGEST, frozenset({LINUX_AMD64, ARM64}))


def definition(*containers: str, active: bool = True, platform: Platform = LINUX_AMD64) -> TaskDefinition:
    return TaskDefinition(ARN, active, platform, {name: f"{REPOSITORY}:{name}" for name in containers})


LIVE = LiveService(ARN, ("arn:group",))


@dataclass
class FakeEcs:
    live: LiveService | Absent | Unknown = LIVE
    definitions: dict[str, TaskDefinition | Absent | Unknown] = field(default_factory=dict)

    async def service(self, target: Target) -> LiveService | Absent | Unknown:
        assert target == TARGET
        return self.live

    def __post_init__(self) -> None:
        self.definitions.setdefault(ARN, definition("web"))

    async def task_definition(self, target: Target, name: str) -> TaskDefinition | Absent | Unknown:
        return self.definitions.get(name, Absent(f"there is no task definition {name}"))


class FakeDatabases:
    """Each answer once, the last one for ever; None: the database is well."""

    def __init__(self, *answers: DependencyFault | AwsError | None) -> None:
        self.answers = list(answers or (None,))
        self.asked: list[str] = []

    async def fault(self, target: Target, instance: str, now: float) -> DependencyFault | None:
        assert target == TARGET
        self.asked.append(instance)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, AwsError):
            raise answer
        return answer


BALANCER = Address("http://lb.example:80")
WELL = tuple(TestResult("smoke", test, (Answered(200, 0.2),)) for test in SMOKE)


@dataclass
class FakeApplications:
    """Every path is at the policy's URL, else at ``found``."""

    found: Address | NotAsked | Unknown = BALANCER
    secrets: dict[str, SecretStr] | Unknown = field(default_factory=dict)
    instead: tuple[HttpTest, ...] = ()

    async def headers(self, target: Target, application: Application) -> dict[str, SecretStr] | Unknown:
        return self.secrets

    async def ways(
        self,
        target: Target,
        application: Application,
        target_groups: tuple[str, ...],
        paths: Collection[str],
        headers: Mapping[str, SecretStr],
    ) -> Ways | Unknown:
        if isinstance(self.found, Unknown):
            return self.found
        found = Address(application.url, certified=True) if application.url else self.found
        asked = {*paths, *(test.path for test in self.instead)}
        sent = {path: replace(found, headers=headers) if isinstance(found, Address) else found for path in asked}
        return Ways(sent, self.instead)


@dataclass
class FakeRunner:
    """Has seen ``results``, whatever is asked for."""

    results: tuple[TestResult, ...] = WELL
    asked: list[tuple[Address | NotAsked, Collection[Suite], float]] = field(default_factory=list)
    """The address of all paths, the suites, the deadline."""
    paths: set[str] = field(default_factory=set)
    tests: list[Tests] = field(default_factory=list)
    repeated: tuple[TestResult, ...] = ()
    """What it sees where tests are repeated."""
    again: list[tuple[TestResult, ...]] = field(default_factory=list)
    """The tests that were to be repeated."""
    went_on: list[bool] = field(default_factory=list)
    """Whether the smoke tests were worth going on, by whoever asked."""

    async def run(
        self,
        addresses: Addresses,
        tests: Tests,
        suites: Collection[Suite],
        deadline: float,
        go_on: Callable[[tuple[TestResult, ...]], bool],
    ) -> tuple[TestResult, ...]:
        self.asked.append((next(iter(addresses.values())), suites, deadline))
        self.paths = set(addresses)
        self.tests.append(tests)
        self.went_on.append(go_on(tuple(result for result in self.results if result.suite == "smoke")))
        return self.results

    async def repeat(
        self, addresses: Addresses, tests: Tests, results: Collection[TestResult], deadline: float
    ) -> tuple[TestResult, ...]:
        self.again.append(tuple(results))
        return self.repeated if results else ()


def decision(transition: Transition) -> Decision:
    return transition.decide(None)


def answer_of(transition: Transition, step: str) -> StepFinished:
    (emitted,) = decision(transition).emit
    assert emitted.id == caused_id("command-1", "finished")
    assert isinstance(emitted.event, StepFinished)
    assert (emitted.event.command_id, emitted.event.run_id, emitted.event.step) == ("command-1", "run-1", step)
    assert emitted.event.summary
    return emitted.event


def verdicts(answer: StepFinished) -> dict[str, str]:
    return {gate.name: gate.verdict.value for gate in answer.gates}
