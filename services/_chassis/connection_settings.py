"""The settings of the connections: to Kafka, to Redis, and of what is served over HTTP (docs/connections.md).

``{party}`` in a user name or in the name of a file stands for the service that connects.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AnyUrl, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ConnectionFault(ValueError):
    """A connection cannot be made as it is set; the text is a sentence for the operator, without secrets."""


class Protocol(StrEnum):
    """How Kafka is spoken to, under Kafka's own names."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"

    @property
    def has_tls(self) -> bool:
        return self.endswith("SSL")


class Mechanism(StrEnum):
    """How a client proves to Kafka who it is."""

    PLAIN = "PLAIN"
    SCRAM_256 = "SCRAM-SHA-256"
    SCRAM_512 = "SCRAM-SHA-512"
    OAUTHBEARER = "OAUTHBEARER"
    AWS_MSK_IAM = "AWS_MSK_IAM"
    """OAUTHBEARER with a token that this process's AWS credentials sign."""


class KafkaSettings(BaseSettings):
    """Where Kafka is, and how it is spoken to."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    kafka_bootstrap_servers: str = "127.0.0.1:9092"
    kafka_security_protocol: Protocol = Protocol.PLAINTEXT
    """``PLAINTEXT``, ``SSL``, ``SASL_PLAINTEXT`` or ``SASL_SSL``."""
    kafka_ca_file: str | None = None
    """The certificates, in PEM, that are trusted to sign Kafka's; None: those that this machine trusts."""
    kafka_certificate_file: str | None = None
    """This client's certificate, in PEM, where Kafka asks for it."""
    kafka_key_file: str | None = None
    kafka_sasl_mechanism: Mechanism | None = None
    """``PLAIN``, ``SCRAM-SHA-256``, ``SCRAM-SHA-512``, ``OAUTHBEARER`` or ``AWS_MSK_IAM``."""
    kafka_username: str | None = None
    kafka_password: SecretStr | None = None
    kafka_password_file: str | None = None
    kafka_token_file: str | None = None
    """OAUTHBEARER: the file of the token, read for each connection."""
    kafka_token_url: AnyUrl | None = None
    """OAUTHBEARER: the token endpoint (RFC 6749, section 4.4) where ``kafka_username`` and the password get one."""
    kafka_token_scope: str | None = None
    kafka_token_ca_file: str | None = None
    """The certificates that are trusted to sign the token endpoint's; None: those that this machine trusts."""


class RedisSettings(BaseSettings):
    """Where Redis is, and how it is spoken to."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    redis_url: AnyUrl = AnyUrl("redis://127.0.0.1:6379/0")
    """A Redis that neither evicts nor forgets: ``maxmemory-policy noeviction``, ``appendfsync always``. ``rediss://``
    is TLS."""
    redis_username: str | None = None
    """The ACL user; None: the one of the URL, or Redis's default user."""
    redis_password: SecretStr | None = None
    redis_password_file: str | None = None
    """Read for each connection, so that a new password takes effect without a restart."""
    redis_ca_file: str | None = None
    """The certificates, in PEM, that are trusted to sign Redis's; None: those that this machine trusts."""
    redis_certificate_file: str | None = None
    redis_key_file: str | None = None
    redis_iam_cluster: str | None = None
    """The name of a MemoryDB cluster that ``redis_username`` enters with this process's AWS credentials."""


class TlsSettings(BaseSettings):
    """How HTTP is served."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    surefoot_http_host: str = "127.0.0.1"
    surefoot_http_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    surefoot_http_certificate: str | None = None
    """The file of the certificate, in PEM, with which HTTP is served over TLS; None: without TLS."""
    surefoot_http_key: str | None = None
    """The file of the certificate's key, in PEM. Renewed files are served without a restart."""


def of_party(text: str | None, party: str) -> str | None:
    """Return ``text`` with the party's name where it stands for one."""
    return text and text.replace("{party}", party)


def secret(name: str, value: SecretStr | None, file: str | None) -> str | None:
    """Return the secret of the setting ``name``, from the environment or from its file. Raise ``ConnectionFault``."""
    if value and file:
        raise ConnectionFault(f"{name} and {name}_FILE are both set: leave one of the two")
    if file is None:
        return value.get_secret_value() if value else None
    try:
        text = Path(file).read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise ConnectionFault(f"{name}_FILE names {file}, which is not UTF-8") from None
    except OSError as error:
        raise ConnectionFault(f"{name}_FILE names {file}, which cannot be read: {error.strerror}") from None
    if not text:
        raise ConnectionFault(f"{name}_FILE names {file}, which is empty")
    return text
