"""A service as a process of its own, and its policy: changed, broken, and broken over a restart."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sandbox.child import claim_port
from services._chassis.signing_keys import create_all

IDENTITY = (
    b"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account><Arn>a</Arn>"
    b"<UserId>u</UserId></GetCallerIdentityResult></GetCallerIdentityResponse>"
)
GOOD = "version: 1\nservices:\n  - {cluster: prod, service: api}\n"
BETTER = GOOD + "  - {cluster: prod, service: worker}\n"


async def identity(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(IDENTITY) + IDENTITY)
    await writer.drain()
    writer.close()


@dataclass
class Health:
    """The health service, started and ended as often as a test wishes, on one file and one Redis."""

    environment: dict[str, str]
    file: Path
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.environment['SUREFOOT_HTTP_PORT']}"

    async def start(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.health"), env=self.environment, stderr=asyncio.subprocess.PIPE
        )
        self.processes.append(process)
        return process

    async def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until ``/readyz`` is as wanted, and return it."""
        async with asyncio.timeout(60), httpx2.AsyncClient() as http:
            while True:
                try:
                    readyz: dict[str, Any] = (await http.get(f"{self.url}/readyz")).json()
                except httpx2.TransportError:
                    readyz = {}
                if readyz and holds(readyz):
                    return readyz
                await asyncio.sleep(0.1)

    def write(self, text: str) -> None:
        new = self.file.with_name("new")
        new.write_text(text)
        new.rename(self.file)


@pytest.fixture
async def health(
    kafka: str, valkey_url: str, redis: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Health]:
    del redis  # it empties the Redis
    port = claim_port(0)
    aws = await asyncio.start_server(identity, "127.0.0.1", 0)
    found = Health(
        {
            **os.environ,
            **create_all(tmp_path_factory.mktemp("keys")),
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "REDIS_URL": valkey_url,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{aws.sockets[0].getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "SUREFOOT_HTTP_PORT": str(port),
            "SUREFOOT_POLICY": str(tmp_path),
            "SHUTDOWN_TIMEOUT": "3",
        },
        tmp_path / "surefoot.yaml",
    )
    yield found
    for process in found.processes:
        if process.returncode is None:
            process.kill()
            await process.wait()
    aws.close()


@pytest.mark.slow
async def test_a_policy_is_followed_by_a_process_and_outlives_it(health: Health) -> None:
    """Field points 1, 4 and 8: replaced by rename, broken, restarted while broken, mended."""
    first = await health.start()
    assert first.stderr
    async with asyncio.timeout(60):
        text = (await first.stderr.read()).decode()
    assert "has no *.yaml and no *.yml" in text
    assert await first.wait() == 1

    health.write(GOOD)
    second = await health.start()
    readyz = await health.until(lambda readyz: bool(readyz["ready"]))
    assert (readyz["policy"]["services"], readyz["policy"]["must_be_signed"]) == (1, False)
    health.write(BETTER)
    readyz = await health.until(lambda readyz: readyz["policy"]["services"] == 2)
    assert readyz["degraded"] == []
    health.write(BETTER.replace("cluster", "kluster"))
    readyz = await health.until(lambda readyz: bool(readyz["degraded"]))
    assert readyz["policy"]["services"] == 2
    assert "`cluster` is missing" in readyz["degraded"][0]

    second.kill()
    await second.wait()
    await health.start()
    readyz = await health.until(lambda readyz: bool(readyz["ready"]))
    assert (readyz["policy"]["services"], readyz["policy"]["from_kept_copy"]) == (2, True)
    assert "the copy that was kept" in readyz["degraded"][0]
    health.write(BETTER)
    readyz = await health.until(lambda readyz: not readyz["degraded"])
    assert (readyz["policy"]["services"], readyz["policy"]["from_kept_copy"]) == (2, False)
