"""Commands are answered, whatever is found."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from pydantic import SecretStr

from contracts.base import Target, caused_id
from contracts.deployment import Cause, Change, CheckUp, ImageChange, Observe, TaskDefinitionChange
from contracts.envelope import Meta
from contracts.gates import Verdict
from contracts.policy import SMOKE, Application, Gates, PreflightPolicy, ServicePolicy, Tests, ValidationPolicy
from contracts.results import PreflightOutput, ProbesOutput, StepFinished
from contracts.validator import RunPreflight, Suite, ValidateDeployment
from services._chassis.reasons import is_permanent, sentence_of
from services._chassis.transition import Cancelled, Decision, Transition
from services._chassis.web import Address, address_of
from services._policy.policies import Refused
from services.validator.domain.facts import Absent, Image, LiveService, Outside, TaskDefinition, Unknown
from services.validator.domain.judge import Answered, Silent, TestResult
from services.validator.domain.manifest import LINUX_AMD64, Platform
from services.validator.domain.operation import Validation as ValidationOperation
from services.validator.domain.reference import Reference
from services.validator.handlers import on_run_preflight, on_validate_deployment
from services.validator.jobs.preflight import PREFLIGHT, Preflight
from services.validator.jobs.validate import OPERATION, VALIDATION, ServiceTests, Validate, ValidateOnRequest
from tests.kit import FakeClock, FakePolicies, FakeRunning

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
    definitions: dict[str, TaskDefinition | Absent | Unknown] = field(default_factory=lambda: {ARN: definition("web")})

    async def service(self, target: Target) -> LiveService | Absent | Unknown:
        assert target == TARGET
        return self.live

    async def task_definition(self, target: Target, name: str) -> TaskDefinition | Absent | Unknown:
        return self.definitions.get(name, Absent(f"there is no task definition {name}"))


@dataclass
class FakeImages:
    """What each reference leads to; ECR's for those that are not named."""

    found: dict[str, Image | Absent | Outside | Unknown] = field(default_factory=dict)

    async def image(self, target: Target, reference: Reference) -> Image | Absent | Outside | Unknown:
        assert target == TARGET
        return self.found.get(str(reference), GOOD)


def decision(transition: Transition) -> Decision:
    return transition.decide(None)


def answer_of(transition: Transition, step: str) -> StepFinished:
    (emitted,) = decision(transition).emit
    assert emitted.id == caused_id("command-1", "finished")
    assert isinstance(emitted.event, StepFinished)
    assert (emitted.event.command_id, emitted.event.run_id, emitted.event.step) == ("command-1", "run-1", step)
    assert emitted.event.summary
    return emitted.event


async def preflight(
    change: Change,
    services: FakeEcs | None = None,
    images: FakeImages | None = None,
    gates: Gates = DEFAULT_GATES,
    *,
    carried: PreflightPolicy | None = None,
) -> StepFinished:
    command = RunPreflight(target=TARGET, run_id="run-1", change=change, policy=carried)
    policies = FakePolicies(ServicePolicy(target=TARGET, digest=IN_FORCE, gates=gates))
    job = Preflight(services or FakeEcs(), images or FakeImages(), policies)
    return answer_of(await job(FakeRunning(command.model_dump_json().encode())), PREFLIGHT)


def verdicts(answer: StepFinished) -> dict[str, str]:
    return {gate.name: gate.verdict.value for gate in answer.gates}


async def test_commands_become_jobs_under_their_own_id() -> None:
    meta = Meta(id="command-1", source="surefoot/orchestrator", time=NOW)
    one = await on_run_preflight(RunPreflight(target=TARGET, run_id="r", change=Observe()), meta)
    two = await on_validate_deployment(ValidateDeployment(target=TARGET, run_id="r", deadline=NOW), meta)
    (first,), (second,) = decision(one).jobs, decision(two).jobs
    assert (first.id, first.kind, second.id, second.kind) == ("command-1", PREFLIGHT, "command-1", VALIDATION)


