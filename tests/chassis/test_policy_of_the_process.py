"""The policy of a process: loaded at its start, kept in Redis, shown over HTTP."""

import asyncio
from pathlib import Path

import httpx2
import pytest

from contracts.base import Target
from sandbox.virtual.redis import MemoryRedis
from services._chassis.clock import Pace, PacedClock
from services._chassis.config_file import ConfigWatch
from services._chassis.http import PREFIX, create_http
from services._chassis.policy import StoredCopy, first_policy, router
from services._chassis.readiness import Readiness
from services._chassis.settings import Settings, known_settings
from services._chassis.startup import StartupError
from services._chassis.store import RedisStore
from services._policy import settled
from services._policy.source import PolicySource
from tests.kit import JSON, ScriptedAws

ACCOUNT = "123456789012"
TARGET = Target(account=ACCOUNT, region="us-west-2", cluster="prod", service="api")
GOOD = "version: 1\ndefaults: {recovery: {keep: 4}}\nservices:\n  - {cluster: prod, service: api}\n"


class Processes:
    """Processes that start one after another on the same Redis and the same file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.redis = MemoryRedis(lambda: 0.0)
        self.readiness = Readiness()

    def stores(self, *services: str) -> list[RedisStore]:
        return [RedisStore(self.redis, service, PacedClock(Pace())) for service in services]

    async def start(self, *services: str) -> PolicySource:
        self.readiness = Readiness()
        settings = Settings(aws_account=ACCOUNT, surefoot_policy=str(self.file))
        return await first_policy(settings, ScriptedAws(), self.stores(*services), self.readiness)


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Processes:
    monkeypatch.setattr(settled, "SETTLE_SECONDS", 0)
    for name in ("SUREFOOT_CONFIG", "CLUSTER_NAME", "SERVICE_NAME"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "policy.yaml"
    file.write_text(GOOD)
    return Processes(file)


async def test_a_first_start_with_a_broken_file_stops_with_a_sentence(processes: Processes) -> None:
    """Field point 1."""
    await asyncio.to_thread(processes.file.write_text, GOOD.replace("keep", "keeep"))
    with pytest.raises(StartupError, match=r"policy\.yaml:2:23: defaults\.recovery\.keeep: .* did you mean keep\?"):
        await processes.start("recovery")


async def test_a_restart_with_a_broken_file_goes_on_degraded_and_told(processes: Processes) -> None:
    """Field point 1."""
    await processes.start("recovery")
    await asyncio.to_thread(processes.file.unlink)
    policies = await processes.start("recovery")
    assert policies.of(TARGET).recovery.keep == 4
    (sentence,) = processes.readiness.degraded
    assert "the copy that was kept" in sentence
    assert "is not there" in sentence
    with pytest.raises(StartupError):
        await processes.start("monitor")  # it has never had a policy


async def test_all_services_of_a_process_have_the_copy(processes: Processes) -> None:
    await processes.start("recovery", "monitor")
    await asyncio.to_thread(processes.file.unlink)
    assert (await processes.start("monitor")).of(TARGET).recovery.keep == 4


async def test_a_copy_lies_under_the_prefix_of_its_service(processes: Processes) -> None:
    one, other = processes.stores("recovery", "monitor")
    await StoredCopy([one]).keep(b"copy")
    assert await StoredCopy([other]).kept() is None
    assert await StoredCopy([other, one]).kept() == b"copy"
    await StoredCopy([one]).keep(b"newer")
    assert await one.load("policy") == b"newer"


async def test_a_wrong_variable_or_address_stops_the_start(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGE_POLICY", "linux/arm64")
    with pytest.raises(StartupError, match="environment variable IMAGE_POLICY"):
        await processes.start("recovery")
    monkeypatch.delenv("IMAGE_POLICY")
    processes.file = Path("s3:")
    with pytest.raises(StartupError, match="s3://BUCKET/KEY"):
        await first_policy(Settings(aws_account=ACCOUNT, surefoot_policy="s3://bucket"), ScriptedAws(), [], Readiness())


async def test_without_a_file_the_settings_are_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPSHOT_RETENTION_DAYS", "7")
    policies = await first_policy(Settings(aws_account=ACCOUNT, surefoot_policy=None), ScriptedAws(), [], Readiness())
    assert policies.of(TARGET).recovery.retention_days == 7


def client_of(processes: Processes, policies: PolicySource, file: ConfigWatch | None = None) -> httpx2.AsyncClient:
    async def missing() -> dict[str, str]:
        return {}

    http = create_http(missing, processes.readiness)
    http.include_router(router(policies, file), prefix=PREFIX)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(http), base_url="http://surefoot", headers=JSON)


async def test_what_is_in_force_is_shown_over_http_and_in_readyz(processes: Processes) -> None:
    """Field points 4, 8 and 12: path, inode, digests and ages, so that a mismatch can be seen."""
    policies = await processes.start("recovery")
    get = client_of(processes, policies).get
    status = (await get(f"{PREFIX}/policy")).json()
    assert status["location"] == str(processes.file)
    assert status["inode"] == processes.file.stat().st_ino
    assert status["digest"] == status["digest_on_disk"] == policies.policies.digest
    assert (status["services"], status["fault"], status["from_kept_copy"]) == (1, None, False)
    await asyncio.to_thread(processes.file.write_text, "version: 2\n")
    await policies.look()
    ready = (await get("/readyz")).json()
    assert ready["policy"]["digest"] == status["digest"] != ready["policy"]["digest_on_disk"]
    assert "must be 1" in ready["policy"]["fault"]
    assert ready["policy"]["looked_at_seconds_ago"] < 60
    assert ready["ready"]
    assert ready["degraded"] == [
        f"the policy in force ({status['digest'][:12]}) stays in force: {ready['policy']['fault']}"
    ]


async def test_a_reload_answers_with_the_digest_in_force_or_with_the_fault(processes: Processes) -> None:
    """Field point 13."""
    policies = await processes.start("recovery")
    before = policies.policies.digest
    async with client_of(processes, policies) as http:
        await asyncio.to_thread(processes.file.write_text, GOOD.replace("keep: 4", "keep: 5"))
        answer = await http.post(f"{PREFIX}/policy/reload", json={"actor": "ada", "reason": "keep more"})
        status = answer.json()
        assert answer.status_code == 200
        assert status["digest"] == status["digest_on_disk"] == policies.policies.digest != before
        assert (status["fault"], status["needs_restart"]) == (None, [])
        assert status["last_change"]["changes"] == [f"{TARGET} recovery.keep: 4 → 5"]
        assert "last_change" not in (await http.get("/readyz")).json()["policy"]
        assert policies.of(TARGET).recovery.keep == 5

        await asyncio.to_thread(processes.file.write_text, GOOD.replace("keep", "keeep"))
        answer = await http.post(f"{PREFIX}/policy/reload")
        assert answer.status_code == 409
        assert answer.json()["title"] == "The policy was not taken over"
        assert answer.json()["detail"].startswith(f"{policies.policies.digest[:12]} stays in force: ")
        assert "did you mean keep?" in answer.json()["detail"]
        assert policies.of(TARGET).recovery.keep == 5
        assert (await http.post(f"{PREFIX}/policy/reload", json={"actor": ""})).status_code == 422


async def test_a_reload_names_the_settings_that_need_a_restart(processes: Processes, tmp_path: Path) -> None:
    """Field point 13: a setting that a reload cannot change is not accepted in silence."""
    file = tmp_path / "settings.yaml"
    await asyncio.to_thread(file.write_text, "job_slots: 4\nSHUTDOWN_TIMEOUT: 5\n")
    watch = ConfigWatch(str(file), known_settings())
    policies = await processes.start("recovery")
    async with client_of(processes, policies, watch) as http:
        await asyncio.to_thread(file.write_text, "shutdown_timeout: 5\njob_slots: 8\naws_tries: 2\n")
        answer = await http.post(f"{PREFIX}/policy/reload")
        assert answer.json()["needs_restart"] == ["aws_tries", "job_slots"]
        await asyncio.to_thread(file.write_text, "job_slotz: 4\n")
        answer = await http.post(f"{PREFIX}/policy/reload")
        assert (answer.status_code, answer.json()["title"]) == (409, "The next start would fail")
        assert "there is no setting job_slotz; did you mean job_slots?" in answer.json()["detail"]
