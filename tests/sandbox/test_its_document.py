"""``docs/sandbox.md`` names a test for each behaviour; each of them is there."""

import re
from pathlib import Path

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "sandbox.md"


def test_each_test_that_the_document_names_is_there() -> None:
    named = re.findall(r"`(test_\w+)(\.py)?`", DOCUMENT.read_text())
    written = "\n".join(file.read_text() for file in HERE.glob("test_*.py"))
    missing = [
        name for name, file in named if not ((HERE / f"{name}.py").exists() if file else f"def {name}(" in written)
    ]
    assert len(named) > 40
    assert missing == []
