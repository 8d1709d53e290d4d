"""Whether a database's URL in the plain environment asks for an encrypted connection, by the driver that reads it.

asyncpg takes ``ssl=`` and psycopg ``sslmode=``; both understand ``require``, ``verify-ca`` and ``verify-full``
(PostgreSQL documentation, 34.19; SQLAlchemy documentation, dialect ``postgresql+asyncpg``). What stands in a secret is
not read.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

_URL = re.compile(r"\s*(?:postgres|postgresql|cockroachdb)(?:\+(?P<driver>[a-z0-9_]+))?://(?P<rest>.*)", re.IGNORECASE)
_ENCRYPTED = frozenset({"require", "verify-ca", "verify-full", "true", "1", "on", "yes"})
_HERE = re.compile(r"(?:[^@/?]*@)?(?:localhost|127\.[0-9.]+|\[::1\])?(?::[0-9]+)?(?:[/?]|$)")
"""A host of the task itself: a proxy beside the container, which encrypts in its turn."""
_NAMED = re.compile(r"database|(?:^|_)(?:db|pg|postgres|sqlalchemy)|dsn", re.IGNORECASE)
"""Names of variables that tell of a database."""


@dataclass(frozen=True, slots=True)
class Encryption:
    """What is seen of the connections to databases. No sentence holds a value."""

    missing: tuple[str, ...] = ()
    """A clause for each URL that asks for no encryption: then the database may refuse it, or what it says is read."""
    doubts: tuple[str, ...] = ()
    """Sentences about what is not as its driver wants it, or cannot be seen."""


@dataclass(frozen=True, slots=True)
class _Url:
    variable: str
    driver: str
    options: Mapping[str, str] = field(repr=False)
    here: bool

    @property
    def mode(self) -> str:
        """Return how it wants to be encrypted; empty where it does not say."""
        return next((self.options[key] for key in ("ssl", "sslmode", "ssl_mode") if key in self.options), "")


def encryption_of(container: Mapping[str, Any]) -> Encryption:
    """Look at a container's definition."""
    pairs = container.get("environment") or ()
    environment = {str(pair.get("name", "")): str(pair.get("value", "")) for pair in pairs}
    urls = [url for name, value in environment.items() if (url := _read(name, value)) is not None]
    asked_beside = environment.get("PGSSLMODE", "").lower() in _ENCRYPTED
    missing = tuple(
        f"{url.variable} asks for no encrypted connection ({_wanted(url)})"
        for url in urls
        if url.mode not in _ENCRYPTED and not url.here and not (asked_beside and not url.mode)
    )
    doubts = [*filter(None, map(_doubt, urls))]
    hidden = [name for name in _secret_names(container) if _NAMED.search(name)]
    if hidden and not urls:
        named = ", ".join(sorted(hidden)[:5])
        doubts.append(f"Whether {named} asks for an encrypted connection cannot be seen: secrets are not read.")
    elif not urls:
        doubts.append("Whether the connection to the database is encrypted cannot be seen: no variable has its URL.")
    return Encryption(missing, tuple(doubts))


def _read(name: str, value: str) -> _Url | None:
    found = _URL.match(value)
    if found is None:
        return None
    rest = found["rest"]
    options = {key.lower(): text.lower() for key, text in parse_qsl(rest.partition("?")[2], keep_blank_values=True)}
    return _Url(name, (found["driver"] or "").lower(), options, here=_HERE.match(rest) is not None)


def _wanted(url: _Url) -> str:
    if url.driver == "asyncpg":
        return "?ssl=require for asyncpg"
    if url.driver.startswith("psycopg"):
        return "?sslmode=require for psycopg"
    return "?ssl=require for asyncpg, ?sslmode=require for psycopg"


def _doubt(url: _Url) -> str:
    """Return what its driver does not understand, though it asks for encryption."""
    if url.mode not in _ENCRYPTED:
        return ""
    if url.driver == "asyncpg" and "ssl" not in url.options:
        return f"{url.variable} has sslmode, and SQLAlchemy gives that to asyncpg, which knows ssl alone."
    if url.driver.startswith("psycopg") and "sslmode" not in url.options:
        return f"{url.variable} has ssl, and psycopg knows sslmode alone."
    return ""


def _secret_names(container: Mapping[str, Any]) -> Iterator[str]:
    yield from (str(secret.get("name", "")) for secret in container.get("secrets") or ())
    if container.get("environmentFiles"):
        yield "a database URL in an environment file"
