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
    result = run(MUTANTS[name].noticed_by, "--mutant", name)
    assert result.returncode == 1, result.stdout[-2000:]
    last_line = result.stdout.splitlines()[-1]
    assert " failed" in last_line
    assert " error" not in last_line


def test_those_tests_pass_without_a_mutant() -> None:
    result = run(next(iter(MUTANTS.values())).noticed_by, *{mutant.noticed_by for mutant in MUTANTS.values()})
    assert result.returncode == 0, result.stdout[-2000:]
