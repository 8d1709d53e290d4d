"""How Redis is reached: the one place from which every client gets its address, user, certificates and limits.

A connection that a script could not be answered on is given up, and so is one to a Redis that only reads since a
failover, or that takes the user's password no longer. The next connection asks for the address anew.
"""

import hashlib
import random
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

from redis.asyncio import Redis
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,  # noqa: A004  redis-py's name for it
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004
)
from redis.maint_notifications import MaintNotificationsConfig

from services._chassis.connection_settings import ConnectionFault, RedisSettings, secret
from services._chassis.redis_pool import LanePool
from services._chassis.tls_files import TlsFiles

if TYPE_CHECKING:
    from services._chassis.credentials import OwnCredentials

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0
"""Longer than any command blocks (``relay.BLOCK_MS``)."""
LIFE_SECONDS = 11 * 3600.0
"""The age at which a connection is retired, before its next command: MemoryDB ends it after 12 hours (developer guide,
"Authenticating with IAM")."""
LIFE_SPREAD = 0.05
"""The share of that by which each connection's age varies, so that not all are retired at once."""
AGAIN_WITHIN = 2.0
"""A script whose connection broke sooner, in real seconds, is sent once more. Nobody waits twice for a silent Redis."""


class Password(CredentialProvider):
    """The user and the password of the moment, from the settings or from their file."""

    def __init__(self, settings: RedisSettings, user: str | None, password: str | None) -> None:
        """``user`` and ``password`` are those of the URL. Raise ``ConnectionFault``."""
        self._settings = settings
        self._user = settings.redis_username or user
        self._of_url = password
        self._read()

    @property
    def is_there(self) -> bool:
        return bool(self._read())

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        password = self._read() or ""
        return (self._user, password) if self._user else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        try:
            return self.get_credentials()
        except ConnectionFault as fault:
            raise ConnectionError(str(fault)) from None

    def _read(self) -> str | None:
        settings = self._settings
        return secret("REDIS_PASSWORD", settings.redis_password, settings.redis_password_file) or self._of_url


