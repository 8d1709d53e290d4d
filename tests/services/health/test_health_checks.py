"""Evidence → checks."""

from dataclasses import replace
from typing import Any

import pytest

from contracts.policy import Health
from contracts.schema_status import migrations_of
from services.health.domain.checks import Check, Finding, checks
from services.health.domain.observed import Answer, Evidence, Measurements, NotObserved
from services.health.domain.readiness import reported
from services.health.domain.score import score
from tests.services.health.harness import deployment, evidence, service, targets

GOOD, BAD, UNKNOWN = Finding.GOOD, Finding.BAD, Finding.UNKNOWN
BUSY = Measurements(5, cpu=35, memory=45, p95_seconds=0.2, requests=600)


def found(seen: Evidence, name: str) -> Check:
    return next(check for check in checks(seen, Health()) if check.name == name)


def names(seen: Evidence) -> set[str]:
    return {check.name for check in checks(seen, Health())}


def test_a_service_that_is_well_scores_a_hundred() -> None:
    all_ = checks(evidence(), Health())
    assert {check.finding for check in all_} == {GOOD}
    assert (score(all_).low, score(all_).high) == (100, 100)
    assert {check.level for check in all_} == {"basic", "performance", "business"}


def test_without_a_load_balancer_its_checks_do_not_apply() -> None:
    seen = Evidence(service=service(target_groups=()), measurements=replace(BUSY, requests=0))
    assert names(seen) == {"tasks", "aws", "cpu", "memory"}
    assert score(checks(seen, Health())).low == 100


def test_what_cannot_be_asked_is_unknown_and_says_why() -> None:
    dark = NotObserved("ecs.describe_services: AccessDeniedException")
    seen = Evidence(service=dark, measurements=dark)
    assert {check.finding for check in checks(seen, Health())} == {UNKNOWN}
    assert found(seen, "tasks").detail == dark.why
    total = score(checks(seen, Health()))
    assert (total.low, total.high) == (0, 100)


def test_a_service_that_is_not_there_scores_nothing() -> None:
    assert score(checks(Evidence(service=None), Health())).high == 0


@pytest.mark.parametrize(("running", "finding", "critical"), [(3, GOOD, False), (2, BAD, False), (0, BAD, True)])
def test_tasks(running: int, finding: Finding, critical: bool) -> None:
    check = found(evidence(service=service(deployment(), running=running)), "tasks")
    assert (check.finding, check.critical) == (finding, critical)
    assert check.detail == f"{running} of 3 tasks running"


def test_a_service_that_is_to_run_nothing_cannot_be_judged() -> None:
    seen = evidence(service=service(desired=0, running=0), targets=())
    assert found(seen, "tasks").finding is UNKNOWN
    assert not {"targets", "cpu", "error_rate"} & names(seen)


def test_the_target_group_with_the_fewest_healthy_targets_decides() -> None:
    other = "arn:other"
    two_groups = service(target_groups=(evidence().service.target_groups[0], other))  # type: ignore[union-attr]  # a service
    check = found(evidence(service=two_groups), "targets")
    assert (check.finding, check.critical, check.detail) == (BAD, True, "0 of 3 targets healthy")


def test_reasons_of_unhealthy_targets_are_named() -> None:
    sick = tuple(replace(sick, reason="Target.Timeout") for sick in targets("unhealthy"))
    check = found(evidence(targets=(*targets("healthy", "healthy"), *sick)), "targets")
    assert check.detail == "2 of 3 targets healthy (Target.Timeout)"
    assert not check.critical


@pytest.mark.parametrize(
    ("answer", "finding"),
    [
        (Answer(200), GOOD),
        (Answer(503), BAD),
        (Answer(None), BAD),
        (Answer(404), UNKNOWN),
        (NotObserved("no connection"), UNKNOWN),
    ],
)
def test_startup(answer: Any, finding: Finding) -> None:
    assert found(evidence(health=answer), "startup").finding is finding


@pytest.mark.parametrize(
    ("document", "finding"),
    [
        ({"database": True}, GOOD),
        ({"database": False}, BAD),
        ({"database": "connected"}, GOOD),
        ({"database": " Healthy "}, GOOD),
        ({"database": "disconnected"}, BAD),
        ({"database": {"status": "ok", "latency_ms": 3}}, GOOD),
        ({"database": {"status": "error", "detail": "password=hunter2"}}, BAD),
        ({"database": {"connected": False}}, BAD),
        ({"checks": {"database": {"status": "up"}}}, GOOD),
        ({"database": "who knows"}, UNKNOWN),
        ({"database": 17}, UNKNOWN),
    ],
)
def test_what_the_application_says_of_its_database(document: dict[str, Any], finding: Finding) -> None:
    check = found(evidence(ready=Answer(200, document)), "database")
    assert check.finding is finding
    assert "hunter2" not in check.detail


