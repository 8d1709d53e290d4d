"""One composition for all of these tests, which run in the order in which they stand."""

import sys
from collections.abc import Iterator

import pytest

from tests.compose.composition import Composition, NoDocker, composition


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Composition]:
    policy = tmp_path_factory.mktemp("policy")
    policy.chmod(0o755)
    try:
        surefoot = composition(policy, tmp_path_factory.mktemp("host"))
    except NoDocker as error:
        pytest.exit(str(error), returncode=0)  # said once, not once for each test
    try:
        surefoot.up()
        yield surefoot
    finally:
        if request.session.testsfailed:
            sys.stderr.write("\n".join(surefoot.compose("logs", "--no-color", "--tail", "15").splitlines()))
        surefoot.compose("down", "--volumes", "--timeout", "30", seconds=180)
