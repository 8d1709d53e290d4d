"""The whole of Surefoot on the sandbox, as `surefoot up` runs it, on free ports and fast."""

from collections.abc import Iterator

import pytest

from sandbox.stack import Ports
from surefoot.up import all_in_one

SPEED = 20.0


@pytest.fixture(scope="module")
def surefoot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a running all-in-one."""
    with all_in_one(tmp_path_factory.mktemp("e2e") / "up", ports=Ports(), http_port=0, speed=SPEED) as environment:
        yield environment
