"""Docstrings are whole sentences, names are the field's terms, and loop variables are named for what they hold."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("contracts", "services", "sandbox", "surefoot")
FRAGMENTS = ("Of ", "Whose ", "Up to where ", "By what ")
"""Beginnings of docstrings that are half a sentence."""
SPEECH = frozenset({"told", "tell", "tells", "hear", "hears", "heard", "said"})
"""Names of functions that should say what is done: publish, log, record, report, answer."""


def violations(tree: ast.Module) -> Iterator[str]:
    """Yield ``LINE: what is wrong`` for each docstring that is a fragment, and each function named for speech."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))) if text.lstrip().startswith(FRAGMENTS):
                yield f"{node.lineno}: a docstring is half a sentence: {text.split(chr(10))[0]}"
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name.strip("_") in SPEECH:
                yield f"{node.lineno}: name what {name} does"


def loops(tree: ast.Module) -> Iterator[str]:
    """Yield ``LINE: what is wrong`` for each loop over ``one``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.comprehension | ast.For | ast.AsyncFor):
            names = [name for name in ast.walk(node.target) if isinstance(name, ast.Name)]
            yield from (f"{name.lineno}: name what the loop goes through" for name in names if name.id == "one")


@cache
def sources() -> dict[str, ast.Module]:
    paths = (path for package in PRODUCT for path in sorted((ROOT / package).rglob("*.py")))
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in paths}


def test_no_docstring_is_a_fragment_and_no_function_is_named_for_speech() -> None:
    assert [f"{path}:{wrong}" for path, tree in sources().items() for wrong in violations(tree)] == []


def test_no_loop_variable_is_called_one() -> None:
    assert [f"{path}:{wrong}" for path, tree in sources().items() for wrong in loops(tree)] == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('"""Of the policy."""', ["1: a docstring is half a sentence: Of the policy."]),
        ('x = 1\n"""Whose gate failed.\n\nMore."""', ["2: a docstring is half a sentence: Whose gate failed."]),
        ("def _told(): ...", ["1: name what _told does"]),
        ("async def hear(): ...", ["1: name what hear does"]),
        ("[one for one in few]", ["1: name what the loop goes through"]),
        ("for place, one in few.items(): ...", ["1: name what the loop goes through"]),
        ('"""Offsets of a service."""\ndef telling(): ...\n[two for two in few]', []),
    ],
)
def test_what_is_wrong_is_found(text: str, wrong: list[str]) -> None:
    tree = ast.parse(text)
    assert [*violations(tree), *loops(tree)] == wrong
