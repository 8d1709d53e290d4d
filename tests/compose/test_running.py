"""`make test-compose`: the containers on the simulated AWS, in the order of a day with accidents.

Time is real, so a deployment takes minutes; each wait has a limit.
"""

import json
import os
import random
import re
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from contracts.topics import SERVICES
from tests.compose.composition import PROJECT, REPOSITORY, ROOT, TARGET, Composition, replicas

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1500)]

OWNER = os.getuid() or 1000
"""Of the credentials on the host: somebody else than the image's user."""

READ = """
import boto3, pathlib
print(boto3.Session().get_credentials().access_key)
for file in ("key/key.pem", "trusted/trusted.yaml"):
    print(pathlib.Path("/etc/surefoot", file).read_text().split()[0])
"""

LOAD = """
import threading, boto3
def ask():
    ecs = boto3.client("ecs", endpoint_url="http://127.0.0.1:4566", region_name="us-west-2",
        aws_access_key_id="a", aws_secret_access_key="b")
    while True:
        try:
            ecs.describe_services(cluster="CourtCaseCluster", services=["BackendService"])
        except Exception:
            pass
for _ in range(16):
    threading.Thread(target=ask).start()
"""


def test_all_are_healthy_and_one_is_there_twice(running: Composition) -> None:
    health = running.health()
    assert replicas(health) == set(SERVICES)
    assert {"validator-1", "validator-2"} <= health.keys()


def test_a_container_can_do_little(running: Composition) -> None:
    look = "id -u; touch /x /app/x 2> /dev/null && echo written; grep -E 'CapEff|NoNewPrivs' /proc/self/status"
    user, *rights = running.compose("exec", "-T", "recovery", "sh", "-c", look).splitlines()
    assert user == "10001"
    assert [line.split() for line in rights] == [["CapEff:", "0000000000000000"], ["NoNewPrivs:", "1"]]


def test_what_is_kept_has_a_name(running: Composition) -> None:
    """A volume without a name stays for ever once `down` has removed its container."""
    mounts = [mount for container in running.containers().values() for mount in container["Mounts"]]
    kept = {mount["Name"] for mount in mounts if mount["Type"] == "volume"}
    named = {f"{PROJECT}_{volume}" for volume in yaml.safe_load((ROOT / "docker-compose.yml").read_text())["volumes"]}
    assert {f"{PROJECT}_kafka", f"{PROJECT}_redis"} <= kept <= named


def test_the_image_for_an_account_is_without_the_sandbox(running: Composition) -> None:
    find = "from importlib.util import find_spec as f; print([n for n in ('sandbox', 'moto', 'lupa') if f(n)])"
    assert running.compose("exec", "-T", "recovery", "python", "-c", find).strip() == "[]"
    assert "deploy" in running.compose("exec", "-T", "recovery", "surefoot", "--help")


def test_the_front_door_describes_the_whole_api(running: Composition) -> None:
    document = running.get("api/v1/openapi.json").json()
    parts = [running.get(f"api/v1/openapi/{service}.json").json() for service in SERVICES]
    assert set(document["paths"]) == {path for part in parts for path in part["paths"]}
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert named <= document["components"]["schemas"].keys()
    assert 'fetch("openapi.json")' in running.get("api/v1/docs").text


def test_the_front_door_says_who_is_ready(running: Composition) -> None:
    for path in ("readyz", *(f"readyz/{service}" for service in SERVICES)):
        answer = running.get(path)
        assert (answer.status_code, answer.json()["ready"]) == (200, True), path


def test_the_script_for_ci_deploys_from_the_host(running: Composition) -> None:
    script = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "integrate.md").read_text(), re.DOTALL)
    assert script
    ended = running.with_keys(sys.executable, "-c", script[1])
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    assert ended.stdout.splitlines()[-1].startswith("deployment-finished.v1")


def test_further_keys_are_made_and_listed(running: Composition) -> None:
    """A key of its own for each pipeline; the services read the trusted ones anew within seconds."""
    verb = ("run", "--rm", "--no-deps", "-T", "keys")
    running.compose(*verb, "create", "ci", "--name", "team-a")
    assert "ci:team-a" in running.compose(*verb, "list")
    running.compose("cp", "keys:/keys/team-a/key.pem", str(running.host / "team-a.pem"))
    assert (running.host / "team-a.pem").stat().st_mode & 0o077 == 0
    look = "from pathlib import Path; print(Path('/etc/surefoot/trusted/trusted.yaml').read_text())"
    assert "team-a" in running.compose("exec", "-T", "recovery", "python", "-c", look)


def test_a_key_of_the_api_is_made_inside_and_used_outside(running: Composition) -> None:
    create = ("exec", "-T", "orchestrator", "surefoot", "keys", "create", "alice", "--role", "viewer", "--json")
    key = json.loads(running.compose(*create))["key"]
    assert running.surefoot("services", SUREFOOT_API_KEY=key).returncode == 0
    refused = running.surefoot("services", SUREFOOT_API_KEY=key[:-1] + "xy"[key.endswith("x")])
    assert refused.returncode not in {0, 3}, refused.stdout


def test_two_replicas_settle(running: Composition) -> None:
    """Kafka says each time when it has given the partitions out."""
    settled = [line for line in running.logs("kafka") if "Stabilized group validator" in line]
    assert 1 <= len(settled) <= 10


