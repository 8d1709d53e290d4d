"""The settings of the requirements (docs/requirements.md), all in one file, as they are written there."""

from importlib import import_module
from pathlib import Path

import pytest

from contracts.base import Target
from contracts.topics import SERVICES
from services._chassis.settings import without_effect
from services._policy.environment import environment_of
from services._policy.files import Files
from services._policy.load import load

DEMANDED = """\
auto_optimization_enabled: true
auto_recovery_enabled: true
validation_timeout_minutes: 12
monitoring_interval_minutes: 5
dashboard_refresh_interval: 300
metric_collection_interval: 60
alert_evaluation_period: 300
health_check_interval: 45
anomaly_detection_enabled: true
performance_threshold_ms: 2500
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "settings.yaml"
    path.write_text(DEMANDED)
    monkeypatch.setenv("SUREFOOT_CONFIG", str(path))
    monkeypatch.setenv("BACKUP_BUCKET", "snapshots")
    return path


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_starts_with_them(file: Path, service: str) -> None:
    settings = import_module(f"services.{service}.settings").Settings()
    assert settings.kafka_bootstrap_servers


def test_they_are_the_defaults_of_the_policy(file: Path) -> None:
    policies = load(Files(), environment_of({"SUREFOOT_CONFIG": str(file)}), "123456789012")
    target = Target(account="123456789012", region="us-west-2", cluster="CourtCaseCluster", service="BackendService")
    policy = policies.of(target)
    assert policy.timeouts.validation_minutes == 12
    assert policy.health.interval_seconds == 45
    assert policy.health.response_time_seconds == 2.5


def test_what_has_no_effect_yet_is_said(file: Path) -> None:
    (sentence,) = without_effect(str(file))
    assert sentence == "anomaly_detection_enabled has no effect: anomalies are not detected yet"
    assert without_effect(None) == []


def test_it_is_said_of_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOMALY_DETECTION_ENABLED", "true")
    assert len(without_effect(None)) == 1
