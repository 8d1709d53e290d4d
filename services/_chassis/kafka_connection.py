"""How Kafka is reached: the one place from which every client gets its servers, protocol, mechanism and credentials.

aiokafka (0.14.0) does not authenticate a connection anew: where the broker ends a session, it ends the connection, and
the next one has a new token.
"""

import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiokafka import conn
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from faststream.kafka.security import parse_security
from faststream.security import BaseSecurity, SASLOAuthBearer, SASLPlaintext, SASLScram256, SASLScram512

from services._chassis.connection_settings import (
    ConnectionFault,
    KafkaSettings,
    Mechanism,
    of_party,
    secret,
)
from services._chassis.oauth_tokens import ClientCredentials, FileToken
from services._chassis.tls_files import TlsFiles

if TYPE_CHECKING:
    from services._chassis.credentials import OwnCredentials

PROBE_SECONDS = 5.0
"""The longest, in real seconds, that one server may take to accept a connection and its credentials."""
MOST_ITERATIONS = 200_000
"""SCRAM's rounds of hashing: a server that asks for more would hold this process up. Kafka's default is 4,096."""
LEAST_ITERATIONS = 4_096
"""Fewer would make a password that was overheard easy to guess (RFC 7677, section 4)."""
_WITH_PASSWORD = {
    Mechanism.PLAIN: SASLPlaintext,
    Mechanism.SCRAM_256: SASLScram256,
    Mechanism.SCRAM_512: SASLScram512,
}


class KafkaRefuses(Exception):
    """Kafka is there and refuses this client, as it would again; the text is a sentence for the operator."""


@dataclass(frozen=True)
class KafkaConnection:
    """The servers, and what every client needs to be let in."""

    servers: str
    security: BaseSecurity | None = None
    """FastStream's form of it, without the token provider."""
    tokens: Any = None
    """aiokafka's token provider."""
    files: TlsFiles | None = None
    arguments: Mapping[str, Any] = field(init=False)
    """The arguments of all of aiokafka's clients: consumer, producer and admin client."""

    def __post_init__(self) -> None:
        given = {**parse_security(self.security), "bootstrap_servers": self.servers.split(",")}
        if self.tokens is not None:
            given["sasl_oauth_token_provider"] = self.tokens
        object.__setattr__(self, "arguments", given)

    @property
    def is_proven(self) -> bool:
        """Return whether this client proves to Kafka who it is."""
        return "sasl_mechanism" in self.arguments or bool(self.files and self.files.certificate)

    async def probe(self) -> None:
        """Connect to one server, and be let in. Raise ``KafkaRefuses``, and ``OSError`` where none answers.

        aiokafka's clients tell neither a wrong password nor a wrong certificate from a server that is away.
        """
        security = {name: value for name, value in self.arguments.items() if name != "bootstrap_servers"}
        away: Exception = OSError("KAFKA_BOOTSTRAP_SERVERS names no server")
        for host, port, _ in collect_hosts(self.servers, randomize=False):
            try:
                made = await create_conn(host, port, request_timeout_ms=int(PROBE_SECONDS * 1000), **security)
            except (SaslAuthenticationFailed, ssl.SSLCertVerificationError, ssl.SSLError) as error:
                raise KafkaRefuses(_why(error, host)) from None
            except (UnsupportedSaslMechanismError, IllegalSaslStateError) as error:
                raise KafkaRefuses(f"Kafka at {host} does not offer KAFKA_SASL_MECHANISM: {error}") from None
            except (KafkaError, OSError) as error:  # TimeoutError is one
                away = error
            else:
                made.close()
                return
        raise OSError(str(away) or type(away).__name__)


def kafka_connection(
    settings: KafkaSettings, party: str, region: str, own: "OwnCredentials | None" = None
) -> KafkaConnection:
    """Return how ``party`` reaches Kafka. Raise ``ConnectionFault`` with a sentence that says what to set.

    ``own``: this process's AWS credentials, for MSK; None: as botocore finds them.
    """
    check_brokers()
    protocol, mechanism = settings.kafka_security_protocol, settings.kafka_sasl_mechanism
    files = _files(settings, party)
    context = files.context if files else None
    if not protocol.startswith("SASL"):
        if mechanism:
            raise ConnectionFault(
                f"KAFKA_SASL_MECHANISM needs KAFKA_SECURITY_PROTOCOL=SASL_SSL, and that is {protocol}"
            )
        return KafkaConnection(settings.kafka_bootstrap_servers, BaseSecurity(context) if files else None, files=files)
    if mechanism is None:
        raise ConnectionFault(f"KAFKA_SECURITY_PROTOCOL={protocol} needs KAFKA_SASL_MECHANISM")
    has_tls = protocol.has_tls
    if named := _WITH_PASSWORD.get(mechanism):
        user, password = _user_and_password(settings, party)
        return KafkaConnection(settings.kafka_bootstrap_servers, named(user, password, context, has_tls), files=files)
    tokens = _tokens(settings, party, region, own)
    return KafkaConnection(settings.kafka_bootstrap_servers, SASLOAuthBearer(context, has_tls), tokens, files)


