"""The whole of Surefoot on the sandbox, as `surefoot up` runs it, on free ports and fast; or on Apache Kafka."""

from collections.abc import Iterator

import pytest

from sandbox.stack import Ports
from surefoot.up import all_in_one

SPEED = 20.0


@pytest.fixture(scope="module")
def surefoot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a running all-in-one."""
    kafka = ""
    if request.config.getoption("--kafka") != "dev":
        kafka = request.getfixturevalue("node").bootstrap
    directory = tmp_path_factory.mktemp("e2e") / "up"
    with all_in_one(directory, ports=Ports(), http_port=0, speed=SPEED, kafka=kafka) as environment:
        yield environment