async def test_a_good_image_passes_by_the_digest_of_its_index() -> None:
    answer = await preflight(ImageChange(reference=f"{REPOSITORY}:2"))
    assert answer.verdict is Verdict.PASS
    assert answer.cause is None
    assert answer.output == PreflightOutput(images={"web": f"{REPOSITORY}@{DIGEST}"})
    assert verdicts(answer) == dict.fromkeys(
        (
            "target_exists",
            "reference_valid",
            "image_unambiguous",
            "image_exists",
            "architecture",
            "digest_resolved",
        ),
        "pass",
    )


async def test_observing_needs_the_target_only() -> None:
    answer = await preflight(Observe())
    assert (answer.verdict, verdicts(answer)) == (Verdict.PASS, {"target_exists": "pass"})
    assert answer.output == PreflightOutput()


@pytest.mark.parametrize("rolling_out", [False, True])
async def test_a_request_without_a_change_learns_what_is_live(rolling_out: bool) -> None:
    live = LiveService(ARN, (), deployment_id="ecs-svc/7", rolling_out=rolling_out)
    answer = await preflight(CheckUp(), FakeEcs(live))
    assert (answer.verdict, verdicts(answer)) == (Verdict.PASS, {"target_exists": "pass"})
    assert answer.output == PreflightOutput(live_deployment="ecs-svc/7", under_way=rolling_out)


async def test_an_unknown_target_is_named() -> None:
    services = FakeEcs(Absent("there is no service api in the cluster Main"))
    answer = await preflight(Observe(), services)
    assert (answer.verdict, answer.cause, answer.output) == (Verdict.FAIL, Cause.USAGE, None)
    assert answer.summary == "there is no service api in the cluster Main"


async def test_a_silent_aws_is_an_error_and_no_verdict() -> None:
    answer = await preflight(Observe(), FakeEcs(Unknown("ECS did not answer DescribeServices: Throttled")))
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.ERROR)


@pytest.mark.parametrize("container", [None, "cache"])
async def test_the_containers_there_are_are_named(container: str | None) -> None:
    services = FakeEcs(definitions={ARN: definition("web", "proxy")})
    answer = await preflight(ImageChange(reference=f"{REPOSITORY}:2", container=container), services)
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.USAGE)
    assert verdicts(answer)["image_unambiguous"] == "fail"
    assert "web, proxy" in answer.summary


async def test_a_named_container_of_several_is_the_one() -> None:
    services = FakeEcs(definitions={ARN: definition("web", "proxy")})
    answer = await preflight(ImageChange(reference=f"{REPOSITORY}:2", container="proxy"), services)
    assert answer.output == PreflightOutput(images={"proxy": f"{REPOSITORY}@{DIGEST}"})


async def test_a_malformed_reference_is_a_usage_error() -> None:
    answer = await preflight(ImageChange(reference="App:latest"))
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.USAGE)
    assert verdicts(answer)["reference_valid"] == "fail"


async def test_an_image_that_is_not_there_blocks() -> None:
    images = FakeImages({f"{REPOSITORY}:2": Absent(f"there is no image {REPOSITORY}:2")})
    answer = await preflight(ImageChange(reference=f"{REPOSITORY}:2"), images=images)
    assert (answer.verdict, answer.cause, answer.output) == (Verdict.FAIL, Cause.GATE, None)
    assert answer.summary == f"there is no image {REPOSITORY}:2"


async def test_an_arm_image_is_refused_with_advice() -> None:
    images = FakeImages({f"{REPOSITORY}:2": Image(DIGEST, frozenset({ARM64}))})
    answer = await preflight(ImageChange(reference=f"{REPOSITORY}:2"), images=images)
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.GATE)
    assert "is linux/arm64, not linux/amd64: build it with --platform linux/amd64" in answer.summary


@pytest.mark.parametrize(
    ("platforms", "required", "expected"),
    [
        ({LINUX_AMD64}, "linux/amd64", "fail"),  # it could not run there
        ({ARM64}, "linux/amd64", "fail"),  # the requirements' platform
        ({ARM64, LINUX_AMD64}, "linux/amd64", "pass"),
        ({ARM64}, "task-definition", "pass"),
        ({LINUX_AMD64}, "task-definition", "fail"),
    ],
)
async def test_an_image_has_to_fit_its_task_definition_and_the_policy(
    platforms: set[Platform], required: Literal["linux/amd64", "task-definition"], expected: str
) -> None:
    services = FakeEcs(definitions={ARN: definition("web", platform=ARM64)})
    images = FakeImages({f"{REPOSITORY}:2": Image(DIGEST, frozenset(platforms))})
    answer = await preflight(ImageChange(reference=f"{REPOSITORY}:2"), services, images, Gates(image_platform=required))
    assert verdicts(answer)["architecture"] == expected


