"""An Apache Kafka that lets in only who proves who he is: mutual TLS, SASL over TLS, and ACLs that are enforced."""

import asyncio
import base64
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import ClusterAuthorizationFailedError
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest

from contracts.topics import Party
from sandbox.apache_kafka import ApacheKafka, Doors
from sandbox.child import HOST, claim_port
from services._chassis.kafka_acls import Acl, acls
from services._chassis.kafka_connection import KafkaConnection, kafka_connection
from services._chassis.settings import Settings
from services._chassis.topics import ensure_topics
from tests.chassis.certificates import Authority

PASSWORD = "hunter2"
SESSION_MS = 3_000
"""Milliseconds after which this broker ends a connection that was let in by a token."""
IN_FORCE_SECONDS = 30.0
"""Real seconds in which new ACLs come into force."""
_RESOURCES = {"topic": 2, "group": 3, "cluster": 4}
_OPERATIONS = {"Read": 3, "Write": 4, "Describe": 8, "IdempotentWrite": 12}
"""The numbers of Kafka's protocol (``ResourceType``, ``AclOperation``)."""
_LITERAL, _ALLOW = 3, 3


@dataclass(frozen=True)
class SecureKafka:
    """The broker's doors, and what a client needs at each."""

    clear: str
    """host:port in clear text, where everybody is an administrator."""
    tls: str
    """host:port with mutual TLS."""
    sasl: str
    """host:port with SASL over TLS."""
    authority: Authority
    directory: Path

    def settings(self, form: str, user: str = "surefoot-{party}") -> dict[str, str]:
        """Return the settings of a client, as the environment has them."""
        given = {"KAFKA_BOOTSTRAP_SERVERS": self.sasl, "KAFKA_CA_FILE": str(self.authority.file)}
        if form == "mutual TLS":
            pair = self.authority.issue(user)
            named = {"KAFKA_CERTIFICATE_FILE": str(pair.certificate), "KAFKA_KEY_FILE": str(pair.key)}
            return {**given, **named, "KAFKA_BOOTSTRAP_SERVERS": self.tls, "KAFKA_SECURITY_PROTOCOL": "SSL"}
        given |= {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": form}
        if form == "OAUTHBEARER":
            file = self.directory / "token"
            file.write_text(_token(user))
            return given | {"KAFKA_TOKEN_FILE": str(file)}
        return given | {"KAFKA_USERNAME": user, "KAFKA_PASSWORD": PASSWORD}


def start(directory: Path) -> tuple[SecureKafka, ApacheKafka]:
    """Start the broker. Raise ``NotStarted``, and ``Unavailable`` where this machine cannot run it."""
    authority = Authority(directory)
    pair, both = authority.issue("server"), directory / "server-both.pem"
    both.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
    users = sorted({acl.principal.removeprefix("User:") for acl in acls()})
    doors = Doors(claim_port(0), claim_port(0), both, authority.file, tuple(users), PASSWORD, SESSION_MS)
    server = ApacheKafka(data=directory / "kafka", doors=doors)
    clear = server.start()
    return SecureKafka(clear, f"{HOST}:{doors.tls}", f"{HOST}:{doors.sasl}", authority, directory), server


async def prepare(kafka: SecureKafka) -> None:
    """Create the topics, and allow what ``surefoot acls`` lists and nothing more."""
    await ensure_topics(KafkaConnection(kafka.clear), 1)
    await allow(kafka.clear, acls())
    last = [acl for acl in acls() if acl.operation == "IdempotentWrite"][-1]
    settings = kafka.settings("PLAIN", last.principal.removeprefix("User:"))
    async with asyncio.timeout(IN_FORCE_SECONDS):
        while True:
            if await _may_write(connection_of(settings)):
                return
            await asyncio.sleep(0.1)


def connection_of(environment: dict[str, str]) -> KafkaConnection:
    given: dict[str, Any] = {name.lower(): value for name, value in environment.items()}
    return kafka_connection(Settings(**given), Party.HEALTH, "us-west-2")


async def _may_write(kafka: KafkaConnection) -> bool:
    """Return whether the ACLs are in force by now: Kafka takes a moment from their creation on."""
    producer: Any = AIOKafkaProducer(**kafka.arguments, enable_idempotence=True)
    try:
        await producer.start()
    except ClusterAuthorizationFailedError:
        return False
    finally:
        await producer.stop()
    return True


async def allow(servers: str, wanted: Iterable[Acl]) -> None:
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        for acl in wanted:
            operation = _OPERATIONS[acl.operation]
            request = CreateAclsRequest(
                _RESOURCES[acl.resource], acl.name, _LITERAL, acl.principal, "*", operation, _ALLOW
            )
            answer = await admin._send_to_controller(request)
            assert [code for code, _ in answer.creation_responses] == [0], acl
    finally:
        await admin.close()


async def forbid(servers: str, acl: Acl) -> None:
    """Take a right back."""
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        operation = _OPERATIONS[acl.operation]
        request = DeleteAclsRequest(_RESOURCES[acl.resource], acl.name, _LITERAL, acl.principal, "*", operation, _ALLOW)
        answer = await admin._send_to_controller(request)
        assert [len(found[2]) for found in answer.filter_responses] == [1], acl
    finally:
        await admin.close()


def _token(user: str) -> str:
    """Return an unsecured token (RFC 7515, appendix A.5) of ``user``."""
    now = int(time.time())
    parts = ({"alg": "none"}, {"sub": user, "iat": now, "exp": now + 3600})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."