def test_a_crash_loop_is_rolled_back_over_four_crashes(running: Composition) -> None:
    def accidents() -> None:
        for name in ("recovery-1", "orchestrator-1", "kafka-1", "redis-1"):
            running.crash(name)

    crashing = threading.Timer(30, accidents)
    crashing.start()
    ended = running.surefoot("deploy", *TARGET, "--image", f"{REPOSITORY}:crash-loop")
    crashing.join()
    assert ended.returncode == 3, ended.stdout + ended.stderr
    restarts = {name: container["RestartCount"] for name, container in running.containers().items()}
    assert all(restarts[name] == 1 for name in ("kafka-1", "redis-1")), restarts
    running.wait_until_healthy()


def test_the_command_line_in_a_container_speaks_to_all_services(running: Composition) -> None:
    listed = running.compose("exec", "-T", "orchestrator", "surefoot", "snapshots", *TARGET)
    assert "SNAPSHOT" in listed


def test_without_redis_nobody_is_healthy_and_then_all_are(running: Composition) -> None:
    running.compose("stop", "redis")
    ours = [f"{service}-1" for service in SERVICES]
    running.wait_until(lambda: not [name for name in ours if running.health()[name] == "healthy"], 90, running.health)
    assert running.get("readyz").status_code in {502, 503}
    running.compose("start", "redis")
    running.wait_until_healthy()


def test_any_order_of_starts_will_do(running: Composition) -> None:
    """As after a reboot, where `depends_on` is not heeded."""
    running.compose("stop", seconds=180)
    names = list(running.containers())
    random.shuffle(names)
    print("order:", *names)  # noqa: T201  shown where it fails
    running.docker("start", *(f"{PROJECT}-{name}" for name in names))
    running.wait_until_healthy()


def test_the_topics_can_be_made_again(running: Composition) -> None:
    running.compose("run", "--rm", "topics")


def test_a_policy_that_is_replaced_is_seen(running: Composition) -> None:
    """Inside and outside the policy has the same digest, however the file came to be another one."""
    policy, example = running.policy / "surefoot.yaml", (ROOT / "deploy/policy/surefoot.yaml").read_text()

    def write(path: Path, minutes: int) -> None:
        path.write_text(example.replace("minimum_minutes: 2", f"minimum_minutes: {minutes}"))
        path.chmod(0o644)

    def digest() -> str:
        check = ("surefoot", "policy", "check", "--json")
        inside = json.loads(running.compose("exec", "-T", "recovery", *check, "/etc/surefoot/policy"))
        outside = json.loads(running.surefoot(*check[1:], str(running.policy)).stdout)
        assert inside["digest"] == outside["digest"]
        return str(inside["digest"])

    write(policy, 3)
    first = digest()
    write(running.policy / ".new", 4)
    (running.policy / ".new").replace(policy)
    renamed = digest()
    write(policy, 5)
    assert len({first, renamed, digest()}) == 3
    policy.unlink()


@pytest.mark.parametrize("overlay", ["profile", "roles"])
def test_credentials_of_the_host_are_read_and_so_are_the_keys(
    running: Composition, tmp_path: Path, overlay: str
) -> None:
    """Whose credentials they are runs the services; the keys were made by an earlier start without them."""
    profiles = {"profile": "production", "roles": "surefoot"}
    directory = {"profile": tmp_path, "roles": tmp_path / "recovery"}[overlay]
    directory.mkdir(exist_ok=True)
    credentials = directory / "credentials"
    credentials.write_text(f"[{profiles[overlay]}]\naws_access_key_id = of-the-host\naws_secret_access_key = secret\n")
    for path in (*tmp_path.rglob("*"), tmp_path):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.chown(path, OWNER, -1)
    on_host = {
        "AWS_PROFILE": "production",
        "AWS_DIRECTORY": str(tmp_path),
        "AWS_DIRECTORIES": str(tmp_path),
        "SUREFOOT_UID": str(OWNER),
    }

    def compose(*arguments: str, **more: str) -> str:
        named = {"BACKUP_BUCKET": "mine", "COMPOSE_PROJECT_NAME": f"{PROJECT}-account"}
        return running.docker("compose", *arguments, more=named | more)

    overlaid = ("-f", "docker-compose.yml", "-f", f"deploy/{overlay}.yml")
    try:
        compose("run", "--rm", "--no-deps", "-T", "keys")
        compose(*overlaid, "run", "--rm", "--no-deps", "-T", "keys", **on_host)
        recovery = ("run", "--rm", "--no-deps", "-T", "recovery", "python", "-c", READ)
        assert compose(*overlaid, *recovery, **on_host).split() == ["of-the-host", "-----BEGIN", "version:"]
    finally:
        compose("down", "--volumes")


def test_the_logs_are_json(running: Composition) -> None:
    lines = running.logs(*SERVICES)
    wrong = [line for line in lines if not line.startswith("{") or "timestamp" not in json.loads(line)]
    assert lines
    assert wrong == []


def test_a_stop_under_load_ends_in_time_and_the_runs_stay_known(running: Composition) -> None:
    before = running.run_id()
    running.compose("exec", "--detach", "aws", "python", "-c", LOAD)
    begun = time.monotonic()
    running.compose("stop", seconds=120)
    assert time.monotonic() - begun < 60
    ended = {name: container["State"]["ExitCode"] for name, container in running.containers().items()}
    assert ended.pop("kafka-1") == 143  # Java's way to end on SIGTERM
    assert ended == dict.fromkeys(ended, 0)
    running.compose("down", "--timeout", "30")
    running.up()
    assert running.run_id() == before
