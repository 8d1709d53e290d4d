"""Tokens that this process's own AWS credentials sign: for Kafka at MSK, and for Redis at MemoryDB.

Signing asks nobody: it is arithmetic, done for each connection. A token dies with the credentials that signed it, so
none is kept, and credentials that end soon are renewed first. Tested against stand-ins, never on AWS.
"""

import asyncio
from base64 import urlsafe_b64encode

from aiokafka.abc import AbstractTokenProvider
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError
from botocore.session import get_session
from redis.credentials import CredentialProvider
from redis.exceptions import ConnectionError as RedisAway

from services._chassis.credentials import OwnCredentials

TOKEN_SECONDS = 900
"""The validity of a token, the longest that AWS allows (MSK and MemoryDB developer guides, "IAM")."""
SIGN_SECONDS = 5.0
"""The longest, in real seconds, that getting the credentials may take."""


class NoOwnCredentials(OSError):
    """There are no credentials to sign with; the text is a sentence without its full stop, and without secrets."""


def own_credentials() -> OwnCredentials:
    """Return this process's own credentials, as botocore finds them."""
    return OwnCredentials(get_session().get_credentials)


class MskToken(AbstractTokenProvider):
    """Signs a token for each connection to MSK."""

    def __init__(self, own: OwnCredentials, region: str) -> None:
        self._own = own
        self._region = region

    async def token(self) -> str:
        return msk_token(await fresh(self._own), self._region)


class MemoryDbToken(CredentialProvider):
    """A token for each connection, signed with this process's own AWS credentials."""

    def __init__(self, own: OwnCredentials, region: str, cluster: str, user: str) -> None:
        self._own = own
        self._place = (region, cluster, user)

    async def get_credentials_async(self) -> tuple[str, str]:
        try:
            credentials = await fresh(self._own)
        except OSError as error:
            raise RedisAway(str(error)) from None
        return self._place[2], memorydb_token(credentials, *self._place)


async def fresh(own: OwnCredentials) -> ReadOnlyCredentials:
    """Return credentials to sign with, in a thread: their source may be a server. Raise ``NoOwnCredentials``.

    botocore renews what ends within 15 minutes, and takes nothing else for what ends within 10.
    """
    try:
        async with asyncio.timeout(SIGN_SECONDS):
            return await asyncio.to_thread(own.refresh)
    except TimeoutError:
        raise NoOwnCredentials(f"this process's own credentials did not come within {SIGN_SECONDS:g} s") from None
    except BotoCoreError as error:
        raise NoOwnCredentials(str(error)) from None


def msk_token(credentials: ReadOnlyCredentials, region: str) -> str:
    """Return a token for Kafka at MSK: a signed URL in base64, as MSK's own signer for Python 1.0.2 makes it."""
    url = _signed(
        credentials, region, "kafka-cluster", f"https://kafka.{region}.amazonaws.com/", "kafka-cluster:Connect"
    )
    return urlsafe_b64encode(f"{url}&User-Agent=surefoot".encode()).decode().rstrip("=")


def memorydb_token(credentials: ReadOnlyCredentials, region: str, cluster: str, user: str) -> str:
    """Return a token for a user of a MemoryDB cluster: a signed URL without its scheme (developer guide, "IAM")."""
    url = _signed(credentials, region, "memorydb", f"http://{cluster}/", "connect", User=user)
    return url.removeprefix("http://")


def _signed(
    credentials: ReadOnlyCredentials, region: str, service: str, url: str, action: str, **parameters: str
) -> str:
    request = AWSRequest(method="GET", url=url, params={"Action": action, **parameters})
    SigV4QueryAuth(credentials, service, region, expires=TOKEN_SECONDS).add_auth(request)
    return str(request.prepare().url)
