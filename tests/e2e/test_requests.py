"""CI's way in: the script of docs/integrate.md, the same request twice, and one that comes too late."""

import asyncio
import json
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from contracts.envelope import Message
from contracts.topics import Party
from surefoot.signing import signed
from tests.e2e.harness import CLUSTER, REPOSITORY, SERVICE

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("e2e")]
INTEGRATE = Path(__file__).parents[2] / "docs" / "integrate.md"
TARGET = {"account": "123456789012", "region": "us-west-2", "cluster": CLUSTER, "service": SERVICE}


def snippet() -> str:
    found = re.search(r"```python\n(.*?)```", INTEGRATE.read_text(), re.DOTALL)
    assert found
    return found[1]


async def test_the_script_for_ci_sees_a_run_from_started_to_finished(surefoot: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", snippet()), env={**os.environ, **surefoot}, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(200):
        output, _ = await process.communicate()
    lines = output.decode().splitlines()
    kinds = [line.split()[0] for line in lines]
    assert process.returncode == 0
    assert kinds[0] == "deployment-started.v1"
    assert kinds[-1] == "deployment-finished.v1"
    assert kinds.count("phase-started.v1") >= 5
    assert json.loads(lines[-1].split(" ", 1)[1])["outcome"] == "succeeded"


@pytest.mark.slow
async def test_the_script_for_ci_fails_a_pipeline_whose_deployment_does_not_succeed(surefoot: dict[str, str]) -> None:
    """Another run of the same target goes on meanwhile; the script hears its own alone."""
    await publish(surefoot, f"other-{datetime.now(UTC).timestamp()}", 1)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", snippet().replace("backend:healthy", "backend:wrong-architecture")),
        env={**os.environ, **surefoot},
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(200):
        output, _ = await process.communicate()
    events = [json.loads(line.split(" ", 1)[1]) for line in output.decode().splitlines()]
    assert process.returncode == 1
    assert events[-1]["outcome"] == "blocked"
    assert len({event["run_id"] for event in events}) == 1


async def publish(environment: dict[str, str], id_: str, times: int, **more: Any) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=environment["KAFKA_BOOTSTRAP_SERVERS"])
    await producer.start()
    change = {"kind": "image", "reference": f"{REPOSITORY}:wrong-architecture"}
    value = json.dumps({"target": TARGET, "change": change, "actor": "tests", **more}).encode()
    headers = {
        "ce_specversion": "1.0",
        "ce_type": "deploy-requested.v1",
        "ce_id": id_,
        "ce_source": "tests",
        "ce_time": datetime.now(UTC).isoformat(),
    }
    encoded = [(name, text.encode()) for name, text in headers.items()]
    message = Message("deployment.requests.v1", "/".join(TARGET.values()).encode(), tuple(encoded), value)
    message = signed(message, Party.CI, environment)
    for _ in range(times):
        await producer.send_and_wait(message.topic, message.value, key=message.key, headers=[*message.headers])
    await producer.stop()


async def finished(environment: dict[str, str], request: Any) -> list[dict[str, Any]]:
    """Collect the events from before ``request`` until a run has finished."""
    consumer = AIOKafkaConsumer(
        "deployment.events.v1", bootstrap_servers=environment["KAFKA_BOOTSTRAP_SERVERS"], auto_offset_reset="latest"
    )
    await consumer.start()
    await consumer.seek_to_end()
    await request
    events = []
    async with asyncio.timeout(60):
        async for record in consumer:
            kind = dict(record.headers)["ce_type"].decode()
            events.append({"kind": kind, **json.loads(record.value)})
            if kind == "deployment-finished.v1":
                break
    await consumer.stop()
    return events


async def test_the_same_request_twice_is_one_run(surefoot: dict[str, str]) -> None:
    events = await finished(surefoot, publish(surefoot, "twice", 2))
    assert [event["kind"] for event in events].count("deployment-started.v1") == 1
    last = await finished(surefoot, publish(surefoot, "another", 1))
    # had the second delivery started a run, its events would come first
    assert {event["run_id"] for event in last} == {last[0]["run_id"]}
    assert last[0]["run_id"] != events[0]["run_id"]


async def test_a_request_that_comes_too_late_is_refused(surefoot: dict[str, str]) -> None:
    expired = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    events = await finished(surefoot, publish(surefoot, "late", 1, expires_at=expired))
    assert [event["kind"] for event in events] == ["deployment-finished.v1"]
    assert (events[0]["outcome"], events[0]["cause"]) == ("blocked", "refused")
