"""Docstrings are whole sentences, names are the field's terms, and loop variables are named for what they hold."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("contracts", "services", "sandbox", "surefoot")
FRAGMENTS = ("Of ", "Whose ", "By ", "As ", "That ", "With which ", "For how ", "Up to where ")
"""Beginnings of docstrings that are half a sentence."""
SPEECH = frozenset(
    {"told", "tell", "tells", "telling", "hear", "hears", "heard", "unheard", "hearing", "said", "say", "says"}
)
"""Words that names have in place of what is done or held: publish, log, report, answer; summary, detail, reason."""
PUBLISHED = {
    "services/health/domain/watch/memory.py": {"told"},
    "services/orchestrator/domain/policy.py": {"tell_every"},
    "services/orchestrator/domain/run.py": {"told", "told_at", "told_in"},
    "sandbox/scenarios/model.py": {"says"},
}
"""Names that keep their words of speech, since they are in stored state or in users' scenarios."""
METAPHORS = re.compile(r"condemn|convict|innocen|exonerat", re.IGNORECASE)
"""A test is no court: a version fails, an alert rolls it back, what is not its fault is excused."""


def fragments(tree: ast.Module) -> Iterator[str]:
    """Yield ``LINE: what is wrong`` for each docstring that is half a sentence."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))) if text.lstrip().startswith(FRAGMENTS):
                yield f"{node.lineno}: a docstring is half a sentence: {text.split(chr(10))[0]}"


def speech(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of each function, class, parameter and variable with a word of speech."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
                | ast.arg(arg=name)
                | ast.Name(id=name, ctx=ast.Store())
                | ast.Attribute(attr=name, ctx=ast.Store())
            ) if SPEECH & words(name):
                yield node.lineno, name


def words(name: str) -> set[str]:
    """Return the words of a name in lower case: of ``told_at``, of ``TOLD_AT`` and of ``ToldAt``."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}


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


def test_no_docstring_is_a_fragment() -> None:
    assert [f"{path}:{wrong}" for path, tree in sources().items() for wrong in fragments(tree)] == []


def test_no_name_has_a_word_of_speech() -> None:
    found = [(path, line, name) for path, tree in sources().items() for line, name in speech(tree)]
    assert [name for name in found if name[2] not in PUBLISHED.get(name[0], ())] == []


def test_what_is_published_still_exists() -> None:
    for path, names in PUBLISHED.items():
        assert names <= {name for _, name in speech(sources()[path])}, path


def test_no_loop_variable_is_called_one() -> None:
    assert [f"{path}:{wrong}" for path, tree in sources().items() for wrong in loops(tree)] == []


def test_a_deployment_is_in_no_court() -> None:
    texts = (path for package in PRODUCT for path in (ROOT / package).rglob("*") if path.suffix in {".py", ".yaml"})
    assert [str(path.relative_to(ROOT)) for path in texts if METAPHORS.search(path.read_text())] == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('"""Of the policy."""', ["1: a docstring is half a sentence: Of the policy."]),
        ('x = 1\n"""Whose gate failed.\n\nMore."""', ["2: a docstring is half a sentence: Whose gate failed."]),
        ("[one for one in few]", ["1: name what the loop goes through"]),
        ("for place, one in few.items(): ...", ["1: name what the loop goes through"]),
        ('"""Offsets of a service."""\n[two for two in few]', []),
    ],
)
def test_what_is_wrong_is_found(text: str, wrong: list[str]) -> None:
    tree = ast.parse(text)
    assert [*fragments(tree), *loops(tree)] == wrong


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("def _told(): ...", ["_told"]),
        ("async def hear(): ...", ["hear"]),
        ("def publish(said_so): ...", ["said_so"]),
        ("class AsTold:\n    told_at: float", ["AsTold", "told_at"]),
        ("self._told_at = run.told", ["_told_at"]),
        ("TOLD = Heard(told=1)", ["TOLD"]),
        ("def foretell(essays, hearth): ...", []),
    ],
)
def test_words_of_speech_are_found(text: str, names: list[str]) -> None:
    assert [name for _, name in speech(ast.parse(text))] == names
