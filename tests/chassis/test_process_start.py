"""A service that cannot start says why in one sentence, is not ready meanwhile, and exits non-zero."""

import asyncio
import os
import socket
import sys
from pathlib import Path

import httpx2
import pytest

from sandbox.child import claim_port


async def started(**environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.health"),
        env={**os.environ, **environment},
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str]:
    async with asyncio.timeout(60):
        _, error = await process.communicate()
    return process.returncode or 0, error.decode()


@pytest.mark.parametrize(
    ("name", "value"),
    [("AWS_REGION", "Oregon"), ("SUREFOOT_CLOCK", "fast"), ("STARTUP_TIMEOUT", "-1"), ("HEALTH_CHECK_INTERVAL", "x")],
)
async def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    code, error = await ended(await started(**{name: value}))
    assert code == 2
    assert name in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "SUREFOOT_CONFIG names"),
        ("health_check_interval: [", ":1: no YAML"),
        ("# mine\nhealth_chek_interval: 5\n", ":2: there is no setting health_chek_interval; did you mean"),
    ],
)
async def test_a_file_of_settings_that_cannot_be_used_is_told(tmp_path: Path, text: str | None, reason: str) -> None:
    file = tmp_path / "surefoot.yaml"
    if text is not None:
        file.write_text(text)
    code, error = await ended(await started(SUREFOOT_CONFIG=str(file)))
    assert code == 2
    assert reason in error
    assert len(error.strip().splitlines()) == 1


async def test_a_broker_that_is_down(valkey_url: str) -> None:
    port = claim_port(0)
    process = await started(
        REDIS_URL=valkey_url,
        KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{claim_port(0)}",
        STARTUP_TIMEOUT="3",
        SUREFOOT_HTTP_PORT=str(port),
    )
    ready = None
    async with asyncio.timeout(30), httpx2.AsyncClient() as http:
        while ready is None or "kafka" not in ready.json()["missing"]:
            try:
                ready = await http.get(f"http://127.0.0.1:{port}/readyz")
            except httpx2.TransportError:
                await asyncio.sleep(0.05)
        alive = await http.get(f"http://127.0.0.1:{port}/livez")
    assert (ready.status_code, alive.status_code) == (503, 200)
    code, error = await ended(process)
    assert code == 1
    assert "kafka cannot be reached" in error
    assert "KAFKA_BOOTSTRAP_SERVERS" in error.strip().splitlines()[-1]


async def test_a_redis_that_is_down() -> None:
    code, error = await ended(
        await started(
            REDIS_URL=f"redis://127.0.0.1:{claim_port(0)}", STARTUP_TIMEOUT="1", SUREFOOT_HTTP_PORT=str(claim_port(0))
        )
    )
    assert code == 1
    assert "REDIS_URL" in error.strip().splitlines()[-1]


async def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, error = await ended(await started(SUREFOOT_HTTP_PORT=str(taken.getsockname()[1])))
    assert code == 1
    assert "SUREFOOT_HTTP_PORT" in error
