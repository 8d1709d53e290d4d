"""A process of its own, with a policy of two accounts of which one refuses."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sandbox.aws.accounts import ACCOUNT, REGION, SECOND_ACCOUNT
from sandbox.aws.server import SimulatedAws
from sandbox.aws.workloads import COURT, EXTERNAL_ID, PAYMENTS
from sandbox.child import claim_port
from surefoot.sandbox_policy import policy_of
from tests.accounts.conftest import Installation

PLACE = f"{SECOND_ACCOUNT}/{REGION}"


def policy(external_id: str) -> str:
    urls = dict.fromkeys((COURT, PAYMENTS), "http://127.0.0.1:9")
    return policy_of(urls).replace(EXTERNAL_ID, external_id)


@pytest.fixture
async def health(
    installation: Installation, shared: SimulatedAws, kafka: str, valkey_url: str, redis: Any, tmp_path: Path
) -> AsyncIterator[tuple[str, Path]]:
    """The address of the process, and its policy."""
    file = tmp_path / "policy.yaml"
    file.write_text(policy("guessed"))
    port = claim_port(0)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.health"),
        env={
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "REDIS_URL": valkey_url,
            "SUREFOOT_POLICY": str(file),
            "SUREFOOT_HTTP_PORT": str(port),
        },
        stderr=asyncio.subprocess.DEVNULL,
    )
    yield f"http://127.0.0.1:{port}", file
    process.terminate()
    await process.wait()


async def readyz_when(url: str, holds: Any) -> dict[str, Any]:
    async with asyncio.timeout(60), httpx2.AsyncClient() as http:
        while True:
            try:
                answer = await http.get(f"{url}/readyz")
                found: dict[str, Any] = answer.json()
                if answer.status_code == 200 and holds(found):
                    return found
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.1)


async def test_one_account_that_refuses_leaves_the_process_ready(health: tuple[str, Path]) -> None:
    url, _ = health
    found = await readyz_when(url, lambda found: found["accounts"].get(PLACE))
    assert found["ready"] is True
    [sentence] = [about for about in found["degraded"] if about.startswith("account ")]
    assert sentence.startswith(f"account {PLACE}: account {SECOND_ACCOUNT} cannot be entered by ")
    assert "(3) the external id" in sentence
    assert found["accounts"] == {PLACE: sentence.removeprefix(f"account {PLACE}: ").removesuffix(".")}
    assert ACCOUNT not in sentence
