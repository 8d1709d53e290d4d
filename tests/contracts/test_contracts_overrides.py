"""The table of the gates before the change has each of them."""

import ast
from pathlib import Path
from typing import Any

import pytest

from contracts.catalogue import CATALOGUE
from contracts.deployment import Phase
from contracts.overrides import INDISPENSABLE, OVERRIDABLE, why_not_override
from contracts.suggest import did_you_mean
from sandbox.scenarios.load import shipped
from surefoot.rehearsal.rehearse import rehearse

SERVICES = Path(__file__).parents[2] / "services"
BEFORE_THE_CHANGE = ("validator/domain/preflight.py", "diagnostics/domain/diagnose.py", "monitor/domain/alarms.py")


def named_in(file: Path) -> set[str]:
    """The names of the gates that a file makes, as texts or by its own constants."""
    tree = ast.parse(file.read_text())
    constants = {
        ast.unparse(node.targets[0]): node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    names = [call.args[0] for call in calls if ast.unparse(call.func) in {"Gate.true", "Gate.measured", "_all"}]
    values = [name.value if isinstance(name, ast.Constant) else constants.get(ast.unparse(name)) for name in names]
    return {value for value in values if isinstance(value, str)}


@pytest.mark.parametrize("file", BEFORE_THE_CHANGE)
def test_each_gate_of_these_files_is_in_the_table(file: str) -> None:
    found = named_in(SERVICES / file)
    assert found
    assert found <= OVERRIDABLE.keys() | INDISPENSABLE.keys()


@pytest.mark.parametrize("scenario", ["wrong-architecture", "healthy"])
def test_each_gate_that_a_rehearsal_tells_before_the_change_is_in_the_table(scenario: str) -> None:
    (before,) = (
        phase
        for phase in rehearse(shipped()[scenario]).run["phases"]
        if phase["phase"] == Phase.PRE_DEPLOYMENT_VALIDATION
    )
    found = {gate["name"] for gate in before["gates"]}
    assert {"health_score", "critical_issues", "existing_alarms_quiet", "architecture"} <= found
    assert found <= OVERRIDABLE.keys() | INDISPENSABLE.keys()


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.type)
def test_a_command_that_names_gates_names_those_for_its_own_answer(entry: Any) -> None:
    named = set(getattr(entry.contract, "overridable", ())) | set(getattr(entry.contract, "indispensable", ()))
    step = entry.name.replace("-", "_")
    assert not named or {step, f"{step}_answered"} <= named


def test_no_gate_is_both() -> None:
    assert not OVERRIDABLE.keys() & INDISPENSABLE.keys()


def test_what_can_be_overridden_is_not_refused() -> None:
    assert why_not_override(OVERRIDABLE) is None
    assert why_not_override(()) is None


@pytest.mark.parametrize(
    ("word", "said"),
    [("Architectur", "; did you mean architecture?"), ("foo", ""), ("HEALTH_SCORE", "health_score?")],
)
def test_the_nearest_name_is_suggested(word: str, said: str) -> None:
    assert did_you_mean(word, OVERRIDABLE).endswith(said)
    assert bool(did_you_mean(word, OVERRIDABLE)) is bool(said)
