"""The hooks before a commit are the checks of ``make check``; the forge runs what ``.ci/run`` says."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


def read(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def hooks() -> list[dict[str, Any]]:
    return [hook for repository in read(".pre-commit-config.yaml")["repos"] for hook in repository["hooks"]]


def program(command: str) -> str:
    """Return what a command runs, with its first verb or module: ``ruff check``, ``python -m contracts.publish``."""
    words = command.split()
    verbs = [word for word in words[1:] if not word.startswith("--") and not word.startswith("$")]
    return " ".join((Path(words[0]).name, *verbs))


def test_the_hooks_are_those_of_make_check() -> None:
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    commands = re.findall(r"\t@\$\(BIN\)/(.*)", recipe[1])
    assert {program(hook["entry"]) for hook in hooks()} == {program(command) for command in commands}


def test_no_hook_is_fetched() -> None:
    assert {repository["repo"] for repository in read(".pre-commit-config.yaml")["repos"]} == {"local"}
    assert all(hook["language"] == "system" and hook["entry"].startswith(".venv/bin/") for hook in hooks())


def test_the_forge_runs_what_ci_is() -> None:
    (job,) = read(".github/workflows/ci.yml")["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step][-1] == ".ci/run"
    with (ROOT / "pyproject.toml").open("rb") as file:
        least = tomllib.load(file)["project"]["requires-python"].removeprefix(">=")
    versions = [step["with"]["python-version"] for step in job["steps"] if "python-version" in step.get("with", {})]
    assert versions == [least]
