"""No helper stands in two services: what both need lies in the chassis, in the AWS kit, or in the contracts."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from contracts.topics import SERVICES

ROOT = Path(__file__).parents[2] / "services"
LEAST_STATEMENTS = 3
"""Shorter functions are alike by chance: a call and a return say little."""


def bodies(root: Path, service: str) -> Iterator[tuple[str, str]]:
    """Yield what each function of a service does, names of its own and docstring aside, and where it stands."""
    for path in sorted((root / service).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) is not None else node.body
                if (
                    sum(isinstance(inner, ast.stmt) for statement in body for inner in ast.walk(statement))
                    >= LEAST_STATEMENTS
                ):
                    yield "\n".join(ast.dump(statement) for statement in body), f"{path.relative_to(root)}:{node.name}"


def twins(root: Path) -> list[list[str]]:
    places: dict[str, dict[str, str]] = defaultdict(dict)
    for service in SERVICES:
        for body, place in bodies(root, service):
            places[body].setdefault(service, place)
    return [sorted(found.values()) for found in places.values() if len(found) > 1]


def test_no_two_services_have_the_same_helper() -> None:
    assert twins(ROOT) == []


def test_a_twin_is_found_by_what_it_does(tmp_path: Path) -> None:
    for service, text in {
        "health": 'def a(x):\n    """Says a."""\n    y = x + 1\n    z = y * 2\n    return z\n',
        "monitor": "def b(x):\n    y = x + 1\n    z = y * 2\n    return z\n",
    }.items():
        (tmp_path / service).mkdir()
        (tmp_path / service / "work.py").write_text(text)
    assert twins(tmp_path) == [["health/work.py:a", "monitor/work.py:b"]]