class RetiringConnection(Connection):
    """A connection that ends by itself between two commands, when it is old or useless."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        life: float = LIFE_SECONDS,
        now: Callable[[], float] = time.monotonic,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self._tls = tls
        self._life = life * (1 - random.uniform(0, LIFE_SPREAD))  # noqa: S311  no secret
        self._now = now
        self._ends_at = 0.0

    async def connect(self) -> None:
        """Connect, unless connected. The pool calls it before each command, and never within one."""
        if self.is_connected and self._now() >= self._ends_at:
            await self.disconnect()
        if not self.is_connected:
            self._ends_at = self._now() + self._life
        untyped: Any = super()
        await untyped.connect()

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*arguments, **options)
        except (ResponseError, AuthenticationError) as error:
            if isinstance(error, AuthenticationError) or _only_reads(error):
                await self.disconnect(nowait=True)
            raise

    def _connection_arguments(self) -> Any:
        arguments = super()._connection_arguments()
        return {**arguments, "ssl": self._tls} if self._tls else arguments


class Script:
    """A Lua script, as Redis runs it: by its hash, and whole where the node does not know it.

    It is sent once more where its connection broke before the answer. The first may have been executed: the chassis's
    scripts know their own repetition.
    """

    def __init__(self, redis: Any, text: str) -> None:
        self._redis = redis
        self._text = text
        self._sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, keys: Iterable[Any] = (), args: Iterable[Any] = ()) -> Any:
        keys, args = [*keys], [*args]
        begun = time.monotonic()
        try:
            return await self._run(keys, args)
        except (ConnectionError, TimeoutError, ResponseError) as error:
            lost = isinstance(error, (ConnectionError, TimeoutError)) or _only_reads(error)
            if not lost or time.monotonic() - begun > AGAIN_WITHIN:
                raise
        return await self._run(keys, args)

    async def _run(self, keys: list[Any], args: list[Any]) -> Any:
        try:
            return await self._redis.evalsha(self._sha, len(keys), *keys, *args)
        except NoScriptError:
            return await self._redis.eval(self._text, len(keys), *keys, *args)


class Client(Redis):
    """redis-py's client, with the chassis's scripts."""

    def register_script(self, script: Any) -> Any:
        return Script(self, script)


@dataclass(frozen=True)
class RedisConnection:
    """The address, and what every client needs to be let in."""

    arguments: dict[str, Any]
    """The arguments of each connection."""
    files: TlsFiles | None = None

    @classmethod
    def of(cls, settings: RedisSettings, region: str, own: "OwnCredentials | None" = None) -> Self:
        """Read the settings. Raise ``ConnectionFault`` with a sentence that says what to set.

        ``own``: this process's AWS credentials, for MemoryDB; None: as botocore finds them.
        """
        url = settings.redis_url
        if url.scheme not in {"redis", "rediss"} or url.query:
            raise ConnectionFault("REDIS_URL must be redis:// or rediss://, without options: settings have them")
        database = (url.path or "/").removeprefix("/")
        if not (database.isascii() and database.isdecimal()) and database:
            raise ConnectionFault("REDIS_URL ends with what is no number of a database")
        files = _files(settings, has_tls=url.scheme == "rediss")
        arguments = {
            "host": url.host or "127.0.0.1",
            "port": url.port or 6379,
            "db": int(database or 0),
            "credential_provider": _credentials(settings, region, own),
            "tls": files.context if files else None,
        }
        return cls(arguments, files)

    def client(self) -> Client:
        """Return a client with a pool of its own. Every value that redis-py has a default for is ours."""
        pool = LanePool(
            connection_class=RetiringConnection,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            socket_keepalive=True,
            # a command may have been executed: whoever sent it knows whether it may be sent again
            retry=Retry(NoBackoff(), 0),
            retry_on_error=[],
            retry_on_timeout=False,
            health_check_interval=0,
            # with ``protocol`` its answers would have other shapes; the wire is RESP3 by itself
            legacy_responses=True,
            # neither needs a right of its own then: CLIENT SETINFO, CLIENT MAINT_NOTIFICATIONS
            driver_info=None,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
            **self.arguments,
        )
        client = Client(connection_pool=pool)
        client.auto_close_connection_pool = True
        return client


def _only_reads(error: RedisError) -> bool:
    """Return whether the node is no primary any more; a script's error may say so in its middle."""
    return isinstance(error, ReadOnlyError) or "READONLY" in str(error)


def refusal(error: RedisError) -> str:
    """Return why Redis will not let this client in, as it would not the next time; empty where it may."""
    if isinstance(error, AuthenticationError):
        return "Redis refuses the credentials: check REDIS_USERNAME, and REDIS_PASSWORD or its file"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate of Redis is not trusted ({cause.verify_message}): check REDIS_CA_FILE"
        cause = cause.__cause__ or cause.__context__
    return ""


def _unquoted(part: str | None) -> str | None:
    return part and unquote(part)


def _files(settings: RedisSettings, *, has_tls: bool) -> TlsFiles | None:
    named = (settings.redis_ca_file, settings.redis_certificate_file, settings.redis_key_file)
    if not has_tls:
        if any(named):
            raise ConnectionFault("certificates for Redis are set, and REDIS_URL is not rediss://")
        return None
    authorities, certificate, key = named
    settings_of_files = ("REDIS_CA_FILE", "REDIS_CERTIFICATE_FILE", "REDIS_KEY_FILE")
    return TlsFiles("redis", settings_of_files, authorities, certificate, key)


def _credentials(settings: RedisSettings, region: str, own: "OwnCredentials | None") -> CredentialProvider | None:
    url = settings.redis_url
    password = Password(settings, _unquoted(url.username), _unquoted(url.password))
    if settings.redis_iam_cluster is None:
        if settings.redis_username and not password.is_there:
            raise ConnectionFault("REDIS_USERNAME needs REDIS_PASSWORD or REDIS_PASSWORD_FILE")
        return password if password.is_there else None
    if password.is_there or not settings.redis_username or url.scheme != "rediss":
        raise ConnectionFault("REDIS_IAM_CLUSTER needs REDIS_USERNAME and a REDIS_URL with rediss://, and no password")
    from services._chassis.aws_tokens import MemoryDbToken, own_credentials  # noqa: PLC0415  botocore costs 0.3 s

    return MemoryDbToken(own or own_credentials(), region, settings.redis_iam_cluster, settings.redis_username)
