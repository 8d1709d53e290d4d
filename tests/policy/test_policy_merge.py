"""Layers: maps by key, lists whole, and every value knows where it comes from."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.policy_rules import BUILT_IN_RULES
from services._policy.environment import SETTINGS
from services._policy.merge import BUILT_IN, Value, flat
from services._policy.policies import Effective
from tests.policy.loading import ACCOUNT, OTHER, faults, of, policies, target

OTHER_VALUES: dict[str, Any] = {
    "application.url": "https://app.example.com",
    "application.health_path": "/up",
    "application.ready_path": "/up/ready",
    "application.endpoints": ["/a", "/b"],
    "monitoring.metrics_namespace": "Mine/Production",
    "monitoring.alarms_topic": "arn:aws:sns:us-west-2:123456789012:other",
    "monitoring.database": "other-database",
    "comparison.enabled": False,
    "comparison.alpha": 0.05,
    "holds.versions": "all",
    "holds.actors": "all",
    "holds.minutes": 90,
    "gates.image_platform": "task-definition",
    "gates.without_evidence": "accept",
    "gates.unseen_images": "trust-digest",
    "gates.unchecked_way_back": "block",
    "change.repositories": ["ghcr.io/acme/app"],
    "change.families": ["payments-2"],
    "change.roles": ["arn:aws:iam::123456789012:role/payments"],
    "tests.smoke": [{"name": "mine", "path": "/mine"}],
    "tests.api": [],
    "optimization.enabled": False,
    "recovery.enabled": False,
    "recovery.triggers": ["error_rate", "response_time"],
    "recovery.scaling_by_itself": False,
    "recovery.scaling_above_maximum": True,
    "recovery.scaling_reapply": "once",
    "recovery.scaling_database_connections": 400,
    "recovery.scaling_without_database": True,
    "recovery.migration_at_limit": "stop",
    "recovery.migration_on_alert": "stop",
    "recovery.migration_command": ["flask", "db", "upgrade"],
    "recovery.migration_container": "backend",
    "recovery.migration_success": "exit-code",
    "recovery.migrates_at_start": True,
    "recovery.ecs_rollback_over_migration": "allow",
    "recovery.stack_in_progress": "act",
    "recovery.migrations_compatible": True,
    "drills.enabled": True,
    "drills.hours": "20-23",
    "drills.days": ["sat", "sun"],
    "drills.every_days": 30,
    "drills.plans": ["scaling"],
    "elsewhere.region": "eu-south-1",
    "elsewhere.cluster": "standby",
    "elsewhere.names": ["subnet-1a=subnet-2b"],
    "approval_before_change.needed": 2,
    "approval_before_change.approvers": ["key:alice", "key:bob", "key:carol"],
    "approval_before_change.role": "operator",
    "approval_before_change.requester_may_approve": True,
    "approval_before_success.needed": 2,
    "approval_before_success.approvers": ["key:alice", "key:bob", "key:carol"],
    "approval_before_success.role": "admin",
    "approval_before_success.requester_may_approve": True,
    "requests.keys": ["team-a"],
    "requests.approvers": ["team-b"],
    "requests.on_conflict": "supersede",
    "access.viewers": ["key:everybody"],
    "access.deployers": ["key:ci"],
    "access.approvers": ["key:alice"],
    "access.operators": ["key:bob"],
    "access.admins": ["key:carol"],
    "monitoring.alarms": ["backend-errors"],
}
"""For each key that is no number, or a small one: a value that is not the default."""


def keys() -> list[str]:
    """Every value that a file may set."""
    fixed = {f"rules.{rule.name}.{key}" for rule in BUILT_IN_RULES for key in ("metric", "comparison")}
    return [path for path, _ in flat(BUILT_IN) if path not in fixed and path != "region"]


def another(path: str, lift: int = 1) -> Any:
    """Return a right value of this key that is not the built-in one."""
    if path in OTHER_VALUES:
        return OTHER_VALUES[path]
    if path.endswith(".severity"):
        return "warning" if "critical" in str(default(path)) else "critical"
    return int(default(path)) + lift


def default(path: str) -> Any:
    return dict(flat(BUILT_IN))[path].value


def nested(path: str, value: Any) -> dict[str, Any]:
    for key in reversed(path.split(".")):
        value = {key: value}
    return dict(value)


def file(defaults: Mapping[str, Any], service: Mapping[str, Any]) -> str:
    entry = {"cluster": "prod", "service": "api", **service}
    return yaml.safe_dump({"version": 1, "defaults": dict(defaults), "services": [entry]}, sort_keys=False)


def seen(effective: Effective) -> dict[str, tuple[Any, str]]:
    """Value and origin of each key; lines move when a file grows, so that only the file is compared."""
    return {path: (held.value, held.origin.partition(".yaml:")[0]) for path, held in effective.values.items()}


def differences(before: Effective, after: Effective) -> dict[str, tuple[Any, str]]:
    was, is_ = seen(before), seen(after)
    assert was.keys() == is_.keys()
    return {path: is_[path] for path in was if was[path] != is_[path]}


NOTHING = of(policies(file({}, {})))


@pytest.mark.parametrize("path", keys())
def test_setting_a_key_in_the_defaults_changes_its_value_and_origin_and_nothing_else(path: str) -> None:
    """Field point 20."""
    after = of(policies(file(nested(path, another(path)), {})))
    assert differences(NOTHING, after) == {path: (another(path), "a")}


@pytest.mark.parametrize("path", keys())
def test_setting_a_key_of_a_service_changes_its_value_and_origin_and_nothing_else(path: str) -> None:
    """Field point 20."""
    after = of(policies(file({}, nested(path, another(path)))))
    assert differences(NOTHING, after) == {path: (another(path), "a")}


@settings(deadline=None, max_examples=60)
@given(path=st.sampled_from(keys()), others=st.sets(st.sampled_from(keys()), max_size=5))
def test_a_service_wins_over_the_defaults_key_by_key(path: str, others: set[str]) -> None:
    below: dict[str, Any] = {}
    for other in {path, *others}:
        join(below, other, another(other))
    before = of(policies(file(below, {})))
    above = {"recovery.triggers": [], "requests.keys": [], "requests.approvers": []}.get(path, default(path))
    after = of(policies(file(below, nested(path, "off" if above is None else above))))
    assert set(differences(before, after)) == {path}


def join(tree: dict[str, Any], path: str, value: Any) -> None:
    *holders, name = path.split(".")
    for holder in holders:
        tree = tree.setdefault(holder, {})
    tree[name] = value


VARIABLES = {
    "CLOUDWATCH_NAMESPACE": "Mine/Production",
    "ALERT_SNS_TOPIC": "arn:aws:sns:us-west-2:123456789012:other",
    "DATABASE_INSTANCE": "other-database",
    "METRIC_COLLECTION_INTERVAL": "90",
    "CLOSE_COLLECTION_INTERVAL": "20",
    "ALERT_EVALUATION_PERIOD": "600",
    "HEALTH_CHECK_INTERVAL": "45",
    "PERFORMANCE_THRESHOLD_MS": "1500",
    "APPLICATION_HEALTH_PATH": "/up",
    "APPLICATION_READY_PATH": "/up/ready",
    "APPLICATION_ENDPOINTS": '["/a", "/b"]',
    "IMAGE_POLICY": "task-definition",
    "VALIDATION_TIMEOUT_MINUTES": "20",
    "SMOKE_TESTS": '[{"name": "mine", "path": "/mine"}]',
    "API_TESTS": "[]",
    "SUCCESS_RATE_PERCENT": "80",
    "RESPONSE_TIME_SECONDS": "3",
    "AUTO_OPTIMIZATION_ENABLED": "false",
    "AUTO_RECOVERY_ENABLED": "no",
    "SNAPSHOT_RETENTION_DAYS": "7",
}
"""The settings of an installation for one service, each with a value that is not the default."""


def paths_of(variable: str) -> set[str]:
    (setting,) = (setting for setting in SETTINGS if setting.name == variable.lower())
    return set(setting.paths)


def test_every_setting_is_tried() -> None:
    identity = {"AWS_ACCOUNT", "AWS_REGION"}
    assert {setting.name.upper() for setting in SETTINGS} == VARIABLES.keys() | identity


@pytest.mark.parametrize("variable", VARIABLES)
def test_an_old_variable_changes_its_keys_and_nothing_else(variable: str) -> None:
    """Field point 20, old environment variables included."""
    after = of(policies(file({}, {}), variables={variable: VARIABLES[variable]}))
    changed = differences(NOTHING, after)
    assert changed.keys() == paths_of(variable)
    assert {origin for _, origin in changed.values()} == {f"environment variable {variable}"}


@pytest.mark.parametrize("variable", VARIABLES)
def test_the_settings_file_is_below_the_variable_and_above_the_built_in_default(variable: str, tmp_path: Path) -> None:
    config = tmp_path / "surefoot.yml"
    value = json.loads(VARIABLES[variable]) if VARIABLES[variable].startswith("[") else VARIABLES[variable]
    config.write_text(yaml.safe_dump({"cluster_name": "x", variable.lower(): value}, sort_keys=True))
    after = of(policies(file({}, {}), variables={"SUREFOOT_CONFIG": str(config)}))
    changed = differences(NOTHING, after)
    assert changed.keys() == paths_of(variable)
    assert all(f"{config}:" in origin for _, origin in changed.values())
    both = policies(file({}, {}), variables={"SUREFOOT_CONFIG": str(config), variable: VARIABLES[variable]})
    assert {origin for _, origin in differences(NOTHING, of(both)).values()} == {f"environment variable {variable}"}


@pytest.mark.parametrize("variable", VARIABLES)
def test_the_file_wins_over_an_old_variable(variable: str) -> None:
    below: dict[str, Any] = {}
    for path in paths_of(variable):
        join(below, path, another(path, lift=2))
    alone = of(policies(file(below, {})))
    both = of(policies(file(below, {}), variables={variable: VARIABLES[variable]}))
    assert differences(alone, both) == {}


def test_retries_are_keys_of_their_own() -> None:
    after = of(policies(file({}, {}), variables={"STUBBORNNESS": '{"critical_retries": 5, "api_timeout_seconds": 30}'}))
    assert differences(NOTHING, after).keys() == {"tests.critical_retries", "tests.api_timeout_seconds"}


def test_a_variable_without_a_value_is_not_set() -> None:
    after = of(policies(file({}, {}), variables={"DATABASE_INSTANCE": ""}))
    assert differences(NOTHING, after) == {}


def test_lists_are_replaced_whole() -> None:
    loaded = policies(file({"application": {"endpoints": ["/a", "/b"]}}, {"application": {"endpoints": ["/c"]}}))
    assert of(loaded).policy.application.endpoints == ("/c",)


def test_off_leaves_no_rule_and_a_map_above_it_switches_it_on_with_what_lay_below() -> None:
    variables = {"ALERT_EVALUATION_PERIOD": "600"}
    off = of(policies(file({"rules": {"cpu": "off"}}, {}), variables=variables))
    assert "cpu" not in {rule.name for rule in off.policy.rules}
    assert off.values["rules.cpu"].value == "off"
    on = of(policies(file({"rules": {"cpu": "off"}}, {"rules": {"cpu": {"threshold": 95}}}), variables=variables))
    (rule,) = (rule for rule in on.policy.rules if rule.name == "cpu")
    assert (rule.threshold, rule.minutes, rule.severity) == (95, 10, "warning")


def test_off_takes_away_a_value_that_the_defaults_set() -> None:
    below = {"monitoring": {"database": "main", "alarms_topic": OTHER_VALUES["monitoring.alarms_topic"]}}
    above = of(policies(file(below, {"monitoring": {"database": "off"}})))
    assert above.policy.monitoring.database is None
    assert above.policy.monitoring.alarms_topic is not None


def test_headers_are_merged_by_name_and_off_takes_one_away() -> None:
    headers = {"Authorization": "app/token", "X-Tenant": "app/tenant"}
    below = {"application": {"url": "https://app.example", "headers": headers}}
    above = of(policies(file(below, {"application": {"headers": {"X-Tenant": "off", "X-Key": "app/key"}}})))
    assert above.policy.application.headers == {"Authorization": "app/token", "X-Key": "app/key"}
    assert above.values["application.headers.X-Key"].value == "app/key"


def test_a_rule_of_ones_own_is_switched_off_and_changed_by_key() -> None:
    mine = {"metric": "memory", "comparison": ">", "threshold": 95, "minutes": 3, "severity": "critical"}
    off = of(policies(file({"rules": {"mine": mine}}, {"rules": {"mine": "off"}})))
    assert "mine" not in {rule.name for rule in off.policy.rules}
    changed = of(policies(file({"rules": {"mine": mine}}, {"rules": {"mine": {"threshold": 97}}})))
    assert [(rule.name, rule.threshold, rule.minutes) for rule in changed.policy.rules][-1] == ("mine", 97, 3)


def test_the_url_of_the_environment_is_that_of_the_configured_service_alone() -> None:
    variables = {"APPLICATION_URL": "https://app.example/", "CLUSTER_NAME": "prod", "SERVICE_NAME": "api"}
    text = "version: 1\nservices:\n  - {cluster: prod, service: api}\n  - {cluster: prod, service: worker}\n"
    loaded = policies(text, variables=variables)
    assert of(loaded).policy.application.url == "https://app.example"
    assert of(loaded, "prod", "worker").policy.application.url is None


def test_base_urls_belong_to_the_services_that_they_name() -> None:
    loaded = policies(file({}, {}), variables={"BASE_URLS": '{"prod/api": "http://10.0.0.1:8000"}'})
    assert of(loaded).policy.application.url == "http://10.0.0.1:8000"
    assert of(loaded, "prod", "other").policy.application.url is None


@pytest.mark.parametrize(
    ("place", "url"),
    [
        ("", "https://app.example"),
        (f'account: "{ACCOUNT}", region: eu-west-1, ', "https://app.example"),
        (f'account: "{OTHER}", region: eu-west-1, ', None),
        ("region: us-west-2, ", None),
    ],
)
@pytest.mark.parametrize(
    "variables",
    [
        {"APPLICATION_URL": "https://app.example", "CLUSTER_NAME": "prod", "SERVICE_NAME": "api"},
        {"BASE_URLS": '{"prod/api": "https://app.example"}'},
    ],
)
def test_a_url_of_the_environment_is_not_that_of_a_namesake_elsewhere(
    place: str, url: str | None, variables: dict[str, str]
) -> None:
    """Tests of a broken service elsewhere would pass at its healthy namesake."""
    access = f'accounts: {{"{OTHER}": {{role: "arn:aws:iam::{OTHER}:role/surefoot"}}}}\n'
    text = f"version: 1\n{access}services:\n  - {{{place}cluster: prod, service: api}}\n"
    loaded = policies(text, variables={"AWS_REGION": "eu-west-1", **variables})
    assert of(loaded).policy.application.url == url


def test_a_url_of_the_environment_is_not_that_of_an_unlisted_namesake_elsewhere() -> None:
    text = "version: 1\nservices:\n  - {cluster: prod, service: other, region: eu-west-1}\n"
    loaded = policies(text, variables={"BASE_URLS": '{"prod/api": "https://app.example"}'})
    here, there = (loaded.explain(target(region=region)) for region in ("us-west-2", "eu-west-1"))
    assert (here.policy.application.url, there.policy.application.url) == ("https://app.example", None)
    assert there.values["region"].origin == "as asked for"


def test_a_url_of_the_environment_is_one_that_headers_go_to() -> None:
    text = (
        "version: 1\nunlisted: refuse\ndefaults: {application: {headers: {X-Key: app/key}}}\n"
        "services: [{cluster: prod, service: api}]\n"
    )
    assert "application.url" in faults(text)
    assert faults(text, variables={"BASE_URLS": '{"prod/api": "https://app.example"}'}) == ""


def test_two_urls_for_one_service_are_a_fault() -> None:
    variables = {"APPLICATION_URL": "https://a", "CLUSTER_NAME": "prod", "SERVICE_NAME": "api"}
    said = faults(file({}, {}), variables=variables | {"BASE_URLS": '{"prod/api": "https://b"}'})
    assert said == (
        "environment variable APPLICATION_URL: application.url: environment variable BASE_URLS gives the same service "
        "another URL; leave one of the two out"
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_REGION", "mars"),
        ("HEALTH_CHECK_INTERVAL", "often"),
        ("HEALTH_CHECK_INTERVAL", "1"),
        ("ALERT_EVALUATION_PERIOD", "999999"),
        ("SMOKE_TESTS", "[]"),
        ("SMOKE_TESTS", "{not json"),
        ("IMAGE_POLICY", "linux/arm64"),
        ("BASE_URLS", '{"prod/api": "ftp://x"}'),
    ],
)
def test_a_wrong_variable_is_named_without_its_value(variable: str, value: str) -> None:
    said = faults(file({}, {}), variables={variable: value})
    assert f"environment variable {variable}" in said
    assert value not in said


def test_without_a_file_the_environment_is_the_policy() -> None:
    variables = {
        "CLUSTER_NAME": "prod",
        "SERVICE_NAME": "api",
        "AWS_REGION": "eu-west-1",
        "SNAPSHOT_RETENTION_DAYS": "7",
    }
    loaded = policies(variables=variables)
    assert [str(target) for target in loaded.all()] == [f"{ACCOUNT}/eu-west-1/prod/api"]
    assert of(loaded).policy.recovery.retention_days == 7
    assert of(loaded).policy.digest == ""
    assert of(loaded, "prod", "other").policy.recovery.retention_days == 7


def test_built_in_values_name_their_source() -> None:
    origins = {path: held.origin for path, held in flat(BUILT_IN)}
    assert origins["rules.cpu.threshold"] == "built-in default (requirements, Alerting Rules)"
    assert all(origin.startswith("built-in default (") for origin in origins.values())


def test_a_value_of_the_file_names_file_and_line() -> None:
    loaded = policies("version: 1\ndefaults:\n  recovery:\n    keep: 5\nservices:\n  - {cluster: prod, service: api}\n")
    assert of(loaded).values["recovery.keep"] == Value(5, "a.yaml:4", of(loaded).values["recovery.keep"].place)