async def test_an_unreadable_manifest_is_an_error_and_no_verdict() -> None:
    images = FakeImages({f"{REPOSITORY}:2": Image(DIGEST, Unknown("its manifest cannot be read"))})
    answer = await preflight(ImageChange(reference=f"{REPOSITORY}:2"), images=images)
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.ERROR)
    assert verdicts(answer)["image_exists"] == "pass"


async def test_an_image_elsewhere_is_left_open_and_applied_by_its_own_digest_only() -> None:
    outside = Outside("it is not in ECR in us-west-2")
    images = FakeImages({"nginx:1": outside, f"nginx@{DIGEST}": outside})
    tagged = await preflight(ImageChange(reference="nginx:1"), images=images)
    assert (tagged.verdict, tagged.cause, tagged.output) == (Verdict.FAIL, Cause.GATE, None)
    assert verdicts(tagged)["image_exists"] == "inconclusive"
    assert "nginx@sha256:" in tagged.summary
    exact = await preflight(ImageChange(reference=f"nginx@{DIGEST}"), images=images)
    assert (exact.verdict, exact.cause) == (Verdict.INCONCLUSIVE, Cause.GATE)
    assert verdicts(exact) | {"image_exists": "?", "architecture": "?"} == dict.fromkeys(verdicts(exact), "pass") | {
        "image_exists": "?",
        "architecture": "?",
    }
    assert exact.output == PreflightOutput(images={"web": f"nginx@{DIGEST}"})


async def test_a_task_definition_is_resolved_to_its_arn() -> None:
    services = FakeEcs(definitions={"api:7": definition("web")})
    answer = await preflight(TaskDefinitionChange(task_definition="api:7"), services)
    assert answer.verdict is Verdict.PASS
    assert answer.output == PreflightOutput(task_definition=ARN)


async def test_an_unknown_task_definition_is_named() -> None:
    answer = await preflight(TaskDefinitionChange(task_definition="api:9"))
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.USAGE)
    assert answer.summary == "there is no task definition api:9"


async def test_a_deregistered_task_definition_is_refused() -> None:
    services = FakeEcs(definitions={"api:7": definition("web", active=False)})
    answer = await preflight(TaskDefinitionChange(task_definition="api:7"), services)
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.USAGE)
    assert verdicts(answer)["task_definition_active"] == "fail"


async def test_one_wrong_image_among_a_task_definition_s_fails_it() -> None:
    services = FakeEcs(definitions={"api:7": definition("web", "proxy")})
    images = FakeImages({f"{REPOSITORY}:proxy": Image(DIGEST, frozenset({ARM64}))})
    answer = await preflight(TaskDefinitionChange(task_definition="api:7"), services, images)
    assert verdicts(answer)["architecture"] == "fail"
    assert f"{REPOSITORY}:proxy is linux/arm64" in answer.summary


async def test_a_sidecar_from_elsewhere_does_not_stand_in_the_way_but_is_told() -> None:
    services = FakeEcs(definitions={"api:7": definition("web", "proxy")})
    images = FakeImages({f"{REPOSITORY}:proxy": Outside("proxy cannot be looked up from here")})
    answer = await preflight(TaskDefinitionChange(task_definition="api:7"), services, images)
    assert answer.verdict is Verdict.PASS
    assert any("proxy cannot be looked up" in gate.detail for gate in answer.gates)


async def test_an_external_controller_leaves_the_containers_unknown() -> None:
    answer = await preflight(ImageChange(reference="app:1"), FakeEcs(LiveService(None, ())))
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.GATE)
    assert "EXTERNAL" in answer.summary


