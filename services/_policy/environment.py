"""Settings of the environment, as a layer of the policy above the built-in defaults.

The names are those of the requirements (docs/requirements.md, Environment Variables and Service Configuration), read
from the environment and, below it, from the YAML file that ``SUREFOOT_CONFIG`` names.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from contracts.base import Contract, Target
from contracts.policy import SECTIONS
from contracts.policy_rules import RulePolicy
from services._policy.faults import Fault, Place, PolicyFaults
from services._policy.merge import Tree, Value, merged, plain, sections_of


def _number(given: Any) -> Any:
    return TypeAdapter(float).validate_python(given)


def _true_or_false(given: Any) -> Any:
    return TypeAdapter(bool).validate_python(given)


def _structure(given: Any) -> Any:
    """Return a list or map, which is JSON in a variable and YAML in the file."""
    return json.loads(given) if isinstance(given, str) else given


def _minutes(given: Any) -> Any:
    """Return seconds as whole minutes, rounded."""
    return max(1, round(_number(given) / 60))


def _thousandth(given: Any) -> Any:
    return _number(given) / 1000


def _base_url(given: Any) -> Any:
    return str(given).rstrip("/")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, and the values of a policy that it sets."""

    name: str
    """The setting's key in the file; in capitals the variable's name."""
    paths: tuple[str, ...]
    read: Callable[[Any], Any] = str


_WARNINGS = ("cpu", "memory", "error_rate_warning", "response_time_warning")
SETTINGS = (
    Setting("aws_account", ("account",)),
    Setting("aws_region", ("region",)),
    Setting("application_health_path", ("application.health_path",)),
    Setting("application_ready_path", ("application.ready_path",)),
    Setting("application_endpoints", ("application.endpoints",), _structure),
    Setting("cloudwatch_namespace", ("monitoring.metrics_namespace",)),
    Setting("alert_sns_topic", ("monitoring.alarms_topic",)),
    Setting("database_instance", ("monitoring.database",)),
    Setting("metric_collection_interval", ("monitoring.interval_seconds",), _number),
    Setting("close_collection_interval", ("monitoring.close_interval_seconds",), _number),
    Setting("alert_evaluation_period", tuple(f"rules.{name}.minutes" for name in _WARNINGS), _minutes),
    Setting("health_check_interval", ("health.interval_seconds",), _number),
    Setting("performance_threshold_ms", ("health.response_time_seconds",), _thousandth),
    Setting("image_policy", ("gates.image_platform",)),
    Setting("validation_timeout_minutes", ("timeouts.validation_minutes",), _number),
    Setting("smoke_tests", ("tests.smoke",), _structure),
    Setting("api_tests", ("tests.api",), _structure),
    Setting("success_rate_percent", ("tests.required_pass_percent",), _number),
    Setting("response_time_seconds", ("tests.response_time_seconds",), _number),
    Setting("auto_optimization_enabled", ("optimization.enabled",), _true_or_false),
    Setting("auto_recovery_enabled", ("recovery.enabled",), _true_or_false),
    Setting("snapshot_retention_days", ("recovery.retention_days",), _number),
)
RETRIES = "stubbornness"
"""The setting that is a map of the timeouts and retries of ``tests``."""
URL, URLS, CLUSTER, SERVICE = "application_url", "base_urls", "cluster_name", "service_name"
"""The settings about single services: the URL is that of the configured service, ``base_urls`` names its services."""

NAMES = frozenset({*(setting.name for setting in SETTINGS), RETRIES, URL, URLS, CLUSTER, SERVICE})
"""The names of all settings that are read here."""

SERVICE_KEY = tuple[str, str]
"""Cluster and service."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The values that the environment sets: for all services, and for single services by cluster and service."""

    common: Tree = field(default_factory=dict)
    services: Mapping[SERVICE_KEY, Tree] = field(default_factory=dict)
    configured: SERVICE_KEY | None = None
    """The service that ``CLUSTER_NAME`` and ``SERVICE_NAME`` name; None if they name none."""

    def of(self, cluster: str, service: str) -> tuple[Tree, Tree]:
        """Return the two layers that hold for a service, the lower one first."""
        return self.common, self.services.get((cluster, service), {})


NO_ENVIRONMENT = Environment()
"""Sets nothing."""


