"""What the documents name is there: files, functions and tests in backticks, and the targets of links."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TOP = "contracts|services|sandbox|surefoot|tests|benchmarks|deploy|docs"
PATH = re.compile(rf"`((?:{TOP})/[\w./{{}},-]*?)(?:::(\w+))?`(?: \(((?:`\w+`(?:, )?)+)\))?")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def named(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return each path in backticks, and the names that follow it: after ``::``, or in brackets."""
    found = []
    for path, name, more in PATH.findall(text):
        names = (*([name] if name else []), *re.findall(r"`(\w+)`", more))
        found.append((path, names))
    return found


def paths_of(path: str) -> list[Path]:
    """Expand ``a/{b,c}.py``."""
    braces = re.search(r"\{([^}]*)\}", path)
    if braces is None:
        return [ROOT / path]
    before, after = path[: braces.start()], path[braces.end() :]
    return [each for part in braces[1].split(",") for each in paths_of(f"{before}{part}{after}")]


@cache
def definitions(path: Path) -> frozenset[str]:
    """Return what a Python file defines or assigns, at any depth."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return frozenset(found)


def anchor(title: str) -> str:
    """Return a heading's anchor, as forges make it."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def label(document: Path) -> str:
    return str(document.relative_to(ROOT))


def faults(document: Path) -> list[str]:
    """Return what the document names and is not there."""
    text = without_code(document.read_text())
    wrong: list[str] = []
    for path, names in named(text):
        for there in paths_of(path):
            if not there.exists():
                wrong.append(f"there is no {path}")
            elif there.suffix == ".py":
                wrong += [f"{path} has no {name}" for name in names if name not in definitions(there)]
    for link in LINK.findall(text):
        target, _, heading = link.partition("#")
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        other = (document.parent / target).resolve() if target else document
        if not other.exists():
            wrong.append(f"the link {link} leads nowhere")
        elif heading and heading not in map(anchor, re.findall(r"^#+ (.*)$", other.read_text(), re.MULTILINE)):
            wrong.append(f"the link {link} leads to no heading")
    return wrong


@pytest.mark.parametrize("document", DOCUMENTS, ids=label)
def test_what_a_document_names_is_there(document: Path) -> None:
    wrong = faults(document)
    assert not wrong, "\n".join(wrong)


def test_what_is_not_there_is_found(tmp_path: Path) -> None:
    document = tmp_path / "wrong.md"
    document.write_text(
        "`services/nowhere.py`, `contracts/limits.py::nothing`, `contracts/limits.py` (`WARNING_CPU`, `NEVER`), "
        "`docs/{guarantees,nowhere}.md`, [a](gone.md), [b](#nothing)\n"
    )
    assert faults(document) == [
        "there is no services/nowhere.py",
        "contracts/limits.py has no nothing",
        "contracts/limits.py has no NEVER",
        "there is no docs/{guarantees,nowhere}.md",
        "the link gone.md leads nowhere",
        "the link #nothing leads to no heading",
    ]
