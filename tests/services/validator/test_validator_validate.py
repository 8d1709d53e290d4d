"""Validation: commands and requests are answered, whatever is found."""

from typing import Any

import pytest
from pydantic import SecretStr

from contracts.base import Target
from contracts.deployment import Cause, Observe
from contracts.envelope import Meta
from contracts.gates import Verdict
from contracts.monitor import DependencyFault
from contracts.policy import Application, Monitoring, ServicePolicy
from contracts.policy_parts import ValidationPolicy
from contracts.policy_tests import API, SMOKE, HttpTest, Tests
from contracts.results import ProbesOutput, StepFinished
from contracts.validator import Baseline, RunPreflight, ValidateDeployment
from services._aws.errors import AwsError
from services._chassis.commands import becomes_job
from services._chassis.reasons import is_permanent, sentence_of
from services._chassis.transition import Cancelled
from services._chassis.web import Address
from services._policy.policies import Refused
from services.validator.domain.facts import Absent, NotAsked, Unknown
from services.validator.domain.judge import baseline
from services.validator.domain.operation import Validation as ValidationOperation
from services.validator.domain.results import Answered, Silent, TestResult
from services.validator.domain.weigh import weigh
from services.validator.handlers import validate_deployment
from services.validator.jobs.preflight import PREFLIGHT
from services.validator.jobs.service_tests import ServiceTests
from services.validator.jobs.validate import OPERATION, VALIDATION, Validate, ValidateOnRequest
from tests.kit import FakeClock, FakePolicies, FakeRunning
from tests.services.validator.harness import (
    CARRIED,
    IN_FORCE,
    LIVE,
    NOW,
    TARGET,
    WELL,
    FakeApplications,
    FakeDatabases,
    FakeEcs,
    FakeRunner,
    answer_of,
    decision,
    verdicts,
)


async def test_commands_become_jobs_under_their_own_id() -> None:
    meta = Meta(id="command-1", source="surefoot/orchestrator", time=NOW)
    one = await becomes_job(PREFLIGHT)(RunPreflight(target=TARGET, run_id="r", change=Observe()), meta)
    two = await validate_deployment(ValidateDeployment(target=TARGET, run_id="r", deadline=NOW), meta)
    (first,), (second,) = decision(one).jobs, decision(two).jobs
    assert (first.id, first.kind, second.id, second.kind) == ("command-1", PREFLIGHT, "command-1", VALIDATION)


def service_tests(runner: FakeRunner, **more: Any) -> ServiceTests:
    parts: dict[str, Any] = {
        "services": FakeEcs(),
        "applications": FakeApplications(),
        "databases": FakeDatabases(),
    } | more
    return ServiceTests(runner=runner, clock=FakeClock(NOW.timestamp()), **parts)


def validation(runner: FakeRunner, policy: ServicePolicy | None = None, **more: Any) -> Validate:
    policies = FakePolicies(policy or ServicePolicy(target=TARGET, digest=IN_FORCE))
    return Validate(service_tests(runner, **more), policies)


TESTS = ValidationPolicy(application=Application(), tests=Tests())


async def validate(
    job: Validate,
    *,
    cancelled: bool = False,
    carried: ValidationPolicy | None = None,
    before: Baseline | None = None,
) -> StepFinished:
    command = ValidateDeployment(target=TARGET, run_id="run-1", deadline=NOW, policy=carried, baseline=before)
    running = FakeRunning(command.model_dump_json().encode(), is_cancelled=lambda: cancelled)
    return answer_of(await job(running), VALIDATION)


async def test_a_service_that_works_passes() -> None:
    runner = FakeRunner()
    answer = await validate(validation(runner))
    assert (answer.verdict, answer.cause) == (Verdict.PASS, None)
    assert answer.output == ProbesOutput(requests=4, failures=0, p95_seconds=0.2)
    assert runner.asked == [(Address("http://lb.example:80"), ("smoke", "api"), NOW.timestamp())]
    assert runner.paths == {test.path for test in SMOKE + API}


async def test_tests_that_stumbled_are_repeated_and_the_share_that_fails_is_told_beside_that_of_before() -> None:
    stumbled = (TestResult("smoke", SMOKE[0], (Answered(500, 0.1), Answered(200, 0.2))), *WELL[1:])
    again = tuple(TestResult("smoke", SMOKE[0], (Answered(status, 0.1),)) for status in (500, 200, 500))
    runner = FakeRunner(stumbled, repeated=again)
    before = Baseline(tests=(), requests=9, failures=1)
    answer = await validate(validation(runner), before=before)
    assert answer.verdict is Verdict.PASS
    assert answer.output == ProbesOutput(requests=8, failures=3, p95_seconds=0.2, requests_before=9, failures_before=1)
    assert runner.again == [stumbled]
    known = await service_tests(runner).before_the_change(TARGET, LIVE, TESTS)
    assert known is not None
    assert (known.requests, known.failures) == (8, 3)


@pytest.mark.parametrize("status", [200, 404])
async def test_tests_that_did_not_stumble_are_not_repeated(status: int) -> None:
    runner = FakeRunner((TestResult("smoke", SMOKE[3], (Answered(status, 0.1),) * 2), *WELL[:3]))
    await service_tests(runner).before_the_change(TARGET, LIVE, TESTS)
    assert runner.again == [()]


