"""Every way to reach Kafka: each client has all of it, and what refuses is told in one sentence."""

import asyncio
import base64
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from botocore.credentials import Credentials, RefreshableCredentials

from contracts.topics import Party
from services._chassis.aws_tokens import MskToken, NoOwnCredentials
from services._chassis.bus import create_broker
from services._chassis.connection_settings import ConnectionFault
from services._chassis.connections import Connections
from services._chassis.credentials import OwnCredentials
from services._chassis.kafka_connection import (
    MOST_ITERATIONS,
    KafkaConnection,
    KafkaRefuses,
    kafka_connection,
)
from services._chassis.oauth_tokens import ClientCredentials, FileToken, NoToken
from services._chassis.settings import Settings
from tests.chassis.certificates import Authority
from tests.chassis.sasl_broker import Bearer, Plain, Scram, sasl_broker

PASSWORD = "hunter2"
USER = {"kafka_username": "surefoot-{party}", "kafka_password": PASSWORD}
FORMS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "own authority": {"kafka_security_protocol": "SSL"},
    "PLAIN": {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_sasl_mechanism": "PLAIN", **USER},
    "SCRAM-SHA-256": {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_mechanism": "SCRAM-SHA-256", **USER},
    "SCRAM-SHA-512": {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_mechanism": "SCRAM-SHA-512", **USER},
    "a token in a file": {
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_mechanism": "OAUTHBEARER",
        "kafka_token_file": "/run/token",
    },
    "a token's endpoint": {
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_mechanism": "OAUTHBEARER",
        "kafka_token_url": "https://issuer.example/token",
        **USER,
    },
    "MSK": {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_mechanism": "AWS_MSK_IAM"},
}


def connection(**given: Any) -> KafkaConnection:
    settings = Settings(**given)
    return kafka_connection(settings, Party.HEALTH, settings.aws_region)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.mark.parametrize("form", FORMS)
async def test_all_clients_have_protocol_mechanism_and_credentials(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = connection(kafka_bootstrap_servers="a:1,b:2", **FORMS[form])
    for client in (AIOKafkaProducer, AIOKafkaAdminClient):
        monkeypatch.setattr(client, "start", _does_nothing)
    broker = create_broker(kafka, Settings(), "test")
    await broker.connect()
    config: Any = broker.config.broker_config
    clients = {
        "FastStream's consumer": config.builder()._client,
        "FastStream's producer": config.producer._producer.producer.client,
        "FastStream's admin client": config.admin.admin_client._client,
        "consumer": AIOKafkaConsumer(**kafka.arguments)._client,
        "producer": AIOKafkaProducer(**kafka.arguments).client,
        "admin client": AIOKafkaAdminClient(**kafka.arguments)._client,
    }
    given = FORMS[form]
    mechanism = given.get("kafka_sasl_mechanism", "PLAIN")  # aiokafka's own default, which it does not use
    for name, client in clients.items():
        assert client._security_protocol == given.get("kafka_security_protocol", "PLAINTEXT"), name
        assert client._sasl_mechanism == mechanism.replace("AWS_MSK_IAM", "OAUTHBEARER"), name
        has_tls = client._security_protocol.endswith("SSL")
        assert (client._ssl_context is not None) is has_tls, name
        assert not has_tls or client._ssl_context.check_hostname, name
        assert sorted(client._bootstrap_servers) == ["a:1", "b:2"], name
        if mechanism.startswith(("PLAIN", "SCRAM")) and "kafka_username" in given:
            assert (client._sasl_plain_username, client._sasl_plain_password) == ("surefoot-health", PASSWORD), name
        else:
            assert (client._sasl_oauth_token_provider is not None) is (mechanism in {"OAUTHBEARER", "AWS_MSK_IAM"})


async def _does_nothing(_: Any) -> None:
    pass


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"kafka_security_protocol": "SASL_SSL"}, "KAFKA_SASL_MECHANISM"),
        ({"kafka_sasl_mechanism": "PLAIN"}, "KAFKA_SECURITY_PROTOCOL"),
        ({"kafka_ca_file": "ca.pem"}, "KAFKA_SECURITY_PROTOCOL"),
        ({"kafka_security_protocol": "SSL", "kafka_ca_file": "/none.pem"}, "KAFKA_CA_FILE"),
        ({"kafka_security_protocol": "SSL", "kafka_certificate_file": "/none.pem"}, "KAFKA_KEY_FILE"),
        ({**FORMS["PLAIN"], "kafka_password": None}, "KAFKA_PASSWORD"),
        ({**FORMS["PLAIN"], "kafka_password_file": "/none"}, "KAFKA_PASSWORD and KAFKA_PASSWORD_FILE"),
        ({**FORMS["PLAIN"], "kafka_password": None, "kafka_password_file": "/none"}, "KAFKA_PASSWORD_FILE"),
        ({**FORMS["a token's endpoint"], "kafka_token_file": "/run/token"}, "KAFKA_TOKEN_URL"),
        ({**FORMS["a token's endpoint"], "kafka_token_url": "http://issuer.example"}, "https"),
        ({"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_sasl_mechanism": "AWS_MSK_IAM"}, "SASL_SSL"),
    ],
)
def test_settings_that_do_not_fit_together_are_named(given: dict[str, Any], named: str) -> None:
    with pytest.raises(ConnectionFault, match=named) as caught:
        connection(**given)
    assert PASSWORD not in str(caught.value)


