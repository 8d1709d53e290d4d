"""docker compose under test: the sandbox's project under a name and on ports of its own."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from contracts.topics import SERVICES
from sandbox.child import claim_port

ROOT = Path(__file__).parents[2]
SANDBOX = ("--env-file", "deploy/sandbox.env")
PROJECT = "surefoot-test"
TARGET = ("CourtCaseCluster", "BackendService")
REPOSITORY = "123456789012.dkr.ecr.us-west-2.amazonaws.com/backend"
START_SECONDS = 600
"""All start at once, where `depends_on` is not heeded: on two busy cores that takes Kafka alone minutes."""
OURS = ("COMPOSE_", "SUREFOOT_", "KAFKA_BOOTSTRAP", "AWS_")


class NoDocker(Exception):
    """The text says what is missing."""


@dataclass
class Composition:
    """All containers of the sandbox. ``policy`` is the directory that they have as the policy's.

    ``host`` is a directory of somebody who uses them, with what the commands of docs/docker.md expect to find.
    """

    policy: Path
    host: Path
    port: int
    kafka_port: int

    @property
    def environment(self) -> dict[str, str]:
        """A shell of somebody who works on a real account; what chooses images and Docker's daemon is kept."""
        return {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | {
            "COMPOSE_PROJECT_NAME": PROJECT,
            "SUREFOOT_PORT": str(self.port),
            "KAFKA_PORT": str(self.kafka_port),
            "SUREFOOT_POLICY_DIRECTORY": str(self.policy),
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "of-a-real-account",
            "AWS_SECRET_ACCESS_KEY": "of-a-real-account",
        }

    def compose(self, *arguments: str, seconds: float = 120) -> str:
        return self.docker("compose", *SANDBOX, *arguments, seconds=seconds)

    def docker(self, *arguments: str, seconds: float = 120, more: Mapping[str, str] | None = None) -> str:
        """Return what it said. Raise with that and its errors where it fails."""
        ended = self._run(["docker", *arguments], seconds, more or {})
        if ended.returncode:
            raise AssertionError(f"docker {' '.join(arguments)}: {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
        return ended.stdout

    def surefoot(self, *arguments: str, seconds: float = 600, **more: str) -> subprocess.CompletedProcess[str]:
        """The command line on the host, through the front door."""
        return self._run([sys.executable, "-m", "surefoot", *arguments], seconds, more | {"SUREFOOT_URL": self.url})

    def with_keys(self, *command: str, seconds: float = 600) -> subprocess.CompletedProcess[str]:
        """A command on the host that speaks to Kafka, with the keys as docs/docker.md has them copied."""
        blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "docker.md").read_text(), re.DOTALL)
        [copies] = [block for block in blocks if " cp keys:" in block]
        shell = ["sh", "-euc", f'{copies}\nexec "$@"', "sh", *command]
        kafka = {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.kafka_port}"}
        return self._run(shell, seconds, kafka, self.host)

    def _run(
        self, command: Sequence[str], seconds: float, more: Mapping[str, str], directory: Path = ROOT
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=directory,
            env=self.environment | dict(more),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(f"{self.url}/{path}", timeout=60)

    def run_id(self) -> str:
        ended = self.surefoot("status", *TARGET, "--json")
        assert ended.returncode == 0, ended.stderr
        return str(json.loads(ended.stdout)["run_id"])

    def up(self) -> None:
        self.compose("up", "--build", "--detach", "--scale", "validator=2", seconds=1200)
        self.wait_until_healthy()

    def containers(self) -> dict[str, dict[str, Any]]:
        """What Docker knows of each lasting container, by its name without the project's."""
        ids = self.compose("ps", "--all", "--quiet").split()
        found = json.loads(self.docker("inspect", *ids))
        named = {container["Name"].removeprefix(f"/{PROJECT}-"): container for container in found}
        return {name: container for name, container in named.items() if not name.startswith(("topics", "keys"))}

    def health(self) -> dict[str, str]:
        states = {name: container["State"] for name, container in self.containers().items()}
        return {
            name: state.get("Health", {}).get("Status", "none") if state["Running"] else "not running"
            for name, state in states.items()
        }

    def wait_until_healthy(self) -> None:
        self.wait_until(lambda: set(self.health().values()) == {"healthy"}, START_SECONDS, self.health)

    def wait_until(self, true: Callable[[], bool], seconds: float, what: Callable[[], object]) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"after {seconds} s: {what()}"
            time.sleep(1)

    def crash(self, name: str) -> None:
        """Kill it as the kernel would. What `docker kill` ends is ended on purpose, and stays away."""
        pid = self.containers()[name]["State"]["Pid"]
        kill = f"import os, signal; os.kill({pid}, signal.SIGKILL)"
        self.docker("run", "--rm", "--pid", "host", "--user", "0", "surefoot", "python", "-c", kill)

    def logs(self, *services: str) -> list[str]:
        return self.compose("logs", "--no-log-prefix", "--no-color", *services).splitlines()


def composition(policy: Path, host: Path) -> Composition:
    """Return it, not started, with two empty directories. Raise ``NoDocker`` with a sentence."""
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        try:
            answered = subprocess.run(command, capture_output=True, timeout=30, check=False)
        except (OSError, subprocess.TimeoutExpired):
            raise NoDocker("skipped, since there is no Docker") from None
        if answered.returncode:
            raise NoDocker(f"skipped, since no Docker daemon with Compose answers ({' '.join(command)})")
    for name in ("deploy", "docker-compose.yml"):
        (host / name).symlink_to(ROOT / name)
    return Composition(policy, host, claim_port(0), claim_port(0))


def replicas(health: dict[str, str]) -> set[str]:
    return {name.rpartition("-")[0] for name in health if name.rpartition("-")[0] in SERVICES}
