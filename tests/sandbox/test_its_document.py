"""``docs/sandbox.md`` names a test for each behaviour; each of them is there."""

import re
from pathlib import Path

from sandbox.scenarios.load import parsed

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "sandbox.md"


def test_each_scenario_of_the_document_can_be_read() -> None:
    whole, infrastructure = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert parsed(whole, "whole.yaml").harm[0].operation == "ListTasks"
    described = parsed(f"teaches: It.\n{infrastructure}expect: {{outcome: succeeded}}\n", "described.yaml").world
    assert described.service.desired_count == 20
    assert len(described.load_balancers[0].listeners[0].rules) == 2


def test_each_test_that_the_document_names_is_there() -> None:
    named = re.findall(r"`(test_\w+)(\.py)?`", DOCUMENT.read_text())
    written = "\n".join(file.read_text() for file in HERE.glob("test_*.py"))
    missing = [
        name for name, file in named if not ((HERE / f"{name}.py").exists() if file else f"def {name}(" in written)
    ]
    assert len(named) > 40
    assert missing == []
