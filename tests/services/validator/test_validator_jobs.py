"""Commands are answered, whatever is found."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.base import Target, caused_id
from contracts.deployment import Cause, Change, CheckUp, ImageChange, Observe, TaskDefinitionChange
from contracts.envelope import Meta
from contracts.gates import Verdict
from contracts.results import PreflightOutput, ProbesOutput, StepFinished
from contracts.validator import RunPreflight, Suite, ValidateDeployment
from services._chassis.clock import Pace, PacedClock
from services._chassis.transition import Cancelled, Decision, Emit, Transition
from services.validator.domain.facts import Absent, Image, LiveService, Outside, TaskDefinition, Unknown
from services.validator.domain.judge import Answered, Silent, Thresholds, Tried
from services.validator.domain.manifest import LINUX_AMD64, Platform
from services.validator.domain.operation import Validation as ValidationOperation
from services.validator.domain.reference import Reference
from services.validator.domain.suites import SMOKE
from services.validator.handlers import (
    OPERATION,
    PREFLIGHT,
    VALIDATION,
    Preflight,
    Validation,
    on_run_preflight,
    on_validate_deployment,
)
from services.validator.ports import Address

TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
REPOSITORY = "123456789012.dkr.ecr.us-west-2.amazonaws.com/app"
DIGEST = "sha256:" + "ab" * 32
ARN = "arn:aws:ecs:us-west-2:123456789012:task-definition/api:7"
ARM64 = Platform("linux", "arm64")
GOOD = Image(DIGEST, frozenset({LINUX_AMD64, ARM64}))


def definition(*containers: str, active: bool = True, platform: Platform = LINUX_AMD64) -> TaskDefinition:
    return TaskDefinition(ARN, active, platform, {name: f"{REPOSITORY}:{name}" for name in containers})


LIVE = LiveService(ARN, ("arn:group",))


@dataclass
class FakeServices:
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


@dataclass
class FakeRunning:
    payload: bytes
    id: str = "command-1"
    kind: str = "any"
    fence: int = 1
    attempt: int = 1
    saved: bytes | None = None
    cancelled: bool = False

    async def checkpoint(self, data: bytes) -> None:
        await self.check()

    async def check(self) -> None:
        if self.cancelled:
            raise Cancelled(self.id)

    async def emit(self, *emissions: Emit) -> None:
        raise AssertionError("the validator tells its answer only")


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
    services: FakeServices | None = None,
    images: FakeImages | None = None,
    policy: Platform | None = LINUX_AMD64,
) -> StepFinished:
    command = RunPreflight(target=TARGET, run_id="run-1", change=change)
    job = Preflight(services or FakeServices(), images or FakeImages(), policy)
    return answer_of(await job.work(FakeRunning(command.model_dump_json().encode())), PREFLIGHT)


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
    answer = await preflight(CheckUp(), FakeServices(live))
    assert (answer.verdict, verdicts(answer)) == (Verdict.PASS, {"target_exists": "pass"})
    assert answer.output == PreflightOutput(live_deployment="ecs-svc/7", under_way=rolling_out)


async def test_an_unknown_target_is_named() -> None:
    services = FakeServices(Absent("there is no service api in the cluster Main"))
    answer = await preflight(Observe(), services)
    assert (answer.verdict, answer.cause, answer.output) == (Verdict.FAIL, Cause.USAGE, None)
    assert answer.summary == "there is no service api in the cluster Main"


async def test_a_silent_aws_is_an_error_and_no_verdict() -> None:
    answer = await preflight(Observe(), FakeServices(Unknown("ECS did not answer DescribeServices: Throttled")))
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.ERROR)


@pytest.mark.parametrize("container", [None, "cache"])
async def test_the_containers_there_are_are_named(container: str | None) -> None:
    services = FakeServices(definitions={ARN: definition("web", "proxy")})
    answer = await preflight(ImageChange(reference=f"{REPOSITORY}:2", container=container), services)
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.USAGE)
    assert verdicts(answer)["image_unambiguous"] == "fail"
    assert "web, proxy" in answer.summary


async def test_a_named_container_of_several_is_the_one() -> None:
    services = FakeServices(definitions={ARN: definition("web", "proxy")})
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
    ("platforms", "policy", "expected"),
    [
        ({LINUX_AMD64}, LINUX_AMD64, "fail"),  # it could not run there
        ({ARM64}, LINUX_AMD64, "fail"),  # the requirements' policy
        ({ARM64, LINUX_AMD64}, LINUX_AMD64, "pass"),
        ({ARM64}, None, "pass"),
        ({LINUX_AMD64}, None, "fail"),
    ],
)
async def test_an_image_has_to_fit_its_task_definition_and_the_policy(
    platforms: set[Platform], policy: Platform | None, expected: str
) -> None:
    services = FakeServices(definitions={ARN: definition("web", platform=ARM64)})
    images = FakeImages({f"{REPOSITORY}:2": Image(DIGEST, frozenset(platforms))})
    answer = await preflight(ImageChange(reference=f"{REPOSITORY}:2"), services, images, policy)
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
    services = FakeServices(definitions={"api:7": definition("web")})
    answer = await preflight(TaskDefinitionChange(task_definition="api:7"), services)
    assert answer.verdict is Verdict.PASS
    assert answer.output == PreflightOutput(task_definition=ARN)


async def test_an_unknown_task_definition_is_named() -> None:
    answer = await preflight(TaskDefinitionChange(task_definition="api:9"))
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.USAGE)
    assert answer.summary == "there is no task definition api:9"


async def test_a_deregistered_task_definition_is_refused() -> None:
    services = FakeServices(definitions={"api:7": definition("web", active=False)})
    answer = await preflight(TaskDefinitionChange(task_definition="api:7"), services)
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.USAGE)
    assert verdicts(answer)["task_definition_active"] == "fail"


async def test_one_wrong_image_among_a_task_definition_s_fails_it() -> None:
    services = FakeServices(definitions={"api:7": definition("web", "proxy")})
    images = FakeImages({f"{REPOSITORY}:proxy": Image(DIGEST, frozenset({ARM64}))})
    answer = await preflight(TaskDefinitionChange(task_definition="api:7"), services, images)
    assert verdicts(answer)["architecture"] == "fail"
    assert f"{REPOSITORY}:proxy is linux/arm64" in answer.summary


async def test_a_sidecar_from_elsewhere_does_not_stand_in_the_way_but_is_told() -> None:
    services = FakeServices(definitions={"api:7": definition("web", "proxy")})
    images = FakeImages({f"{REPOSITORY}:proxy": Outside("proxy cannot be looked up from here")})
    answer = await preflight(TaskDefinitionChange(task_definition="api:7"), services, images)
    assert answer.verdict is Verdict.PASS
    assert any("proxy cannot be looked up" in gate.detail for gate in answer.gates)


async def test_an_external_controller_leaves_the_containers_unknown() -> None:
    answer = await preflight(ImageChange(reference="app:1"), FakeServices(LiveService(None, ())))
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.GATE)
    assert "EXTERNAL" in answer.summary


# validation


BALANCER = Address("http://lb.example:80")


@dataclass
class FakeBalancers:
    found: Address | Absent | Unknown = BALANCER

    async def address(self, target: Target, target_groups: tuple[str, ...]) -> Address | Absent | Unknown:
        return self.found


@dataclass
class FakeProbes:
    tried: tuple[Tried, ...] = tuple(Tried("smoke", test, (Answered(200, 0.2),)) for test in SMOKE)
    asked: list[tuple[Address, Collection[Suite], float]] = field(default_factory=list)

    async def run(self, address: Address, suites: Collection[Suite], deadline: float) -> tuple[Tried, ...]:
        self.asked.append((address, suites, deadline))
        return self.tried


def validation(probes: FakeProbes, **more: Any) -> Validation:
    urls = more.pop("base_urls", {})
    parts: dict[str, Any] = {"services": FakeServices(), "balancers": FakeBalancers()} | more
    return Validation(probes=probes, base_urls=urls, thresholds=Thresholds(), clock=PacedClock(Pace()), **parts)


async def validate(job: Validation, *, cancelled: bool = False) -> StepFinished:
    command = ValidateDeployment(target=TARGET, run_id="run-1", deadline=NOW)
    running = FakeRunning(command.model_dump_json().encode(), cancelled=cancelled)
    return answer_of(await job.answer_command(running), VALIDATION)


async def test_a_service_that_works_passes() -> None:
    probes = FakeProbes()
    answer = await validate(validation(probes))
    assert (answer.verdict, answer.cause) == (Verdict.PASS, None)
    assert answer.output == ProbesOutput(requests=4, failures=0, p95_seconds=0.2)
    assert probes.asked == [(Address("http://lb.example:80"), ("smoke", "api"), NOW.timestamp())]


async def test_a_service_that_does_not_fails_and_says_what() -> None:
    probes = FakeProbes((Tried("smoke", SMOKE[0], (Silent("no connection"),)),))
    answer = await validate(validation(probes))
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.GATE)
    assert any("health: GET /health: no connection (1 attempt)" in gate.detail for gate in answer.gates)


async def test_no_time_is_no_verdict() -> None:
    answer = await validate(validation(FakeProbes(tuple(Tried("smoke", test) for test in SMOKE))))
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.TIMEOUT)


async def test_without_a_load_balancer_there_is_no_verdict() -> None:
    probes = FakeProbes()
    answer = await validate(validation(probes, balancers=FakeBalancers(Absent("no load balancer"))))
    assert (answer.verdict, answer.cause, answer.output) == (Verdict.INCONCLUSIVE, Cause.GATE, None)
    assert verdicts(answer) == {"load_balancer": "inconclusive"}
    assert not probes.asked


async def test_a_load_balancer_that_could_not_be_looked_up_is_an_error() -> None:
    answer = await validate(validation(FakeProbes(), balancers=FakeBalancers(Unknown("refused"))))
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.ERROR)


async def test_a_vanished_service_fails() -> None:
    answer = await validate(validation(FakeProbes(), services=FakeServices(Absent("it was deleted"))))
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.USAGE)


async def test_a_configured_address_wins_and_its_certificate_counts() -> None:
    probes = FakeProbes()
    await validate(validation(probes, base_urls={"Main/api": "https://api.example"}))
    assert probes.asked[0][0] == Address("https://api.example", certified=True)


async def test_a_cancelled_validation_answers_nothing() -> None:
    with pytest.raises(Cancelled):
        await validate(validation(FakeProbes()), cancelled=True)


async def test_an_operation_keeps_its_result_as_a_record() -> None:
    operation = ValidationOperation(
        operation_id="op", target=TARGET, suites=("smoke",), requested_at=NOW, deadline=NOW, actor="ada"
    )
    running = FakeRunning(operation.model_dump_json().encode(), id="op", kind=OPERATION)
    done = decision(await validation(FakeProbes()).answer_request(running))
    assert not done.emit
    kept = ValidationOperation.model_validate_json(done.records["operation:op"])
    assert (kept.state, kept.actor) == ("finished", "ada")
    assert kept.sentence
    assert kept.result is not None
    assert kept.result.verdict is Verdict.PASS
    assert [test.name for test in kept.result.tests] == [test.name for test in SMOKE]