def test_a_key_that_is_not_the_certificates(authority: Authority) -> None:
    one, other = authority.issue("one"), authority.issue("other")
    named = {"kafka_certificate_file": str(one.certificate), "kafka_key_file": str(other.key)}
    with pytest.raises(ConnectionFault, match="KAFKA_CERTIFICATE_FILE and KAFKA_KEY_FILE"):
        connection(kafka_security_protocol="SSL", **named)


def test_each_service_has_its_own_credentials_where_the_settings_name_it(tmp_path: Path) -> None:
    for party in (Party.HEALTH, Party.RECOVERY):
        (tmp_path / party).write_text(f"of {party}\n")
    settings = Settings(**FORMS["PLAIN"] | {"kafka_password": None, "kafka_password_file": f"{tmp_path}/{{party}}"})
    found = Connections.of(settings, [Party.HEALTH, Party.RECOVERY]).by_kafka
    assert [
        (kafka.arguments["sasl_plain_username"], kafka.arguments["sasl_plain_password"], parties)
        for kafka, parties in found
    ] == [
        ("surefoot-health", "of health", [Party.HEALTH]),
        ("surefoot-recovery", "of recovery", [Party.RECOVERY]),
    ]


def test_services_with_the_same_credentials_share_a_connection() -> None:
    assert len(Connections.of(Settings(), [Party.HEALTH, Party.RECOVERY]).by_kafka) == 1


@pytest.mark.parametrize("form", ["PLAIN", "SCRAM-SHA-256"])
async def test_a_wrong_password_is_told_in_one_sentence(form: str) -> None:
    kind = {"PLAIN": Plain, "SCRAM-SHA-256": Scram}[form]
    given = FORMS[form] | {"kafka_security_protocol": "SASL_PLAINTEXT"}
    async with sasl_broker(form, lambda: kind(PASSWORD)) as server, asyncio.timeout(15):
        await connection(**given, kafka_bootstrap_servers=server).probe()
        wrong = connection(**given | {"kafka_password": "wrong"}, kafka_bootstrap_servers=server)
        with pytest.raises(KafkaRefuses, match="refuses the credentials: check KAFKA_USERNAME"):
            await wrong.probe()


@pytest.mark.parametrize(
    "server", [Scram(PASSWORD, forged=True), Scram(PASSWORD, 1), Scram(PASSWORD, MOST_ITERATIONS + 1)]
)
async def test_a_server_that_does_not_know_the_password_or_asks_for_too_much_is_refused(server: Scram) -> None:
    given = FORMS["SCRAM-SHA-256"] | {"kafka_security_protocol": "SASL_PLAINTEXT"}
    async with sasl_broker("SCRAM-SHA-256", lambda: server) as where, asyncio.timeout(15):
        with pytest.raises(KafkaRefuses):
            await connection(**given, kafka_bootstrap_servers=where).probe()


def test_a_connection_that_the_broker_ends_is_no_error_and_anything_else_is(caplog: pytest.LogCaptureFixture) -> None:
    connection()
    for name, cut in (
        ("aiokafka.consumer.fetcher", KafkaConnectionError("Connection at kafka:9092 closed")),
        ("aiokafka.consumer.group_coordinator", KafkaConnectionError("Connection at kafka:9092 closed")),
        ("aiokafka.consumer.fetcher", TopicAuthorizationFailedError("health.events.v1")),
    ):
        logging.getLogger(name).error("Failed fetch messages from %s: %s", 1, cut)
    assert len(caplog.records) == 1
    assert "health.events.v1" in caplog.text


async def test_a_mechanism_that_is_not_offered() -> None:
    given = FORMS["PLAIN"]
    async with sasl_broker("SCRAM-SHA-256", lambda: Scram(PASSWORD)) as where:
        with pytest.raises(KafkaRefuses, match="KAFKA_SASL_MECHANISM"):
            await connection(**given, kafka_bootstrap_servers=where).probe()