async def test_where_aws_does_not_say_where_to_send_them_no_request_stands_for_users() -> None:
    why = "how users reach the service is not known: AWS did not say"
    left_out = tuple(TestResult("smoke", test, (), why) for test in SMOKE)
    runner, applications = FakeRunner(left_out), FakeApplications(NotAsked(why, unread=True))
    answer = await validate(validation(runner, applications=applications))
    assert answer.verdict is Verdict.PASS
    assert answer.output == ProbesOutput(requests=0, failures=0, p95_seconds=None, unsent=why)


async def test_a_service_that_does_not_fails_and_says_what() -> None:
    runner = FakeRunner((TestResult("smoke", SMOKE[0], (Silent("no connection"),)),))
    answer = await validate(validation(runner))
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.GATE)
    assert any("health: GET /health: no connection (1 attempt)" in gate.detail for gate in answer.gates)


AWAY = DependencyFault(name="court", detail="the database court is failed")
WITH_DATABASE = ServicePolicy(target=TARGET, digest=IN_FORCE, monitoring=Monitoring(database="court"))
UNREADY = (TestResult("smoke", SMOKE[1], (Answered(503, 0.1),)),)


@pytest.mark.parametrize("answers", [(AWAY,), (AWAY, None), (None, AWAY)])
async def test_what_fails_while_the_database_itself_is_away_proves_nothing(
    answers: tuple[DependencyFault | None, ...],
) -> None:
    answer = await validate(validation(FakeRunner(UNREADY), WITH_DATABASE, databases=FakeDatabases(*answers)))
    assert (answer.verdict, answer.cause, answer.output) == (Verdict.INCONCLUSIVE, Cause.DEPENDENCY, None)
    assert answer.summary.startswith("the database court is failed, so that what fails proves nothing: 0 of 1 tests")
    assert Verdict.FAIL not in {gate.verdict for gate in answer.gates}


async def test_what_passes_while_the_database_is_away_passes() -> None:
    answer = await validate(validation(FakeRunner(), WITH_DATABASE, databases=FakeDatabases(AWAY)))
    assert answer.verdict is Verdict.PASS


@pytest.mark.parametrize("answer_of_rds", [None, AwsError("RDS refused DescribeDBInstances (AccessDenied)")])
async def test_a_database_that_is_well_or_of_which_nothing_is_known_explains_nothing(
    answer_of_rds: AwsError | None,
) -> None:
    answer = await validate(validation(FakeRunner(UNREADY), WITH_DATABASE, databases=FakeDatabases(answer_of_rds)))
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.GATE)


async def test_without_a_database_in_the_policy_none_is_asked_about() -> None:
    databases = FakeDatabases(AWAY)
    assert (await validate(validation(FakeRunner(UNREADY), databases=databases))).verdict is Verdict.FAIL
    assert databases.asked == []


async def test_no_time_is_no_verdict() -> None:
    answer = await validate(validation(FakeRunner(tuple(TestResult("smoke", test) for test in SMOKE))))
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.TIMEOUT)


async def test_without_a_load_balancer_no_test_applies() -> None:
    why = "no load balancer stands before the service"
    left_out = tuple(TestResult("smoke", test, (), why) for test in SMOKE)
    answer = await validate(validation(FakeRunner(left_out), applications=FakeApplications(NotAsked(why))))
    assert (answer.verdict, answer.cause, answer.output) == (Verdict.PASS, None, None)
    assert len(answer.gates) == 3
    assert all(gate.not_applicable and why in gate.not_applicable for gate in answer.gates)


async def test_the_service_s_own_health_check_is_a_test_where_no_other_leads_to_it() -> None:
    own = HttpTest(name="health-check", path="/orders/health", critical=True)
    runner = FakeRunner((TestResult("smoke", own, (Answered(500, 0.1),)),))
    applications = FakeApplications(instead=(own,))
    answer = await validate(validation(runner, applications=applications))
    assert answer.verdict is Verdict.FAIL
    assert runner.tests == [Tests(smoke=(*SMOKE, own))]
    await service_tests(runner, applications=applications).before_the_change(TARGET, LIVE, TESTS)
    assert runner.tests == [Tests(smoke=(*SMOKE, own))] * 2


async def test_what_failed_before_the_change_as_well_is_told_and_passes() -> None:
    missing = tuple(TestResult("smoke", test, (Answered(404, 0.1),)) for test in SMOKE)
    runner = FakeRunner(missing)
    assert (await validate(validation(runner))).verdict is Verdict.FAIL
    answer = await validate(validation(runner), before=baseline(missing, weigh(missing, None)))
    assert (answer.verdict, answer.cause) == (Verdict.PASS, None)
    assert "as before the change" in answer.summary
    assert runner.went_on == [False, True]


async def test_a_load_balancer_that_could_not_be_looked_up_is_an_error() -> None:
    runner = FakeRunner()
    answer = await validate(validation(runner, applications=FakeApplications(Unknown("refused"))))
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.ERROR)
    assert verdicts(answer) == {"load_balancer": "inconclusive"}
    assert not runner.asked


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
