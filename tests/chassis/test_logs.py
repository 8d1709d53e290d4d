"""Every line is a JSON object with time and service, whoever wrote it; the course of a deployment can be read."""

import asyncio
import json
import sys
import textwrap
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from contracts.base import Target
from contracts.deployment import DeploymentFinished, GateEvaluated, Outcome, Phase
from contracts.gates import Gate
from contracts.recovery import TargetArmed
from services._chassis.clock import Pace, PacedClock
from services._chassis.store import RedisStore
from services._chassis.transition import Emit, decided

TARGET = Target(account="123456789012", region="eu-central-1", cluster="shop", service="web")

PROGRAM = textwrap.dedent("""
    import asyncio, logging, warnings
    import structlog
    from services._chassis.telemetry import configure_logs

    configure_logs("info", "monitor")
    structlog.get_logger().info("ours", number=1)
    logging.getLogger("aiokafka.consumer").error('a "quoted"\\nmessage of %s', "Kafka")
    try:
        raise ValueError("two\\nlines")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("with its traceback")
        structlog.get_logger().exception("ours, with its traceback")
    from services._chassis.bus import create_broker
    from services._chassis.kafka_connection import KafkaConnection
    from services._chassis.settings import Settings
    broker = create_broker(KafkaConnection("127.0.0.1:9092"), Settings(), "test")
    broker.config.logger._setup(broker.context)
    broker.config.logger.log("a message, again", logging.ERROR, exc_info=ValueError("no"))
    broker.config.logger.log("left out", logging.INFO)
    logging.getLogger("botocore").warning("left out")
    warnings.warn("left out, too")

    async def main():
        async def fails():
            raise RuntimeError("nobody awaits it")
        task = asyncio.ensure_future(fails())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task

    asyncio.run(main())
""")


async def test_every_line_is_json_with_time_and_service() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, error = await process.communicate()
    lines = [json.loads(line) for line in error.decode().splitlines()]
    assert out == b""
    assert [line.get("logger", "ours") for line in lines] == [
        "ours",
        "aiokafka.consumer",
        "uvicorn.error",
        "ours",
        "surefoot.faststream",
        "asyncio",
    ]
    assert lines[1]["event"] == 'a "quoted"\nmessage of Kafka'
    for line in lines:
        assert line["service"] == "monitor"
        assert line["timestamp"].endswith("Z")
        assert line["level"] in {"info", "error"}


@pytest.fixture
def store(redis: object) -> RedisStore:
    return RedisStore(redis, "orchestrator", PacedClock(Pace()))


async def test_the_course_of_a_deployment_is_told_once(store: RedisStore) -> None:
    finished = DeploymentFinished(
        target=TARGET, run_id="run", outcome=Outcome.SUCCEEDED, reason="All gates passed.", seconds=60
    )
    failed, passed = (
        GateEvaluated(
            target=TARGET,
            run_id="run",
            phase=Phase.PRE_DEPLOYMENT_VALIDATION,
            gate=Gate.measured("health_score", value, ">=", 70),
        )
        for value in (60, 80)
    )
    armed = TargetArmed(target=TARGET, run_id="run", snapshot_id="s", expires_at=datetime(2026, 1, 1, tzinfo=UTC))
    transition = decided(*(Emit(event, str(number)) for number, event in enumerate((failed, passed, finished, armed))))
    with capture_logs() as lines:
        await store.apply(transition, cause="a")
        await store.apply(transition, cause="a")
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("gate did not pass", "info"),
        ("run finished", "info"),
    ]
    assert lines[0]["gate"] == "health_score"
    assert lines[1] == {
        "event": "run finished",
        "log_level": "info",
        "target": str(TARGET),
        "run_id": "run",
        "outcome": "succeeded",
        "reason": "All gates passed.",
    }


FASTSTREAM = textwrap.dedent("""
    from services._chassis.bus import create_broker
    from services._chassis.kafka_connection import KafkaConnection
    from services._chassis.settings import Settings
    from services._chassis.telemetry import configure_logs

    configure_logs("info", "monitor")
    broker = create_broker(KafkaConnection("127.0.0.1:9092"), Settings(), "monitor-1")
    broker.config.logger._setup(broker.context)
    broker.config.logger.log("Received")
    broker.config.logger.log("a handler failed", 40, extra={"topic": "t"}, exc_info=OSError("no Redis"))
""")


async def test_errors_of_faststream_are_lines_as_all_are_and_nothing_else_of_it_is_told() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FASTSTREAM, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, error = await process.communicate()
    (line,) = [json.loads(line) for line in error.decode().splitlines()]
    assert out == b""
    assert (line["event"], line["level"], line["service"]) == ("a handler failed", "error", "monitor")
    assert "no Redis" in line["exception"]
