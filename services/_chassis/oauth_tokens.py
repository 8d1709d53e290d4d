"""Tokens for Kafka's OAUTHBEARER, one for each connection: from a file that is renewed, or from a token endpoint."""

from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx2
from aiokafka.abc import AbstractTokenProvider

from services._chassis.connection_settings import ConnectionFault
from services._chassis.tls_files import TlsFiles

ANSWER_SECONDS = 5.0
"""The longest, in real seconds, that the token endpoint may take."""
MOST_BYTES = 64 * 1024
"""The longest token that is accepted; Kafka itself takes no more than 512 kB."""
_ON_THIS_MACHINE = {"127.0.0.1", "::1", "localhost"}


class NoToken(OSError):
    """There is no token; the text is a sentence without its full stop, and without secrets."""


class FileToken(AbstractTokenProvider):
    """Reads the token from a file."""

    def __init__(self, file: str) -> None:
        self._file = Path(file)

    async def token(self) -> str:
        try:
            text = self._file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise NoToken(f"KAFKA_TOKEN_FILE cannot be read ({type(error).__name__})") from None
        return _usable(text, "KAFKA_TOKEN_FILE")


class ClientCredentials(AbstractTokenProvider):
    """Gets a token with a client's own credentials (RFC 6749, section 4.4)."""

    def __init__(
        self,
        url: str,
        client: str,
        password: str,
        scope: str | None = None,
        ca_file: str | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Raise ``ConnectionFault`` for a URL that would send the secret in the clear."""
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in _ON_THIS_MACHINE:
            raise ConnectionFault("KAFKA_TOKEN_URL must be https://, since the client's secret is sent there")
        self._url = url
        # RFC 6749, section 2.3.1: both are form-encoded before they are joined
        self._auth = httpx2.BasicAuth(quote(client, safe=""), quote(password, safe=""))
        self._form = {"grant_type": "client_credentials", **({"scope": scope} if scope else {})}
        self._context = TlsFiles("token endpoint", ("KAFKA_TOKEN_CA_FILE", "", ""), ca_file).context
        self._transport = transport

    async def token(self) -> str:
        try:
            async with httpx2.AsyncClient(
                verify=self._context, timeout=ANSWER_SECONDS, transport=self._transport, follow_redirects=False
            ) as client:
                answer = await client.post(self._url, data=self._form, auth=self._auth)
            if answer.status_code != 200:
                raise NoToken(f"KAFKA_TOKEN_URL answers {answer.status_code}")
            found = answer.json()["access_token"]
        except httpx2.HTTPError as error:
            raise NoToken(f"KAFKA_TOKEN_URL does not answer ({type(error).__name__})") from None
        except (ValueError, KeyError, TypeError):
            raise NoToken("KAFKA_TOKEN_URL answers without an access_token") from None
        return _usable(str(found), "KAFKA_TOKEN_URL")


def _usable(token: str, source: str) -> str:
    """Return the token. Control characters would end the field of the SASL message that holds it (RFC 7628)."""
    if not token or len(token) > MOST_BYTES or not token.isascii() or not token.isprintable():
        raise NoToken(f"{source} gives no token that Kafka could take")
    return token