def environment_of(variables: Mapping[str, str]) -> Environment:
    """Read the environment. Raise ``PolicyFaults`` for values that no policy may have; other settings are ignored."""
    given = _given(variables)
    common: dict[str, Any] = {}
    faults: list[Fault] = []
    for setting in SETTINGS:
        if setting.name in given:
            held = given[setting.name]
            for path in setting.paths:
                _set(common, path, _read(setting.read, held, faults))
    if RETRIES in given:
        retries = _read(_structure, given[RETRIES], faults)
        for name, value in retries.value.items() if isinstance(retries.value, dict) else ():
            _set(common, f"tests.{name}", Value(value, retries.origin))
    configured = _configured(given)
    environment = Environment(common, _urls(given, configured, faults), configured)
    faults += _checked(environment) if not faults else []
    if faults:
        raise PolicyFaults(faults)
    return environment


def _given(variables: Mapping[str, str]) -> dict[str, Value]:
    """Return the given settings by key. A variable wins over the file; an empty variable counts as not set."""
    lowered = {name.lower(): (name, value) for name, value in variables.items() if value}
    given = _of_file(lowered["surefoot_config"][1]) if "surefoot_config" in lowered else {}
    return given | {key: Value(value, f"environment variable {name}") for key, (name, value) in lowered.items()}


def _of_file(path: str) -> dict[str, Value]:
    """Return the top keys of the file with their lines; empty for a broken file, which ``Settings`` refuses."""
    try:
        text = Path(path).read_text()
        values, root = yaml.safe_load(text), yaml.compose(text, yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    if not isinstance(values, dict) or not isinstance(root, yaml.MappingNode):
        return {}
    lines = {key.value: key.start_mark.line + 1 for key, _ in root.value}
    return {
        str(key).lower(): Value(value, f"{path}:{lines.get(key, 1)} (SUREFOOT_CONFIG)")
        for key, value in values.items()
        if value is not None
    }


def _set(tree: dict[str, Any], path: str, value: Value) -> None:
    *holders, name = path.split(".")
    for holder in holders:
        tree = tree.setdefault(holder, {})
    tree[name] = value


def _read(read: Callable[[Any], Any], held: Value, faults: list[Fault]) -> Value:
    try:
        return Value(read(held.value), held.origin)
    except (ValueError, OverflowError):
        faults.append(Fault(Place(held.origin, 0), "", "this cannot be read; see docs/policy.md for what it may be"))
        return held


def _configured(given: Mapping[str, Value]) -> SERVICE_KEY | None:
    if CLUSTER in given and SERVICE in given:
        return str(given[CLUSTER].value), str(given[SERVICE].value)
    return None


def _urls(
    given: Mapping[str, Value], configured: SERVICE_KEY | None, faults: list[Fault]
) -> dict[SERVICE_KEY, dict[str, Any]]:
    urls: dict[SERVICE_KEY, Value] = {}
    if URLS in given:
        held = _read(_structure, given[URLS], faults)
        for name, url in held.value.items() if isinstance(held.value, dict) else ():
            cluster, _, service = str(name).partition("/")
            urls[cluster, service] = Value(_base_url(url), held.origin)
    if URL in given and configured:
        url = Value(_base_url(given[URL].value), given[URL].origin)
        other = urls.get(configured)
        if other is not None and other.value != url.value:
            sentence = f"{other.origin} gives the same service another URL; leave one of the two out"
            faults.append(Fault(Place(url.origin, 0), "application.url", sentence))
        urls[configured] = url
    return {key: {"application": {"url": url}} for key, url in urls.items()}


def _checked(environment: Environment) -> list[Fault]:
    """Return the faults of a policy that is made of the environment alone."""
    faults = []
    for layers in ((environment.common,), *((environment.common, own) for own in environment.services.values())):
        tree = merged(*layers)
        values = plain(tree)
        target = {"account": "0" * 12, "cluster": "c", "service": "s"} | values
        faults += _refused(tree, (), Target, target)
        for name, section in SECTIONS.items():
            faults += _refused(tree, (name,), section, sections_of(tree)[name])
        for name, rule in values["rules"].items():
            faults += _refused(tree, ("rules", name), RulePolicy, {"name": name, **rule})
    return faults


def _refused(tree: Tree, path: tuple[str, ...], model: type[Contract], values: Mapping[str, Any]) -> list[Fault]:
    """Return a fault for each wrong setting: its variable and the rule that it breaks, without its value."""
    try:
        model.model_validate(values)
    except ValidationError as error:
        return [_fault(tree, (*path, str(wrong["loc"][0])), wrong["msg"]) for wrong in error.errors()]
    return []


def _fault(tree: Tree, path: tuple[str, ...], message: str) -> Fault:
    held: Any = tree
    for key in path:
        held = held.get(key, {}) if not isinstance(held, Value) else held
    origin = held.origin if isinstance(held, Value) else "the environment"
    return Fault(Place(origin, 0), ".".join(path), message)