async def test_a_command_keeps_the_policy_of_its_run_and_one_without_takes_that_in_force() -> None:
    services = FakeEcs(definitions={ARN: definition("web", platform=ARM64)})
    images = FakeImages({f"{REPOSITORY}:2": Image(DIGEST, frozenset({ARM64}))})
    change = ImageChange(reference=f"{REPOSITORY}:2")
    kept = PreflightPolicy(digest=CARRIED, gates=Gates(image_platform="task-definition"))
    answer = await preflight(change, services, images, carried=kept)
    assert (verdicts(answer)["architecture"], answer.policy_digest) == ("pass", CARRIED)
    answer = await preflight(change, services, images)
    assert (verdicts(answer)["architecture"], answer.policy_digest) == ("fail", IN_FORCE)


# validation


BALANCER = Address("http://lb.example:80")
WELL = tuple(TestResult("smoke", test, (Answered(200, 0.2),)) for test in SMOKE)


@dataclass
class FakeApplications:
    found: Address | Absent | Unknown = BALANCER
    secrets: dict[str, SecretStr] | Unknown = field(default_factory=dict)

    async def address(
        self, target: Target, application: Application, target_groups: tuple[str, ...]
    ) -> Address | Absent | Unknown:
        return address_of(application, None) or self.found

    async def headers(self, target: Target, application: Application) -> dict[str, SecretStr] | Unknown:
        return self.secrets


@dataclass
class FakeRunner:
    results: tuple[TestResult, ...] = WELL
    asked: list[tuple[Address, Collection[Suite], float]] = field(default_factory=list)
    tests: list[Tests] = field(default_factory=list)

    async def run(
        self, address: Address, tests: Tests, suites: Collection[Suite], deadline: float
    ) -> tuple[TestResult, ...]:
        self.asked.append((address, suites, deadline))
        self.tests.append(tests)
        return self.results


def service_tests(runner: FakeRunner, **more: Any) -> ServiceTests:
    parts: dict[str, Any] = {"services": FakeEcs(), "applications": FakeApplications()} | more
    return ServiceTests(runner=runner, **parts)


def validation(runner: FakeRunner, policy: ServicePolicy | None = None, **more: Any) -> Validate:
    policies = FakePolicies(policy or ServicePolicy(target=TARGET, digest=IN_FORCE))
    return Validate(service_tests(runner, **more), policies)


async def validate(job: Validate, *, cancelled: bool = False, carried: ValidationPolicy | None = None) -> StepFinished:
    command = ValidateDeployment(target=TARGET, run_id="run-1", deadline=NOW, policy=carried)
    running = FakeRunning(command.model_dump_json().encode(), is_cancelled=lambda: cancelled)
    return answer_of(await job(running), VALIDATION)


async def test_a_service_that_works_passes() -> None:
    runner = FakeRunner()
    answer = await validate(validation(runner))
    assert (answer.verdict, answer.cause) == (Verdict.PASS, None)
    assert answer.output == ProbesOutput(requests=4, failures=0, p95_seconds=0.2)
    assert runner.asked == [(Address("http://lb.example:80"), ("smoke", "api"), NOW.timestamp())]


async def test_a_service_that_does_not_fails_and_says_what() -> None:
    runner = FakeRunner((TestResult("smoke", SMOKE[0], (Silent("no connection"),)),))
    answer = await validate(validation(runner))
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.GATE)
    assert any("health: GET /health: no connection (1 attempt)" in gate.detail for gate in answer.gates)


async def test_no_time_is_no_verdict() -> None:
    answer = await validate(validation(FakeRunner(tuple(TestResult("smoke", test) for test in SMOKE))))
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.TIMEOUT)


async def test_without_a_load_balancer_there_is_no_verdict() -> None:
    runner = FakeRunner()
    answer = await validate(validation(runner, applications=FakeApplications(Absent("no load balancer"))))
    assert (answer.verdict, answer.cause, answer.output) == (Verdict.INCONCLUSIVE, Cause.GATE, None)
    assert verdicts(answer) == {"load_balancer": "inconclusive"}
    assert not runner.asked


async def test_a_load_balancer_that_could_not_be_looked_up_is_an_error() -> None:
    answer = await validate(validation(FakeRunner(), applications=FakeApplications(Unknown("refused"))))
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.ERROR)