def _files(settings: KafkaSettings, party: str) -> TlsFiles | None:
    named = (settings.kafka_ca_file, settings.kafka_certificate_file, settings.kafka_key_file)
    protocol = settings.kafka_security_protocol
    if not protocol.has_tls:
        if any(named):
            raise ConnectionFault(f"certificates for Kafka are set, and KAFKA_SECURITY_PROTOCOL={protocol} uses none")
        return None
    settings_of_files = ("KAFKA_CA_FILE", "KAFKA_CERTIFICATE_FILE", "KAFKA_KEY_FILE")
    authorities, certificate, key = (of_party(file, party) for file in named)
    return TlsFiles("kafka", settings_of_files, authorities, certificate, key)


def _user_and_password(settings: KafkaSettings, party: str) -> tuple[str, str]:
    user = of_party(settings.kafka_username, party)
    password = secret("KAFKA_PASSWORD", settings.kafka_password, of_party(settings.kafka_password_file, party))
    if not user or not password:
        mechanism = settings.kafka_sasl_mechanism
        raise ConnectionFault(f"{mechanism} needs KAFKA_USERNAME, and KAFKA_PASSWORD or KAFKA_PASSWORD_FILE")
    return user, password


def _tokens(settings: KafkaSettings, party: str, region: str, own: "OwnCredentials | None") -> Any:
    if settings.kafka_sasl_mechanism is Mechanism.AWS_MSK_IAM:
        if not settings.kafka_security_protocol.has_tls:
            raise ConnectionFault("AWS_MSK_IAM needs KAFKA_SECURITY_PROTOCOL=SASL_SSL")
        from services._chassis.aws_tokens import MskToken, own_credentials  # noqa: PLC0415  botocore costs 0.3 s

        return MskToken(own or own_credentials(), region)
    file, url = of_party(settings.kafka_token_file, party), settings.kafka_token_url
    if bool(file) == bool(url):
        raise ConnectionFault("OAUTHBEARER needs either KAFKA_TOKEN_FILE or KAFKA_TOKEN_URL")
    if file:
        return FileToken(file)
    user, password = _user_and_password(settings, party)
    return ClientCredentials(str(url), user, password, settings.kafka_token_scope, settings.kafka_token_ca_file)


def _why(error: Exception, host: str) -> str:
    if isinstance(error, SaslAuthenticationFailed):
        return f"Kafka at {host} refuses the credentials: check KAFKA_USERNAME, the password or the token"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of Kafka at {host} is not trusted ({error.verify_message}): check KAFKA_CA_FILE"
    what = getattr(error, "reason", None) or "TLS failed"
    return f"Kafka at {host} does not speak TLS with us ({what}): check KAFKA_SECURITY_PROTOCOL and the certificates"


class _BoundedScram(conn.ScramAuthenticator):
    """SCRAM against a server that may not be the right one: what it sends is checked before anything is computed."""

    def process_server_first_message(self, server_first: str) -> None:
        try:
            fields = dict(pair.split("=", 1) for pair in server_first.split(","))
            if not LEAST_ITERATIONS <= int(fields["i"]) <= MOST_ITERATIONS:
                raise SaslAuthenticationFailed("the server asks for too few or too many iterations")
            untyped: Any = super()
            untyped.process_server_first_message(server_first)
        except (KeyError, ValueError) as error:
            raise SaslAuthenticationFailed("the server's first SCRAM message is malformed") from error

    def process_server_final_message(self, server_final: str) -> None:
        try:
            untyped: Any = super()
            untyped.process_server_final_message(server_final)
        except (KeyError, ValueError) as error:
            raise SaslAuthenticationFailed("the server does not know the password") from error


class _CheckedOAuth(conn.OAuthAuthenticator):
    """OAUTHBEARER that reads the answer: a refusal is one with content (RFC 7628, section 3.2.2), not an error code."""

    async def step(self, payload: bytes | None) -> Any:
        if payload:
            raise SaslAuthenticationFailed("the token is refused")
        untyped: Any = super()
        return await untyped.step(payload)


def _is_no_cut(record: logging.LogRecord) -> bool:
    """Return False for a line about a connection that the broker has ended: the client makes another one.

    A broker ends each whose session is over. If it does not come back, other lines say so.
    """
    about = record.args if isinstance(record.args, tuple) else ()
    is_cut = any(isinstance(part, KafkaConnectionError) for part in about) and "closed" in record.getMessage()
    return not is_cut and record.msg != "Unable to update metadata from %s"


def check_brokers() -> None:
    """Let every client of this process authenticate in this way, and call the end of a session no error."""
    for name in ("aiokafka", "aiokafka.consumer.fetcher", "aiokafka.consumer.group_coordinator"):
        logging.getLogger(name).addFilter(_is_no_cut)
    setattr(conn, "ScramAuthenticator", _BoundedScram)  # noqa: B010  aiokafka does not export them
    setattr(conn, "OAuthAuthenticator", _CheckedOAuth)  # noqa: B010
