"""Another Surefoot on the same AWS: a bus and a state of its own, one deployment to a target that ours deploys to."""

import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.child import HOST, Child, accepts_connections, claim_port
from sandbox.stack import START_SECONDS
from sandbox.valkey import Valkey
from surefoot.arguments import Place
from surefoot.client import Refused, Surefoot
from tests.chaos.requests import CLUSTER, CONFIG, REPOSITORY

MOST_SECONDS = 240.0
"""Real seconds until it must have come to an end."""
POLL_SECONDS = 0.5


class Rival(threading.Thread):
    """Starts, deploys once, waits for the end. Its children die with the thread."""

    def __init__(self, directory: Path, environment: Mapping[str, str], service: str, tag: str) -> None:
        super().__init__(name=directory.name, daemon=True)
        self._directory = directory
        self._environment = environment
        self._service = service
        self._tag = tag
        self.run_id = ""
        self.outcome = ""
        """The outcome of its run; empty while it has none."""

    def run(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        kafka, http = claim_port(0), claim_port(0)
        valkey = Valkey(self._directory / "valkey", claim_port(0))
        broker = Child(
            [sys.executable, "-m", "sandbox.kafka", "--port", str(kafka), "--data", str(self._directory / "kafka")],
            log=self._directory / "kafka.log",
        )
        services = None
        try:
            broker.wait_until(lambda: accepts_connections(kafka), START_SECONDS, "the rival's broker")
            own = {"KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{kafka}", "REDIS_URL": valkey.start()}
            services = Child(
                [sys.executable, "-m", "services"],
                log=self._directory / "services.log",
                environment={**self._environment, **own, "SUREFOOT_HTTP_PORT": str(http)},
            )
            self._deploy(Surefoot(f"http://{HOST}:{http}"))
        finally:
            if services:
                services.kill()
            broker.kill()
            valkey.stop()

    def _deploy(self, surefoot: Surefoot) -> None:
        body: dict[str, Any] = {"image": f"{REPOSITORY}:{self._tag}", "actor": "rival"}
        body["deployment_config"] = CONFIG.model_dump(mode="json")
        deadline = time.monotonic() + MOST_SECONDS
        while not self.outcome and time.monotonic() < deadline:
            try:
                if not self.run_id and surefoot.ready():
                    self.run_id = surefoot.orchestrate(Place(CLUSTER, self._service), body, key=self._tag)
                elif self.run_id:
                    self.outcome = surefoot.status(Place(CLUSTER, self._service), self.run_id)["outcome"] or ""
            except Refused as refused:
                if 400 <= refused.status < 500:
                    raise  # not its troubles: the harness asks for what there is not
            time.sleep(POLL_SECONDS)
