"""Each protection is watched by a test that fails without it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.mutants import MUTANTS

ROOT = Path(__file__).parents[2]


def run(test: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *options, test]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_noticed(name: str) -> None:
    """Failed tests are exit code 1; a test that is not there, or an error on the way to it, is another one."""
    said = run(MUTANTS[name].noticed_by, "--mutant", name)
    assert said.returncode == 1, said.stdout[-2000:]
    last_line = said.stdout.splitlines()[-1]
    assert " failed" in last_line
    assert " error" not in last_line


def test_those_tests_pass_without_a_mutant() -> None:
    said = run(next(iter(MUTANTS.values())).noticed_by, *{one.noticed_by for one in MUTANTS.values()})
    assert said.returncode == 0, said.stdout[-2000:]