async def test_a_vanished_service_fails() -> None:
    answer = await validate(validation(FakeRunner(), services=FakeEcs(Absent("it was deleted"))))
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.USAGE)


HERE = Application(url="https://api.example")


async def test_a_configured_address_wins_and_its_certificate_counts() -> None:
    runner = FakeRunner()
    await validate(validation(runner, ServicePolicy(target=TARGET, application=HERE)))
    assert runner.asked[0][0] == Address("https://api.example", certified=True)


async def test_a_cancelled_validation_answers_nothing() -> None:
    with pytest.raises(Cancelled):
        await validate(validation(FakeRunner()), cancelled=True)


async def test_an_operation_keeps_its_result_as_a_record() -> None:
    operation = ValidationOperation(
        operation_id="op", target=TARGET, suites=("smoke",), requested_at=NOW, deadline=NOW, actor="ada"
    )
    running = FakeRunning(operation.model_dump_json().encode(), id="op", kind=OPERATION)
    policies = FakePolicies(ServicePolicy(target=TARGET, digest=IN_FORCE, tests=Tests(other_retries=5)))
    runner = FakeRunner()
    done = decision(await ValidateOnRequest(service_tests(runner), policies, FakeClock(NOW.timestamp()))(running))
    assert runner.tests == [Tests(other_retries=5)]
    assert not done.emit
    kept = ValidationOperation.model_validate_json(done.records["operation:op"])
    assert (kept.state, kept.actor) == ("finished", "ada")
    assert kept.sentence
    assert kept.result is not None
    assert (kept.result.verdict, kept.result.policy_digest) == (Verdict.PASS, IN_FORCE)
    assert [test.name for test in kept.result.tests] == [test.name for test in SMOKE]


@pytest.mark.parametrize(
    ("tests", "expected"),
    [
        (Tests(), Verdict.PASS),
        (Tests(response_time_seconds=0.1), Verdict.FAIL),
    ],
)
async def test_two_services_with_other_limits_are_judged_apart(tests: Tests, expected: Verdict) -> None:
    runner = FakeRunner()
    answer = await validate(validation(runner, ServicePolicy(target=TARGET, digest=IN_FORCE, tests=tests)))
    assert (answer.verdict, answer.policy_digest, runner.tests) == (expected, IN_FORCE, [tests])


async def test_a_validation_keeps_the_policy_of_its_run() -> None:
    runner = FakeRunner()
    kept = ValidationPolicy(digest=CARRIED, application=HERE, tests=Tests(response_time_seconds=0.1))
    answer = await validate(validation(runner), carried=kept)
    assert (answer.verdict, answer.policy_digest, runner.tests) == (Verdict.FAIL, CARRIED, [kept.tests])
    assert runner.asked[0][0] == Address("https://api.example", certified=True)


async def test_the_policy_s_headers_go_along() -> None:
    runner = FakeRunner()
    headers = {"X-Probe": SecretStr("s3cret")}
    answer = await validate(validation(runner, applications=FakeApplications(secrets=headers)))
    assert runner.asked[0][0] == Address("http://lb.example:80", headers=headers)
    assert "s3cret" not in answer.model_dump_json()


async def test_headers_that_cannot_be_read_are_no_verdict() -> None:
    runner = FakeRunner()
    secrets = Unknown("cannot read the secret shop/probe: AccessDeniedException")
    answer = await validate(validation(runner, applications=FakeApplications(secrets=secrets)))
    assert (answer.verdict, answer.cause, answer.summary) == (Verdict.INCONCLUSIVE, Cause.ERROR, secrets.detail)
    assert not runner.asked


async def test_a_service_that_the_policy_refuses_fails_at_once_with_the_policy_s_sentence() -> None:
    class Refusing(FakePolicies):
        def of(self, target: Target) -> ServicePolicy:
            raise Refused(f"{target} is not listed in the policy")

    command = ValidateDeployment(target=TARGET, run_id="run-1", deadline=NOW)
    job = Validate(service_tests(FakeRunner()), Refusing())
    with pytest.raises(Refused) as caught:
        await job(FakeRunning(command.model_dump_json().encode()))
    assert is_permanent(caught.value)
    assert sentence_of(caught.value) == f"{TARGET} is not listed in the policy"
