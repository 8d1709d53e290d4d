"""Each threshold stands once, in ``contracts/limits.py``: where it is changed, everything that uses it changes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORMULA = re.compile(r"5xx[^\n]*\)\s*/|100 \* [^\n]*5xx")

MOVED = """
import asyncio, json
from typing import Any
import contracts.limits as limits

names = [name for name, value in vars(limits).items() if name.isupper() and isinstance(value, int | float)]
before = {name: getattr(limits, name) for name in names}
for name in names:
    setattr(limits, name, before[name] + (1 if "MINUTES" in name or "TASKS" in name else 3))

from contracts.deployment import DeploymentConfig
from contracts.health import AssessHealth
from contracts.policy_rules import BUILT_IN_RULES
from contracts.policy import Monitoring, ServicePolicy
from services.health.domain import checks
from services.monitor.adapters.alarm_definitions import definitions
from services.monitor.adapters.drawing import Drawing
from services.monitor.domain import rule_gates, rules
from tests.services.monitor.harness import BALANCED

watched = {rule.name: rule for rule in rules.rules_of(BUILT_IN_RULES)}
alarms = {name: definitions(BALANCED, rule, "Application", None)[0] for name, rule in watched.items()}
widgets = Drawing(BALANCED, Monitoring(), "us-west-2", 300).widgets(watched.values())
lines = [line["value"] for widget in widgets
         for line in widget["properties"].get("annotations", {}).get("horizontal", ())]
expected = {
    "service_unavailable": ("HEALTHY_TASKS", "CRITICAL_MINUTES"),
    "error_rate": ("CRITICAL_ERROR_RATE", "CRITICAL_MINUTES"),
    "response_time": ("CRITICAL_RESPONSE_TIME", "CRITICAL_MINUTES"),
    "database_connections": ("DATABASE_ERRORS", "CRITICAL_MINUTES"),
    "cpu": ("WARNING_CPU", "WARNING_MINUTES"),
    "memory": ("WARNING_MEMORY", "WARNING_MINUTES"),
    "error_rate_warning": ("WARNING_ERROR_RATE", "WARNING_MINUTES"),
    "response_time_warning": ("WARNING_RESPONSE_TIME", "WARNING_MINUTES"),
}
assert set(watched) == set(expected), sorted(watched)
for name, (threshold, minutes) in expected.items():
    assert watched[name].threshold == getattr(limits, threshold) != before[threshold], name
    assert watched[name].minutes == getattr(limits, minutes) != before[minutes], name
    assert alarms[name]["Threshold"] == getattr(limits, threshold), name
assert sorted(lines) == sorted(watched[name].threshold for name in expected
                               if name not in {"service_unavailable", "database_connections"}), lines
for name in ("error_rate", "response_time"):
    assert f">= {limits.LEAST_REQUESTS}," in alarms[name]["Metrics"][0]["Expression"], name
assert rule_gates.LEAST_REQUESTS == rules.LEAST_REQUESTS == checks.LEAST_REQUESTS == limits.LEAST_REQUESTS

health = ServicePolicy.model_fields["health"].default
assert (health.cpu_percent, health.memory_percent) == (limits.WARNING_CPU, limits.WARNING_MEMORY)
assert health.response_time_seconds == limits.WARNING_RESPONSE_TIME
assert health.error_rate_percent == limits.WARNING_ERROR_RATE
proof = ServicePolicy.model_fields["tests"].default
assert proof.required_pass_percent == limits.REQUIRED_PASS_PERCENT
assert proof.response_time_seconds == limits.CRITICAL_RESPONSE_TIME
assert DeploymentConfig().minimum_health_score == limits.MINIMUM_HEALTH_SCORE
assert AssessHealth.model_fields["minimum_score"].default == limits.MINIMUM_HEALTH_SCORE
print("moved", len(names))
"""


@pytest.mark.timeout(60)
def test_every_use_of_a_threshold_follows_it() -> None:
    run = subprocess.run([sys.executable, "-c", MOVED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("moved ")


def test_the_error_rate_has_one_formula() -> None:
    files = [file for folder in ("contracts", "services") for file in (ROOT / folder).rglob("*.py")]
    found = {str(file.relative_to(ROOT)) for file in files if FORMULA.search(file.read_text())}
    assert found == {"contracts/limits.py"}
