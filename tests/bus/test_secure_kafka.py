"""The connections to Kafka, tried on an Apache Kafka that enforces them: ``make test-kafka KAFKA=maven``."""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from contracts.catalogue import topics_of, topics_written_by
from contracts.topics import (
    DEAD_LETTERS,
    DEPLOYMENT_EVENTS,
    HEALTH_COMMANDS,
    PHASE_RESULTS,
    SERVICES,
    TOPICS,
    Party,
)
from sandbox.apache_kafka import Unavailable
from sandbox.stack import Ports
from services._chassis.bus import create_broker
from services._chassis.kafka_acls import Acl, acls_of
from services._chassis.kafka_connection import KafkaConnection, KafkaRefuses
from services._chassis.kafka_rights import Missing, check_rights, missing
from services._chassis.settings import Settings
from services._chassis.topics import WrongTopicError, ensure_topics
from surefoot.kafka import started
from surefoot.up import all_in_one
from tests.bus import secure_kafka as secured
from tests.bus.secure_kafka import SecureKafka, connection_of
from tests.e2e.harness import deployed

FORMS = ("mutual TLS", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
HEALTH = {*topics_of(Party.HEALTH), *topics_written_by(Party.HEALTH)}

pytestmark = pytest.mark.timeout(240, func_only=True)


@pytest.fixture(scope="module")
def secure_kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    if request.config.getoption("--kafka") == "dev":
        pytest.skip("needs an Apache Kafka: make test-kafka KAFKA=maven")
    with ThreadPoolExecutor(1) as thread:  # Linux ends a child with the thread that started it
        try:
            kafka, server = thread.submit(secured.start, tmp_path_factory.mktemp("secure")).result()
        except Unavailable as error:
            pytest.skip(str(error))
        asyncio.run(secured.prepare(kafka))
        yield kafka
        server.stop()


def of_health(kafka: SecureKafka, form: str) -> KafkaConnection:
    return connection_of(kafka.settings(form, "surefoot-health"))


async def send(servers: str, topic: str, *values: bytes) -> None:
    producer: Any = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    for value in values:
        await producer.send_and_wait(topic, value, key=b"key")
    await producer.stop()


@pytest.mark.parametrize("form", FORMS)
async def test_all_clients_are_let_in_and_may_do_what_they_need(secure_kafka: SecureKafka, form: str) -> None:
    kafka = of_health(secure_kafka, form)
    await kafka.probe()
    await ensure_topics(kafka, 1, HEALTH)
    admin: Any = AIOKafkaAdminClient(**kafka.arguments)
    await admin.start()
    assert set(await admin.list_topics()) == {topic.name for topic in HEALTH}
    await admin.close()
    broker = create_broker(kafka, Settings(), "test")
    got: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    subscriber = broker.subscriber(HEALTH_COMMANDS.name, group_id="health", auto_offset_reset="earliest")

    async def take(body: Any) -> None:
        if form in str(body) and not got.done():
            got.set_result(body)

    subscriber(take)
    await broker.start()
    await broker.publish(b"an answer", PHASE_RESULTS.name, key=b"key")
    await send(secure_kafka.clear, HEALTH_COMMANDS.name, form.encode())
    async with asyncio.timeout(60):
        await got
    await broker.stop()


async def test_acls_that_hold_and_those_that_do_not_are_told_apart(secure_kafka: SecureKafka) -> None:
    held = await check_rights(of_health(secure_kafka, "SCRAM-SHA-512"), HEALTH, [Party.HEALTH], has_acls=False)
    assert held == ""
    wide = await check_rights(KafkaConnection(secure_kafka.clear), HEALTH, [Party.HEALTH], has_acls=False)
    assert "health may create topics and see" in wide
    with pytest.raises(WrongTopicError, match="surefoot acls"):
        await ensure_topics(of_health(secure_kafka, "PLAIN"), 1, TOPICS)


async def until_missing(kafka: KafkaConnection, acls: list[Acl]) -> None:
    """Wait until Kafka has taken the change of its ACLs in."""
    async with asyncio.timeout(secured.IN_FORCE_SECONDS):
        while True:
            if await missing(kafka, [Party.HEALTH]) == acls:
                return
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(("resource", "operation"), [("topic", "Write"), ("topic", "Read"), ("group", "Read")])
async def test_a_right_that_is_missing_ends_the_start_with_the_command_that_grants_it(
    secure_kafka: SecureKafka, resource: str, operation: str
) -> None:
    of_the_party = acls_of(Party.HEALTH, "User:surefoot-health")
    acl = next(acl for acl in of_the_party if (acl.resource, acl.operation) == (resource, operation))
    kafka = of_health(secure_kafka, "SCRAM-SHA-512")
    assert await check_rights(kafka, HEALTH, [Party.HEALTH]) == ""
    await secured.forbid(secure_kafka.clear, acl)
    try:
        await until_missing(kafka, [acl])
        with pytest.raises(Missing, match=f"kafka-acls.sh {acl.arguments}"):
            await check_rights(kafka, HEALTH, [Party.HEALTH])
    finally:
        await secured.allow(secure_kafka.clear, [acl])
    await until_missing(kafka, [])


async def test_operators_may_read_events_and_dead_letters_and_replay_these(secure_kafka: SecureKafka) -> None:
    kafka = connection_of(secure_kafka.settings("PLAIN", "surefoot-operators"))
    async with started(kafka, AIOKafkaProducer, AIOKafkaProducer.stop, enable_idempotence=True) as producer:
        for topic in {topic for service in SERVICES for topic in topics_of(service)}:
            await producer.send_and_wait(topic.name, b"replayed", key=b"key")
    topics = [DEPLOYMENT_EVENTS.name, DEAD_LETTERS.name]
    await send(secure_kafka.clear, DEAD_LETTERS.name, b"letter")
    options = {"auto_offset_reset": "earliest"}
    async with started(kafka, AIOKafkaConsumer, AIOKafkaConsumer.stop, *topics, **options) as consumer:
        seen = set[str]()
        async with asyncio.timeout(30):
            while seen != set(topics):
                seen.add((await consumer.getone()).topic)


@pytest.mark.parametrize("form", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_a_wrong_password_is_refused_and_not_tried_again(secure_kafka: SecureKafka, form: str) -> None:
    begun = time.monotonic()
    with pytest.raises(KafkaRefuses, match="refuses the credentials"):
        await connection_of(secure_kafka.settings(form, "surefoot-health") | {"KAFKA_PASSWORD": "wrong"}).probe()
    assert time.monotonic() - begun < 15


async def test_a_token_that_kafka_refuses(secure_kafka: SecureKafka) -> None:
    kafka = of_health(secure_kafka, "OAUTHBEARER")
    (secure_kafka.directory / "token").write_text("no-token")
    with pytest.raises(KafkaRefuses, match="the token"):
        await kafka.probe()


async def test_a_wrong_password_ends_the_start_of_a_service_with_one_sentence(
    secure_kafka: SecureKafka, valkey_url: str
) -> None:
    environment = secure_kafka.settings("SCRAM-SHA-512") | {"KAFKA_PASSWORD": "wrong", "REDIS_URL": valkey_url}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.health"),
        env={**os.environ, **environment, "SUREFOOT_HTTP_PORT": "0"},
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        _, said = await process.communicate()
    assert process.returncode == 1
    lines = [line for line in said.decode().splitlines() if '"level": "error"' in line]
    assert len(lines) == 1, said
    assert "refuses the credentials" in lines[0]
    assert "wrong" not in lines[0]


async def test_a_certificate_for_another_name_is_refused(secure_kafka: SecureKafka) -> None:
    by_name = secure_kafka.settings("PLAIN") | {
        "KAFKA_BOOTSTRAP_SERVERS": secure_kafka.sasl.replace("127.0.0.1", "localhost")
    }
    with pytest.raises(KafkaRefuses, match="not trusted"):
        await connection_of(by_name).probe()


async def test_sessions_that_the_broker_ends_cost_nothing(
    secure_kafka: SecureKafka, caplog: pytest.LogCaptureFixture
) -> None:
    """The broker ends each connection after three seconds; four of its lives are played."""
    kafka = of_health(secure_kafka, "OAUTHBEARER")
    broker = create_broker(kafka, Settings(), "session")
    await broker.connect()
    consumer: Any = AIOKafkaConsumer(
        HEALTH_COMMANDS.name, group_id="health", auto_offset_reset="earliest", **kafka.arguments
    )
    await consumer.start()
    members = consumer._coordinator.generation
    caplog.set_level(logging.ERROR)
    caplog.clear()
    got: list[str] = []
    sent, until = 0, time.monotonic() + 4 * secured.SESSION_MS / 1000
    marks = os.urandom(8).hex()
    while time.monotonic() < until:
        await broker.publish(f"{marks}-{sent}".encode(), PHASE_RESULTS.name, key=b"key")
        await send(secure_kafka.clear, HEALTH_COMMANDS.name, f"{marks}-{sent}".encode())
        sent += 1
        async with asyncio.timeout(30):
            while len(got) < sent:
                record = await consumer.getone()
                got += [record.value.decode()] if record.value.startswith(marks.encode()) else []
    assert got == [f"{marks}-{number}" for number in range(sent)]
    assert consumer._coordinator.generation == members, "the group was rebalanced"
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    await consumer.stop()
    await broker.stop()


def test_a_deployment_needs_no_more_than_these_acls(
    secure_kafka: SecureKafka, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven services, each with credentials of its own, from a request to its outcome and to a rollback."""
    for name, value in secure_kafka.settings("SCRAM-SHA-512").items():
        monkeypatch.setenv(name, value)
    directory = tmp_path_factory.mktemp("e2e") / "up"
    with all_in_one(directory, ports=Ports(), http_port=0, speed=20, kafka=secure_kafka.sasl) as environment:
        assert deployed(environment, "healthy")["outcome"] == "succeeded"
        run = deployed(environment, "crash-loop")
        assert run["outcome"] == "rolled_back", run
        ready = httpx2.get(f"{environment['SUREFOOT_URL']}/readyz", timeout=10).json()
    assert ready["kafka"] == {"protocol": "SASL_SSL", "mechanism": "SCRAM-SHA-512"}
    assert [sentence for sentence in ready["degraded"] if "ACL" in sentence] == []
