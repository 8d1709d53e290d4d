"""Takes over what the command line has recorded of API keys, into the orchestrator's chain.

``surefoot keys`` changes Redis by itself, in one script with an entry in a stream beside the keys
(``access/key_ring.py``).
"""

import asyncio

import structlog
from pydantic import ValidationError

from contracts.audit import AuditEntry
from services._chassis.access.key_ring import CHANGES
from services._chassis.store import RedisStore
from services._chassis.transition import decided

EVERY_SECONDS = 2.0
"""Real seconds between two looks."""

log = structlog.get_logger()


class KeyAudit:
    """Records what was done with keys."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store

    async def run(self) -> None:
        while True:
            await self.take_over()
            await asyncio.sleep(EVERY_SECONDS)

    async def take_over(self) -> None:
        """Record each change once: its id marks the inbox before it is removed from the stream."""
        for id_, fields in await self._store.redis.xrange(CHANGES, count=100):
            try:
                entry = AuditEntry.model_validate_json(fields[b"entry"])
            except (KeyError, ValidationError):
                log.error("a change of keys cannot be read", id=id_.decode())  # noqa: TRY400  pydantic would quote it
            else:
                await self._store.apply(decided(audit=(entry,)), cause=f"key-audit:{entry.id}")
            await self._store.redis.xdel(CHANGES, id_)
