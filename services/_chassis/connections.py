"""All connections of one process, as its settings ask for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from contracts.topics import Party
from services._chassis.credentials import OwnCredentials
from services._chassis.kafka_connection import KafkaConnection, kafka_connection
from services._chassis.redis_connection import RedisConnection
from services._chassis.settings import Settings
from services._chassis.tls_files import TlsFiles


@dataclass(frozen=True, slots=True)
class Connections:
    """How one process reaches Kafka and Redis, and with which certificate it serves HTTP."""

    kafka: dict[Party, KafkaConnection]
    """Service → its connection. Services with the same credentials share one."""

    redis: RedisConnection
    http: TlsFiles | None
    """None: HTTP is served without TLS."""

    @classmethod
    def of(cls, settings: Settings, parties: Sequence[Party], own: OwnCredentials | None = None) -> Self:
        """Read the files that the settings name. Raise ``ConnectionFault`` with a sentence that says what to set."""
        return cls(
            _kafka(settings, parties, own), RedisConnection.of(settings, settings.aws_region, own), _http(settings)
        )

    def about_kafka(self) -> dict[str, str]:
        """Return how Kafka is spoken to, for ``/readyz``."""
        arguments = next(iter(self.kafka.values())).arguments
        protocol = {"protocol": str(arguments.get("security_protocol", "PLAINTEXT"))}
        mechanism = {"mechanism": str(arguments["sasl_mechanism"])} if "sasl_mechanism" in arguments else {}
        return protocol | mechanism

    @property
    def files(self) -> list[TlsFiles]:
        """Return the files to look at while the process runs."""
        files = [*(kafka.files for kafka in self.kafka.values()), self.redis.files, self.http]
        return list({id(found): found for found in files if found}.values())

    @property
    def by_kafka(self) -> list[tuple[KafkaConnection, list[Party]]]:
        """Return each connection to Kafka once, with the services that use it."""
        found: dict[int, tuple[KafkaConnection, list[Party]]] = {}
        for party, kafka in self.kafka.items():
            found.setdefault(id(kafka), (kafka, []))[1].append(party)
        return list(found.values())


def _http(settings: Settings) -> TlsFiles | None:
    certificate, key = settings.surefoot_http_certificate, settings.surefoot_http_key
    if certificate is None and key is None:
        return None
    names = ("", "SUREFOOT_HTTP_CERTIFICATE", "SUREFOOT_HTTP_KEY")
    return TlsFiles("http", names, None, certificate, key, serves=True)


def _kafka(settings: Settings, parties: Sequence[Party], own: OwnCredentials | None) -> dict[Party, KafkaConnection]:
    if any("{party}" in str(value) for name, value in settings if name.startswith("kafka_")):
        return {party: kafka_connection(settings, party, settings.aws_region, own) for party in parties}
    shared = kafka_connection(settings, parties[0], settings.aws_region, own)
    return dict.fromkeys(parties, shared)
