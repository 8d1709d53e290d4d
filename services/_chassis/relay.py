"""Publishes the outbox to Kafka: claim entries, publish, wait for the confirmation, delete.

Every replica relays; there is no leader. What a dead replica had claimed is claimed again by another one, so an
event is published at least once, and the reader's inbox drops the repetition.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import structlog
from aiokafka.errors import MessageSizeTooLargeError
from redis.exceptions import OutOfMemoryError, ResponseError

from contracts.envelope import Message
from services._chassis.readiness import Readiness
from services._chassis.scripts import script

log = structlog.get_logger()

GROUP = "relay"
BATCH = 64
BLOCK_MS = 1_000
MOST_REFUSED = 100
"""Events that are kept because Kafka does not take them; the oldest go first."""
REFUSED_SECONDS = 31 * 24 * 3600
REFUSED_REPORTED_SECONDS = 24 * 3600.0
"""Real seconds for which such an event is reported as degraded."""

Entries = list[tuple[bytes, dict[bytes, bytes]]]


class Relay:
    """Publishes one service's outbox in its order."""

    def __init__(
        self,
        redis: Any,
        outbox: str,
        consumer: str,
        publish: Callable[[Message], Awaitable[None]],
        idle: float = 10,
        sign: Callable[[Message], Message] = lambda message: message,
        readiness: Readiness | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``idle``: real seconds after which another replica's unconfirmed entries are taken over.

        ``sign`` is called when a message is published, not when it was stored: what is published again after a change
        of keys has the new one's signature.
        """
        self._redis = redis
        self._outbox = outbox
        self._consumer = consumer
        self._publish = publish
        self._idle_ms = int(idle * 1000)
        self._sign = sign
        self._readiness = readiness or Readiness()
        self._now = now
        self._although_full = redis.register_script(script("although_full"))
        self._sending_since: float | None = None

    @property
    def waits(self) -> float:
        """Return for how many real seconds the entry to be published now has not been confirmed."""
        return 0.0 if self._sending_since is None else self._now() - self._sending_since

    async def run(self) -> None:
        """Relay until cancelled. Errors of Redis and Kafka are raised; the caller then runs it again."""
        try:
            await self._redis.xgroup_create(self._outbox, GROUP, id="0", mkstream=True)
        except OutOfMemoryError:
            pass  # the outbox has its group since the first start
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        # what this consumer had claimed before it failed comes first, so that order is kept
        await self._relay(await self._mine())
        while True:
            await self._relay(await self._idle())
            await self._relay(await self._new())

    async def _mine(self) -> Entries:
        return _entries(await self._redis.xreadgroup(GROUP, self._consumer, {self._outbox: "0"}, count=10_000))

    async def _idle(self) -> Entries:
        found = await self._redis.xautoclaim(self._outbox, GROUP, self._consumer, self._idle_ms, count=BATCH)
        return [(id_, fields) for id_, fields in found[1] if fields]

    async def _new(self) -> Entries:
        return _entries(
            await self._redis.xreadgroup(GROUP, self._consumer, {self._outbox: ">"}, count=BATCH, block=BLOCK_MS)
        )

    async def _relay(self, entries: Entries) -> None:
        """Publish entries one after another, and delete the confirmed ones together, with one write to disk."""
        confirmed: list[bytes] = []
        try:
            for id_, fields in entries:
                self._sending_since = self._now() if self._sending_since is None else self._sending_since
                if fields:  # what was given up since has none
                    await self._send(fields)
                self._sending_since = None
                confirmed.append(id_)
        finally:
            if confirmed:
                await self._redis.xack(self._outbox, GROUP, *confirmed)
                await self._redis.xdel(self._outbox, *confirmed)

    async def _send(self, fields: dict[bytes, bytes]) -> None:
        headers = tuple((name, value.encode()) for name, value in orjson.loads(fields[b"headers"]))
        message = Message(fields[b"topic"].decode(), fields[b"key"], headers, fields[b"value"])
        try:
            await self._publish(self._sign(message))
        except MessageSizeTooLargeError:
            # it can never be published, and the entries behind it must be
            await self._keep_refused(fields, len(message.value))

    async def _keep_refused(self, fields: dict[bytes, bytes], size: int) -> None:
        """Keep an event that Kafka does not take, and report it: ours are smaller than any default of Kafka's."""
        refused, topic = f"{self._outbox}-refused", fields[b"topic"].decode()
        flat = (part for pair in fields.items() for part in pair)
        await self._although_full(keys=[refused], args=["XADD", "MAXLEN", MOST_REFUSED, "*", *flat])
        await self._redis.expire(refused, REFUSED_SECONDS)
        log.error("Kafka takes no message of this size; it is kept", topic=topic, bytes=size, kept=refused)
        sentence = (
            f"An event of {size:,} bytes for {topic} was not published, since Kafka takes none of this size; {refused} "
            "keeps it. Its topic needs a larger max.message.bytes."
        )
        self._readiness.degrade(f"too-large:{refused}:{topic}", sentence, REFUSED_REPORTED_SECONDS)


def _entries(found: Any) -> Entries:
    streams = found.items() if isinstance(found, dict) else (found or [])
    entries: Entries = []
    for _, read in streams:  # RESP2 gives pairs, RESP3 a map
        for batch in read:
            if isinstance(batch, list) and batch and isinstance(batch[0], (list, tuple)):
                entries += [(id_, fields or {}) for id_, fields in batch]
            else:
                entries.append((batch[0], batch[1] or {}))
    return entries
