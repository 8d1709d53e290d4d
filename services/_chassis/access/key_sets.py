"""The public keys of issuers: fetched when they are needed, kept while the issuer's server is away.

A key that is not known causes a fetch, but not each one does: who sends random names of keys would have the issuer
asked for each. A failed fetch changes nothing that is known, for a day.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

import httpx2
import orjson
import structlog

from services._chassis.access.tokens import PublicKey, usable_keys

FETCH_SECONDS = 5.0
"""Real seconds for one fetch, all of it."""
AGAIN_SECONDS = 30.0
"""Real seconds between two fetches from one issuer, whatever tokens say."""
FRESH_SECONDS = 600.0
"""Real seconds after which keys are fetched anew; those that are known hold meanwhile."""
KEPT_SECONDS = 24 * 3600.0
"""Real seconds for which keys hold that cannot be fetched anew."""
MOST_MISSES = 1_000
LARGEST_SET = 256_000
"""Bytes of an issuer's answer."""

log = structlog.get_logger()


class NoKeysNow(Exception):
    """Whether a key is the issuer's cannot be known now. The text is a sentence without its full stop."""


Fetch = Callable[[str], Awaitable[bytes]]
"""``(url)`` → the body of the answer. It raises whatever goes wrong."""


async def fetched(url: str) -> bytes:
    """GET a URL, without redirects. Raise httpx2's errors, or ``ValueError``."""
    async with (
        httpx2.AsyncClient(timeout=FETCH_SECONDS, follow_redirects=False) as web,
        web.stream("GET", url, headers={"Accept": "application/json", "Accept-Encoding": "identity"}) as answer,
    ):
        if answer.status_code != httpx2.codes.OK:
            raise ValueError(f"it answered {answer.status_code}")
        body = bytearray()
        async for part in answer.aiter_raw():
            body += part
            if len(body) > LARGEST_SET:
                raise ValueError("its answer is too large")
        return bytes(body)


@dataclass(slots=True)
class _Known:
    keys: dict[str, PublicKey] = field(default_factory=dict)
    fetched_at: float | None = None
    tried_at: float | None = None
    fault: str = ""
    misses: set[str] = field(default_factory=set)
    """Ids that were looked for in vain since the last fetch."""
    fetching: asyncio.Lock = field(default_factory=asyncio.Lock)
    background: asyncio.Task[None] | None = None


class KeySets:
    """The keys of all issuers, by the URL where each publishes them."""

    def __init__(self, fetch: Fetch = fetched, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._elapsed = elapsed
        self._known: dict[str, _Known] = {}

    async def find(self, url: str, key_id: str) -> PublicKey | None:
        """Return a key; None for one that the issuer does not have. Raise ``NoKeysNow``."""
        known = self._known.setdefault(url, _Known())
        key = self._held(known, key_id)
        if key is not None:
            if self._age(known) > FRESH_SECONDS and self._may_try(known) and known.background is None:
                known.background = asyncio.create_task(self._renew(url, known))
            return key
        before = known.tried_at
        async with known.fetching:
            if known.tried_at == before and self._may_try(known):
                await self._try(url, known)
        key = self._held(known, key_id)
        if key is None and known.fault:
            raise NoKeysNow(f"the issuer's keys cannot be fetched from {url}: {known.fault}")
        if key is None and known.tried_at == before and key_id not in known.misses:
            raise NoKeysNow(f"the issuer's keys were fetched just now, and may be again in {AGAIN_SECONDS:g} s")
        if key is None and len(known.misses) < MOST_MISSES:
            known.misses.add(key_id)
        return key

    def faults(self, urls: Collection[str]) -> list[str]:
        """Return a sentence for each of these issuers whose keys cannot be fetched."""
        return [
            f"The keys of an issuer of tokens cannot be fetched from {url} ({known.fault}): "
            + ("those that are known hold for a day at most." if known.keys else "its tokens are not believed.")
            for url, known in sorted(self._known.items())
            if known.fault and url in urls
        ]

    def _held(self, known: _Known, key_id: str) -> PublicKey | None:
        return known.keys.get(key_id) if self._age(known) < KEPT_SECONDS else None

    def _age(self, known: _Known) -> float:
        return float("inf") if known.fetched_at is None else self._elapsed() - known.fetched_at

    def _may_try(self, known: _Known) -> bool:
        return known.tried_at is None or self._elapsed() - known.tried_at >= AGAIN_SECONDS

    async def _renew(self, url: str, known: _Known) -> None:
        try:
            async with known.fetching:
                await self._try(url, known)
        finally:
            known.background = None

    async def _try(self, url: str, known: _Known) -> None:
        known.tried_at = self._elapsed()
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                body = await self._fetch(url)
            keys = usable_keys(orjson.loads(body))
            if not keys:
                raise ValueError("it has no key that can be used")  # noqa: TRY301  as what else goes wrong
        except Exception as error:  # noqa: BLE001  whatever it is, what is known stays
            known.fault = _why(error)
            log.warning("an issuer's keys could not be fetched", url=url, why=known.fault)
        else:
            known.keys, known.fetched_at, known.fault = keys, self._elapsed(), ""
            known.misses.clear()


def _why(error: Exception) -> str:
    return str(error) if type(error) is ValueError else type(error).__name__
