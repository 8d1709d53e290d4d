"""Preflight: its command is answered, whatever is found."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pytest

from contracts.base import Target
from contracts.deployment import Cause, Change, CheckUp, ImageChange, Observe, TaskDefinitionChange
from contracts.gates import Verdict
from contracts.image_reference import Reference
from contracts.policy import Application, ChangeScope, Gates, ServicePolicy
from contracts.policy_parts import PreflightPolicy, ValidationPolicy
from contracts.policy_tests import SMOKE, Tests
from contracts.results import PreflightOutput, StepFinished
from contracts.rollout_pace import RolloutPace
from contracts.validator import RunPreflight
from services._chassis.web import Address
from services.validator.domain.facts import Absent, Balancer, Image, LiveService, Outside, Unknown
from services.validator.domain.manifest import LINUX_AMD64, Platform
from services.validator.domain.results import Answered, TestResult, Unreachable
from services.validator.domain.way_back import Need, WayBack
from services.validator.jobs.preflight import PREFLIGHT, Preflight
from services.validator.jobs.service_tests import BASELINE_SECONDS, ServiceTests
from tests.kit import FakeClock, FakePolicies, FakeRunning
from tests.services.validator.harness import (
    ARM64,
    ARN,
    BALANCER,
    CARRIED,
    DEFAULT_GATES,
    DIGEST,
    GOOD,
    IN_FORCE,
    LIVE,
    NOW,
    REPOSITORY,
    TARGET,
    WELL,
    FakeApplications,
    FakeDatabases,
    FakeEcs,
    FakeRunner,
    answer_of,
    definition,
    verdicts,
)

PACES = {None: RolloutPace(tasks=3), "api:7": RolloutPace(tasks=3, draining=90)}
"""Task definition that is named → its pace."""
NAMED_NONE = PACES[None]
WAY_BACK = WayBack("api:7", (Need(True, "the image is there"),))


@dataclass
class FakeImages:
    """Has the images that are ``found`` under their references, and a good image under every other reference."""

    found: dict[str, Image | Absent | Outside | Unknown] = field(default_factory=dict)

    async def image(self, target: Target, reference: Reference) -> Image | Absent | Outside | Unknown:
        assert target == TARGET
        return self.found.get(str(reference), GOOD)

    async def digest(self, target: Target, reference: Reference) -> str | Absent | Outside | Unknown:
        raise AssertionError(f"nobody asks for the digest of {reference} alone")


@dataclass
class FakeRollouts:
    back: WayBack | Absent | Unknown = WAY_BACK

    async def way_back(self, target: Target) -> WayBack | Absent | Unknown:
        assert target == TARGET
        return self.back

    async def pace(self, target: Target, task_definition: str | None) -> RolloutPace | None:
        assert target == TARGET
        return PACES.get(task_definition)

    async def target_types(self, target: Target, groups: tuple[str, ...]) -> dict[str, str]:
        return {}


def service_tests(runner: FakeRunner, found: Address | Unknown = BALANCER) -> ServiceTests:
    return ServiceTests(FakeEcs(), FakeApplications(found), FakeDatabases(), runner, FakeClock(NOW.timestamp()))


async def preflight(
    change: Change,
    services: FakeEcs | None = None,
    images: FakeImages | None = None,
    gates: Gates = DEFAULT_GATES,
    *,
    carried: PreflightPolicy | None = None,
    tests: ServiceTests | None = None,
    baseline: ValidationPolicy | None = None,
    back: WayBack | Absent | Unknown = WAY_BACK,
    allowed: ChangeScope = ChangeScope(),  # noqa: B008  frozen
) -> StepFinished:
    command = RunPreflight(target=TARGET, run_id="run-1", change=change, policy=carried, baseline=baseline)
    policies = FakePolicies(ServicePolicy(target=TARGET, digest=IN_FORCE, gates=gates, change=allowed))
    job = Preflight(
        services or FakeEcs(),
        images or FakeImages(),
        FakeRollouts(back),
        policies,
        tests or service_tests(FakeRunner()),
    )
    return answer_of(await job(FakeRunning(command.model_dump_json().encode())), PREFLIGHT)


async def test_a_good_image_passes_by_the_digest_of_its_index() -> None:
    answer = await preflight(ImageChange(reference=f"{REPOSITORY}:2"))
    assert answer.verdict is Verdict.PASS
    assert answer.cause is None
    assert answer.output == PreflightOutput(
        images={"web": f"{REPOSITORY}@{DIGEST}"}, digests={"web": DIGEST}, pace=NAMED_NONE
    )
    assert verdicts(answer) == dict.fromkeys(
        (
            "target_exists",
            "room_to_deploy",
            "way_back",
            "reference_valid",
            "image_unambiguous",
            "change_permitted",
            "image_exists",
            "architecture",
            "digest_resolved",
        ),
        "pass",
    )


async def test_observing_needs_the_target_only() -> None:
    answer = await preflight(Observe())
    assert (answer.verdict, verdicts(answer)) == (Verdict.PASS, {"target_exists": "pass"})
    assert answer.output == PreflightOutput(pace=NAMED_NONE)


@pytest.mark.parametrize("rolling_out", [False, True])
async def test_a_request_without_a_change_learns_what_is_live(rolling_out: bool) -> None:
    live = LiveService(ARN, (), deployment_id="ecs-svc/7", rolling_out=rolling_out)
    answer = await preflight(CheckUp(), FakeEcs(live))
    assert (answer.verdict, verdicts(answer)) == (Verdict.PASS, {"target_exists": "pass"})
    assert answer.output == PreflightOutput(live_deployment="ecs-svc/7", under_way=rolling_out, pace=NAMED_NONE)


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
    assert answer.output == PreflightOutput(
        images={"proxy": f"{REPOSITORY}@{DIGEST}"}, digests={"proxy": DIGEST}, pace=NAMED_NONE
    )


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


async def test_an_unreadable_manifest_is_an_error_and_no_verdict() -> None:
    images = FakeImages({f"{REPOSITORY}:2": Image(DIGEST, Unknown("its manifest cannot be read"))})
    answer = await preflight(ImageChange(reference=f"{REPOSITORY}:2"), images=images)
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.ERROR)
    assert verdicts(answer)["image_exists"] == "pass"


async def test_an_image_elsewhere_is_left_open_and_applied_by_its_own_digest_only() -> None:
    outside = Outside("it is not in ECR in us-west-2")
    images = FakeImages({"nginx:1": outside, f"nginx@{DIGEST}": outside})
    allowed = ChangeScope(repositories=("nginx",))
    tagged = await preflight(ImageChange(reference="nginx:1"), images=images, allowed=allowed)
    assert (tagged.verdict, tagged.cause, tagged.output) == (Verdict.FAIL, Cause.GATE, None)
    assert verdicts(tagged)["image_exists"] == "inconclusive"
    assert "nginx@sha256:" in tagged.summary
    exact = await preflight(ImageChange(reference=f"nginx@{DIGEST}"), images=images, allowed=allowed)
    assert (exact.verdict, exact.cause) == (Verdict.INCONCLUSIVE, Cause.GATE)
    assert verdicts(exact) | {"image_exists": "?", "architecture": "?"} == dict.fromkeys(verdicts(exact), "pass") | {
        "image_exists": "?",
        "architecture": "?",
    }
    assert exact.output == PreflightOutput(images={"web": f"nginx@{DIGEST}"}, digests={"web": DIGEST}, pace=NAMED_NONE)


async def test_a_task_definition_is_resolved_to_its_arn() -> None:
    services = FakeEcs(definitions={"api:7": definition("web")})
    answer = await preflight(TaskDefinitionChange(task_definition="api:7"), services)
    assert answer.verdict is Verdict.PASS
    assert answer.output == PreflightOutput(task_definition=ARN, digests={"web": DIGEST}, pace=PACES["api:7"]), (
        "at its own pace"
    )


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
    change = ImageChange(reference=f"{REPOSITORY}:2")
    kept = PreflightPolicy(digest=CARRIED, gates=Gates(unchecked_way_back="block"))
    unknown = Unknown("ECS did not answer")
    answer = await preflight(change, carried=kept, back=unknown)
    assert (verdicts(answer)["way_back"], answer.policy_digest) == ("inconclusive", CARRIED)
    answer = await preflight(change, back=unknown)
    assert (verdicts(answer)["way_back"], answer.policy_digest) == ("pass", IN_FORCE)


@pytest.mark.parametrize("setting", ["linux/amd64", "task-definition"])
@pytest.mark.parametrize(
    ("platforms", "runs_on", "expected"),
    [
        ({ARM64}, ARM64, "pass"),
        ({LINUX_AMD64}, ARM64, "fail"),
        ({LINUX_AMD64}, LINUX_AMD64, "pass"),
        ({ARM64}, LINUX_AMD64, "fail"),
        ({Platform("windows", "amd64")}, Platform("windows", "amd64"), "pass"),
    ],
)
async def test_an_image_is_right_for_what_its_tasks_run_on(
    platforms: set[Platform], runs_on: Platform, expected: str, setting: Literal["linux/amd64", "task-definition"]
) -> None:
    services = FakeEcs(definitions={ARN: definition("web", platform=runs_on)})
    images = FakeImages({f"{REPOSITORY}:2": Image(DIGEST, frozenset(platforms))})
    answer = await preflight(ImageChange(reference=f"{REPOSITORY}:2"), services, images, Gates(image_platform=setting))
    assert verdicts(answer)["architecture"] == expected


async def test_the_policy_may_trust_a_digest_where_nobody_can_look() -> None:
    outside = Outside("nginx cannot be looked up from here")
    images = FakeImages({"nginx:1": outside, f"nginx@{DIGEST}": outside, f"httpd@{DIGEST}": Unknown("ECR is silent")})
    trusting, allowed = Gates(unseen_images="trust-digest"), ChangeScope(repositories=("nginx", "httpd"))
    exact = ImageChange(reference=f"nginx@{DIGEST}")
    answer = await preflight(exact, images=images, gates=trusting, allowed=allowed)
    assert answer.verdict is Verdict.PASS
    assert answer.output == PreflightOutput(images={"web": f"nginx@{DIGEST}"}, digests={"web": DIGEST}, pace=NAMED_NONE)
    unproven = [gate.name for gate in answer.gates if gate.not_applicable]
    assert {"image_exists", "architecture"} <= set(unproven)
    tagged = await preflight(ImageChange(reference="nginx:1"), images=images, gates=trusting, allowed=allowed)
    assert tagged.verdict is Verdict.FAIL  # no digest, so nothing that could be trusted
    unseen = ImageChange(reference=f"httpd@{DIGEST}")
    silent = await preflight(unseen, images=images, gates=trusting, allowed=allowed)
    assert (silent.verdict, silent.cause) == (Verdict.INCONCLUSIVE, Cause.ERROR)  # it may answer the next time


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"family": "other"}, "change.families"),
        ({"task_role": "arn:aws:iam::123456789012:role/admin"}, "change.roles"),
        ({"execution_role": "arn:aws:iam::123456789012:role/admin"}, "change.roles"),
        ({"images": {"web": "ghcr.io/acme/web:1"}}, "change.repositories"),
    ],
)
async def test_what_a_task_definition_may_not_bring_is_said_before_anything_changes(
    given: dict[str, Any], key: str
) -> None:
    services = FakeEcs(definitions={"api:7": replace(definition("web"), **given)})
    answer = await preflight(TaskDefinitionChange(task_definition="api:7"), services)
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.USAGE)
    assert verdicts(answer)["change_permitted"] == "fail"
    assert key in answer.summary
    allowed = ChangeScope(
        families=("other",), roles=("arn:aws:iam::123456789012:role/admin",), repositories=("ghcr.io/acme/web",)
    )
    named = await preflight(TaskDefinitionChange(task_definition="api:7"), services, allowed=allowed)
    assert verdicts(named)["change_permitted"] == "pass"


async def test_where_the_live_version_is_not_known_nothing_is_permitted() -> None:
    services = FakeEcs(definitions={"api:7": definition("web"), ARN: Unknown("ECS is silent")})
    answer = await preflight(TaskDefinitionChange(task_definition="api:7"), services)
    assert (answer.verdict, verdicts(answer)["change_permitted"]) == (Verdict.INCONCLUSIVE, "inconclusive")


async def test_a_way_back_that_is_gone_blocks_and_names_why() -> None:
    gone = WayBack("api:6", (Need(False, "the role web is not there any more"), Need(True, "the image is there")))
    answer = await preflight(ImageChange(reference=f"{REPOSITORY}:2"), back=gone)
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.GATE)
    assert answer.summary == "you cannot go back to api:6, because the role web is not there any more"
    assert answer.output is not None  # an override lets it go on


async def test_a_service_without_room_is_blocked_and_observing_one_is_not() -> None:
    stuck = LiveService(ARN, (), desired=1, minimum_percent=100, maximum_percent=150)
    answer = await preflight(ImageChange(reference=f"{REPOSITORY}:2"), FakeEcs(stuck))
    assert verdicts(answer)["room_to_deploy"] == "fail"
    assert (await preflight(Observe(), FakeEcs(stuck))).verdict is Verdict.PASS


async def test_a_task_definition_that_does_not_fit_is_a_usage_error() -> None:
    live = LiveService(ARN, (), balancers=(Balancer("web", 80, None),))
    services = FakeEcs(live, definitions={"api:7": definition("renamed")})
    answer = await preflight(TaskDefinitionChange(task_definition="api:7"), services)
    assert (answer.verdict, answer.cause, verdicts(answer)["fits_service"]) == (Verdict.FAIL, Cause.USAGE, "fail")
    assert "The container web does not exist in the task definition." in answer.summary


TESTS = ValidationPolicy(application=Application(), tests=Tests())
ANOTHER = ImageChange(reference=f"{REPOSITORY}:2")


async def test_the_tests_are_run_before_the_change_and_decide_nothing() -> None:
    broken = tuple(TestResult("smoke", test, (Answered(500, 0.2),)) for test in SMOKE)
    runner = FakeRunner(broken)
    answer = await preflight(ANOTHER, tests=service_tests(runner), baseline=TESTS)
    assert answer.verdict is Verdict.PASS
    assert isinstance(answer.output, PreflightOutput)
    assert answer.output.images == {"web": f"{REPOSITORY}@{DIGEST}"}
    seen = answer.output.baseline
    assert seen is not None
    assert {(test.name, test.state) for test in seen.tests} == {(test.name, "failed") for test in SMOKE}
    assert runner.asked == [(BALANCER, ("smoke", "api"), NOW.timestamp() + BASELINE_SECONDS)]
    assert runner.went_on == [True]
    assert "before the change: 0 of 4 tests passed" in answer.summary


async def test_before_the_change_it_is_said_that_the_service_is_out_of_reach() -> None:
    lost = Unreachable("no connection to the internal load balancer court")
    runner = FakeRunner(tuple(TestResult("smoke", test, (lost,)) for test in SMOKE))
    answer = await preflight(ANOTHER, tests=service_tests(runner), baseline=TESTS)
    assert answer.verdict is Verdict.PASS
    assert "no connection to the internal load balancer court" in answer.summary


@pytest.mark.parametrize(
    ("change", "services", "asked"),
    [
        (ANOTHER, FakeEcs(), None),
        (ANOTHER, FakeEcs(Absent("it is gone")), TESTS),
        (Observe(), FakeEcs(replace(LIVE, rolling_out=True)), TESTS),
        (CheckUp(), FakeEcs(replace(LIVE, rolling_out=True)), TESTS),
    ],
)
async def test_no_test_is_run_where_it_would_not_see_the_version_before(
    change: Change, services: FakeEcs, asked: ValidationPolicy | None
) -> None:
    runner = FakeRunner()
    answer = await preflight(change, services, tests=service_tests(runner), baseline=asked)
    assert not runner.asked
    assert answer.output is None or (isinstance(answer.output, PreflightOutput) and answer.output.baseline is None)


@dataclass
class MovingEcs(FakeEcs):
    """Shows ``live`` first, and ``then`` from the second look on."""

    then: LiveService | Absent | Unknown = LIVE
    looks: int = 0

    async def service(self, target: Target) -> LiveService | Absent | Unknown:
        self.looks += 1
        return await super().service(target) if self.looks == 1 else self.then


@pytest.mark.parametrize(
    ("then", "kept"),
    [
        (LIVE, True),
        (replace(LIVE, rolling_out=True), False),
        (replace(LIVE, deployment_id="ecs-svc/theirs"), False),
        (Unknown("Throttling"), False),
    ],
)
async def test_tests_that_somebody_s_deployment_may_have_overtaken_show_no_version_before(
    then: LiveService | Unknown, kept: bool
) -> None:
    answer = await preflight(Observe(), MovingEcs(then=then), tests=service_tests(FakeRunner(WELL)), baseline=TESTS)
    assert isinstance(answer.output, PreflightOutput)
    assert (answer.output.baseline is not None) is kept


async def test_where_aws_does_not_say_where_users_are_nothing_is_compared() -> None:
    runner = FakeRunner()
    answer = await preflight(ANOTHER, tests=service_tests(runner, Unknown("Throttling")), baseline=TESTS)
    assert answer.verdict is Verdict.PASS
    assert isinstance(answer.output, PreflightOutput)
    assert answer.output.baseline is None
    assert not runner.asked
