"""Seven processes. The orchestrator dies after the change, and recovery still rolls back on a critical alert."""

import sys
from pathlib import Path

import pytest

from contracts.topics import SERVICES, Party
from sandbox.child import HOST, Child, claim_port
from sandbox.stack import Ports, sandbox
from surefoot.arguments import Place
from surefoot.client import Surefoot
from tests.e2e.harness import CLUSTER, REPOSITORY, SERVICE, described, until

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("e2e")]


@pytest.mark.slow
def test_an_alert_rolls_back_while_the_orchestrator_is_dead(tmp_path: Path) -> None:
    with sandbox(tmp_path / "sandbox", ports=Ports(), speed=20) as environment:
        services: dict[Party, Child] = {}
        try:
            urls = {}
            for name in SERVICES:
                port = claim_port(0)
                urls[name] = f"http://{HOST}:{port}"
                services[name] = Child(
                    [sys.executable, "-m", f"services.{name}"],
                    log=tmp_path / f"{name}.log",
                    environment={**environment, "SUREFOOT_HTTP_PORT": str(port)},
                )
            for name, child in services.items():
                child.wait_until(Surefoot(urls[name]).ready, 60, name)
            before = described(environment)["taskDefinition"]
            api = Surefoot(urls[Party.ORCHESTRATOR])
            api.orchestrate(Place(CLUSTER, SERVICE), {"image": f"{REPOSITORY}:slow", "actor": "tests"})
            until(lambda: described(environment)["taskDefinition"] != before, 60, "the change was not applied")
            services.pop(Party.ORCHESTRATOR).kill()
            until(lambda: described(environment)["taskDefinition"] == before, 90, "nobody rolled back")
            until(
                lambda: described(environment)["deployments"][0]["rolloutState"] == "COMPLETED",
                60,
                "the rollback did not complete",
            )
        finally:
            for child in services.values():
                child.stop()