def test_a_dependency_that_the_application_does_not_have_is_left_out() -> None:
    assert "redis" not in names(evidence(ready=Answer(200, {"database": True})))


@pytest.mark.parametrize("ready", [Answer(404), Answer(503, "plain words"), Answer(None), NotObserved("no connection")])
def test_an_application_that_tells_nothing_leaves_its_dependencies_unknown(ready: Any) -> None:
    assert found(evidence(ready=ready), "database").finding is UNKNOWN
    assert found(evidence(ready=ready), "redis").finding is UNKNOWN


def test_a_readiness_of_503_is_read_as_well() -> None:
    seen = evidence(ready=Answer(503, {"database": {"status": "disconnected"}, "redis": {"status": "connected"}}))
    assert (found(seen, "database").finding, found(seen, "redis").finding) == (BAD, GOOD)


def test_migrations_are_passed_on_and_nothing_else_is_taken_for_them() -> None:
    assert migrations_of({"migrations": {"head": "b2"}}) == {"head": "b2"}
    assert migrations_of({"migrations": "b2"}) is None
    assert migrations_of([1]) is None
    assert reported([1], "database") is None


@pytest.mark.parametrize(
    ("name", "change", "finding"),
    [
        ("response_time", {"p95_seconds": 2.0}, GOOD),
        ("response_time", {"p95_seconds": 2.01}, BAD),
        ("response_time", {"p95_seconds": None}, UNKNOWN),
        ("response_time", {"p95_seconds": 9, "requests": 19}, UNKNOWN),
        ("error_rate", {"target_5xx": 30}, GOOD),
        ("error_rate", {"target_5xx": 31}, BAD),
        ("error_rate", {"target_5xx": 19, "requests": 19}, UNKNOWN),
        ("error_rate", {"balancer_5xx": 100, "requests": 0}, BAD),
        ("cpu", {"cpu": 80}, GOOD),
        ("cpu", {"cpu": 80.1}, BAD),
        ("cpu", {"cpu": None}, UNKNOWN),
        ("memory", {"memory": 85.1}, BAD),
        ("throughput", {"requests": 1}, GOOD),
        ("throughput", {"requests": 0}, UNKNOWN),
        ("throughput", {"requests": 0, "balancer_5xx": 5}, BAD),
    ],
)
def test_performance(name: str, change: dict[str, Any], finding: Finding) -> None:
    assert found(evidence(measurements=replace(BUSY, **change)), name).finding is finding


@pytest.mark.parametrize(
    ("change", "asked", "applies"),
    [
        ({"requests": 0}, {}, False),
        ({"requests": 0}, {"health": Answer(200)}, True),
        ({"requests": 0}, {"endpoints": {"/orders": Answer(200)}}, True),
        ({"requests": 1}, {}, True),
        ({"requests": 0, "balancer_5xx": 1}, {}, True),
        ({"requests": 0, "cpu": None, "memory": None}, {}, True),
    ],
)
def test_answers_do_not_apply_where_neither_users_nor_we_ask(
    change: dict[str, Any], asked: dict[str, Any], applies: bool
) -> None:
    """A silent CloudWatch is no proof that nobody asks."""
    nobody: dict[str, Any] = {"health": None, "ready": None, "endpoints": {}}
    seen = checks(evidence(measurements=replace(BUSY, **change), **(nobody | asked)), Health())
    names = {check.name for check in seen if check.level == "performance"}
    assert names == {"cpu", "memory"} | ({"response_time", "error_rate", "throughput"} if applies else set())


def test_the_balancers_own_errors_count_on_both_sides() -> None:
    assert Measurements(5, requests=90, target_5xx=5, balancer_5xx=10).error_rate == pytest.approx(15)
    assert Measurements(5).error_rate is None


@pytest.mark.parametrize(
    ("answer", "finding"),
    [(Answer(200), GOOD), (Answer(404), GOOD), (Answer(500), BAD), (Answer(None), BAD), (NotObserved("no"), UNKNOWN)],
)
def test_business_endpoints(answer: Any, finding: Finding) -> None:
    assert found(evidence(endpoints={"/api/v1/": answer}), "endpoint /api/v1/").finding is finding