@pytest.mark.parametrize(
    ("host", "trusted", "why"),
    [
        ("127.0.0.1", True, ""),
        ("kafka.example", True, "IP address mismatch"),
        ("127.0.0.1", False, "certificate of Kafka .* is not trusted"),
    ],
)
async def test_the_servers_certificate_must_be_trusted_and_for_its_name(
    authority: Authority, host: str, trusted: bool, why: str
) -> None:
    served = connection_files(authority, host)
    others = Authority(authority.file.parent, "others")
    given = FORMS["PLAIN"] | {
        "kafka_security_protocol": "SASL_SSL",
        "kafka_ca_file": str((authority if trusted else others).file),
    }
    async with sasl_broker("PLAIN", lambda: Plain(PASSWORD), served) as where:
        probed = connection(**given, kafka_bootstrap_servers=where).probe()
        if not why:
            await probed
            return
        with pytest.raises(KafkaRefuses, match=why):
            await probed


def connection_files(authority: Authority, host: str) -> Any:
    from services._chassis.tls_files import TlsFiles

    pair = authority.issue("server", host=host)
    return TlsFiles("server", ("", "", ""), None, str(pair.certificate), str(pair.key), serves=True).context


async def test_a_token_is_read_for_each_connection_and_a_refused_one_is_told(tmp_path: Path) -> None:
    file, seen = tmp_path / "token", list[str]()
    file.write_text("first\n")
    given = FORMS["a token in a file"] | {
        "kafka_security_protocol": "SASL_PLAINTEXT",
        "kafka_token_file": str(file),
    }
    async with sasl_broker("OAUTHBEARER", lambda: Bearer("second", seen)) as where, asyncio.timeout(15):
        kafka = connection(**given, kafka_bootstrap_servers=where)
        with pytest.raises(KafkaRefuses, match="the token"):
            await kafka.probe()
        file.write_text("second")
        await kafka.probe()
    assert seen == ["first", "second"]


@pytest.mark.parametrize("text", ["", "a\x01b", "t" * 70_000, "ä"])
async def test_a_token_that_kafka_could_not_take(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text)
    with pytest.raises(NoToken, match="KAFKA_TOKEN_FILE"):
        await FileToken(str(tmp_path / "token")).token()


async def test_client_credentials_get_a_token() -> None:
    requests: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return httpx2.Response(200, json={"access_token": "a-token", "expires_in": 60})

    tokens = ClientCredentials(
        "https://issuer.example/token", "me", "s:ecret", "kafka", transport=httpx2.MockTransport(answer)
    )
    assert await tokens.token() == "a-token"
    (request,) = requests
    assert parse_qs(request.content.decode()) == {"grant_type": ["client_credentials"], "scope": ["kafka"]}
    basic = request.headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(basic) == b"me:s%3Aecret"


@pytest.mark.parametrize(
    "answer", [httpx2.Response(401), httpx2.Response(200, json=[]), httpx2.Response(302, headers={"location": "x"})]
)
async def test_an_endpoint_that_gives_no_token(answer: httpx2.Response) -> None:
    transport = httpx2.MockTransport(lambda _: answer)
    tokens = ClientCredentials("https://issuer.example/token", "me", PASSWORD, transport=transport)
    with pytest.raises(NoToken) as caught:
        await tokens.token()
    assert PASSWORD not in str(caught.value)


async def test_msk_is_signed_at_each_connection_with_the_credentials_of_the_moment() -> None:
    found = Credentials("AKID", "SECRET", "SESSION")
    tokens = MskToken(OwnCredentials(lambda: found), "eu-central-1")
    signed = urlsplit(base64.urlsafe_b64decode(await tokens.token() + "==").decode())
    query = parse_qs(signed.query)
    assert (signed.scheme, signed.hostname) == ("https", "kafka.eu-central-1.amazonaws.com")
    assert query["Action"] == ["kafka-cluster:Connect"]
    assert query["X-Amz-Expires"] == ["900"]
    assert query["X-Amz-Security-Token"] == ["SESSION"]
    assert query["X-Amz-Credential"][0].startswith("AKID/")
    assert query["X-Amz-Credential"][0].endswith("/eu-central-1/kafka-cluster/aws4_request")
    assert "SECRET" not in signed.query
    found.access_key = "OTHER"
    assert "OTHER" in base64.urlsafe_b64decode(await tokens.token() + "==").decode()


async def test_credentials_that_end_soon_are_renewed_before_they_sign() -> None:
    renewed: list[str] = []

    def renew() -> dict[str, str]:
        renewed.append("")
        until = datetime.now(UTC) + timedelta(hours=6)
        return {"access_key": "NEW", "secret_key": "s", "token": "t", "expiry_time": until.isoformat()}

    soon = datetime.now(UTC) + timedelta(minutes=4)
    held = RefreshableCredentials("OLD", "s", "t", soon, renew, "test")
    tokens = MskToken(OwnCredentials(lambda: held), "us-west-2")
    assert "NEW" in base64.urlsafe_b64decode(await tokens.token() + "==").decode()
    await tokens.token()
    assert len(renewed) == 1


async def test_without_credentials_it_is_they_that_are_missing_and_not_kafka() -> None:
    with pytest.raises(NoOwnCredentials, match="own credentials"):
        await MskToken(OwnCredentials(lambda: None), "us-west-2").token()
