"""The effective policy: its defaults are those of the requirements, and sections travel in messages."""

import pytest
from pydantic import ValidationError

from contracts.base import Target
from contracts.deployment import DeploymentConfig
from contracts.policy import Access, Application, ServicePolicy
from contracts.policy_rules import BUILT_IN_RULES, RuleMetric, RulePolicy
from contracts.policy_section import Section
from contracts.policy_tests import API, SMOKE, HttpTest, Tests

TARGET = Target(account="123456789012", region="us-west-2", cluster="CourtCaseCluster", service="BackendService")
POLICY = ServicePolicy(target=TARGET)
SECTIONS = [
    field.annotation
    for field in ServicePolicy.model_fields.values()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
]


def test_the_defaults_are_those_of_the_requirements() -> None:
    """docs/requirements.md: Phases 1 to 3, Alerting Rules, Test Configuration, Configuration Management."""
    assert POLICY.gates.minimum_health_score == 70
    assert POLICY.gates.image_platform == "linux/amd64"
    assert (POLICY.timeouts.deployment_minutes, POLICY.timeouts.validation_minutes) == (15, 10)
    assert POLICY.tests.required_pass_percent == 90
    assert (POLICY.tests.smoke_timeout_seconds, POLICY.tests.api_timeout_seconds) == (10, 15)
    assert (POLICY.tests.critical_retries, POLICY.tests.other_retries) == (3, 1)
    assert (POLICY.recovery.retention_days, POLICY.recovery.keep) == (30, 10)
    assert (POLICY.monitoring.interval_seconds, POLICY.health.interval_seconds) == (60, 30)
    assert POLICY.health.response_time_seconds == 2
    assert POLICY.monitoring.metrics_namespace == "CourtCase/Production"
    assert POLICY.recovery.enabled
    assert POLICY.optimization.enabled


def test_the_built_in_rules_are_those_of_the_requirements() -> None:
    """docs/requirements.md, Alerting Rules."""
    assert [(rule.name, rule.comparison, rule.threshold, rule.minutes, rule.severity) for rule in BUILT_IN_RULES] == [
        ("service_unavailable", "<", 1, 2, "critical"),
        ("error_rate", ">", 10, 2, "critical"),
        ("response_time", ">", 5, 2, "critical"),
        ("database_connections", ">=", 5, 2, "critical"),
        ("cpu", ">", 80, 5, "warning"),
        ("memory", ">", 85, 5, "warning"),
        ("error_rate_warning", ">", 5, 5, "warning"),
        ("response_time_warning", ">", 2, 5, "warning"),
    ]


def test_a_request_has_the_same_defaults_as_the_policy() -> None:
    config = DeploymentConfig()
    assert config.validation_timeout_minutes == POLICY.timeouts.validation_minutes
    assert config.deployment_timeout_minutes == POLICY.timeouts.deployment_minutes
    assert config.baking_minutes == POLICY.baking.maximum_minutes
    assert config.minimum_health_score == POLICY.gates.minimum_health_score


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_default_names_its_source(section: type[Section]) -> None:
    for name, field in section.model_fields.items():
        extra = field.json_schema_extra
        assert isinstance(extra, dict), f"{section.__name__}.{name} has no source"
        assert extra["source"]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_a_section_survives_a_message_and_ignores_what_a_newer_writer_added(section: type[Section]) -> None:
    written = section().model_dump(mode="json") | {"added_later": 1}
    assert section.model_validate(written) == section()


def test_the_whole_policy_survives_a_message() -> None:
    assert ServicePolicy.model_validate_json(POLICY.model_dump_json()) == POLICY


@pytest.mark.parametrize("path", ["//elsewhere.example/", "relative", "/with space", "/ümlaut", ""])
def test_a_path_cannot_name_another_host(path: str) -> None:
    with pytest.raises(ValidationError):
        HttpTest(name="x", path=path)


@pytest.mark.parametrize(
    "url", ["http://user:secret@host/", "https://host/?token=x", "ftp://host", "https://ho st/", "https://host/#x"]
)
def test_an_application_url_has_no_credentials_and_no_query(url: str) -> None:
    with pytest.raises(ValidationError):
        Application(url=url)


@pytest.mark.parametrize("url", ["https://app.example", "http://127.0.0.1:8080/", "https://app.example/base/path"])
def test_an_application_url_may_have_a_path(url: str) -> None:
    assert Application(url=url).url == url


@pytest.mark.parametrize("name", ["deploy/bot", "a", "deploy:bot", "deploy bot", "ä" * 5, "x" * 65])
def test_a_session_name_is_one_that_sts_takes(name: str) -> None:
    """AWS STS API reference, AssumeRole, RoleSessionName."""
    with pytest.raises(ValidationError):
        Access(role="arn:aws:iam::123456789012:role/surefoot", session_name=name)


def test_a_rule_has_bounds() -> None:
    good = {"name": "mine", "metric": RuleMetric.CPU, "comparison": ">", "threshold": 1, "minutes": 1}
    RulePolicy.model_validate(good | {"severity": "warning"})
    for wrong in ({"minutes": 0}, {"minutes": 61}, {"threshold": -1}, {"severity": "fatal"}, {"name": "My-Rule"}):
        with pytest.raises(ValidationError):
            RulePolicy.model_validate(good | {"severity": "warning"} | wrong)


def test_the_default_tests_are_those_of_the_court_case_system() -> None:
    assert [test.name for test in SMOKE] == ["health", "startup", "api", "documentation"]
    assert [test.name for test in API] == ["root", "cases", "documents", "monitoring", "authentication"]
    assert Tests().smoke is SMOKE
