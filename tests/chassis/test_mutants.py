"""Each protection is watched by a test that fails without it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.mutants import MUTANTS

ROOT = Path(__file__).parents[2]
OPTIONS = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
ONE_AFTER_ANOTHER = """
import os, sys
import pytest
import tests.conftest  # once for all: what is imported takes longer than the test
from tests.chaos.mutants import MUTANTS

directory, options = sys.argv[1], sys.argv[2:]
for name, mutant in MUTANTS.items():
    if (child := os.fork()) == 0:
        output = os.open(f"{directory}/{name}", os.O_CREAT | os.O_WRONLY)
        os.dup2(output, 1)
        code = pytest.main([*options, "--mutant", name, mutant.noticed_by])
        sys.stdout.flush()
        os._exit(code)
    print(name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def exit_codes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Run each mutant's test on it, in a process that is forked for it; return exit codes and outputs."""
    directory = tmp_path_factory.mktemp("mutants")
    command = [sys.executable, "-c", ONE_AFTER_ANOTHER, str(directory), *OPTIONS]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=240, check=True)
    codes = dict(line.split() for line in done.stdout.splitlines())
    return {name: (int(code), (directory / name).read_text()) for name, code in codes.items()}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("mutants")
@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_noticed(exit_codes: dict[str, tuple[int, str]], name: str) -> None:
    """Failed tests are exit code 1; a test that is not there, or an error on the way to it, is another one."""
    code, output = exit_codes[name]
    assert code == 1, output[-2000:]
    last_line = output.splitlines()[-1]
    assert " failed" in last_line
    assert " error" not in last_line


def test_those_tests_pass_without_a_mutant() -> None:
    tests = {mutant.noticed_by for mutant in MUTANTS.values()}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *OPTIONS, *tests],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-2000:]
