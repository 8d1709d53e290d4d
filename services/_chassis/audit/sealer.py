"""Gives what is to be recorded its place in the service's chain, signs it, and puts it into an outbox of its own.

``apply`` records an act with the state that it changes; here one script removes such entries, writes their records and
moves the chain's head, or does nothing. All replicas may do so: one of two finds that the head was moved, and reads
again. Whatever Kafka has against the audit keeps no other event waiting.

A chain belongs to one run of Redis. When Redis is another one, restarted or restored, the next chain goes on after the
head that is known there, so that a copy that knows less shows as a fork (``contracts/audit_chain.py``).
"""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError
from redis.exceptions import RedisError

from contracts.audit import Act, AuditEntry, AuditRecord, Link, Who
from contracts.audit_chain import hash_of, signed_part
from contracts.bounds import OutOfBounds, as_json
from contracts.envelope import Envelope, Message, Meta
from contracts.topics import Party
from services._chassis.apply_call import fields_of
from services._chassis.audit.entries import shortened
from services._chassis.audit.given_up import LAST, NOT_ARCHIVED, NOT_PUBLISHED, NOT_SEALED
from services._chassis.clock import moment
from services._chassis.readiness import Readiness
from services._chassis.redis_keys import AUDIT, COUNTERS
from services._chassis.scripts import script
from services._chassis.signatures import Identity
from services._chassis.store import RedisStore

HEAD, OUTBOX, UNARCHIVED = "audit-head", "audit-outbox", "audit-unarchived"
IDLE_SECONDS = 0.5
"""Real seconds between two looks for what is to be recorded."""
BATCH = 64
MOST_WAITING = 10_000
"""Records of a service that wait for Kafka, and as many for S3, 10 MB each; the oldest go first, and are counted."""
MOST_UNSEALED = 10_000
"""Entries of a service that have no place in the chain yet, the same."""

log = structlog.get_logger()

Entries = list[tuple[bytes, dict[bytes, bytes]]]


class Head(BaseModel):
    """The last record of a chain, and the run of Redis that the chain belongs to."""

    chain: str
    sequence: int
    hash: str
    redis_run_id: str

    @property
    def link(self) -> Link:
        return Link(chain=self.chain, sequence=self.sequence, hash=self.hash)


class Sealer:
    """Seals the audit of one service."""

    def __init__(
        self,
        store: RedisStore,
        identity: Identity,
        readiness: Readiness,
        *,
        archived: bool = False,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        """``archived``: whether records are kept for S3."""
        self._store = store
        self._identity = identity
        self._readiness = readiness
        self._archived = archived
        self._new_id = new_id
        self._script = store.redis.register_script(script("seal_audit"))

    async def run(self) -> None:
        """Seal until cancelled. Whatever fails is told and tried again: no act waits for its record."""
        key = f"audit:{self._store.service}"
        while True:
            try:
                sealed = await self.seal()
            except (RedisError, OSError):
                raise
            except Exception as error:
                log.exception("the audit could not be written", error=type(error).__name__)
                self._readiness.degrade(key, f"{self._store.service}'s audit cannot be written; it waits in Redis.")
                sealed = 0
            else:
                self._readiness.clear(key)
            if not sealed:
                await asyncio.sleep(IDLE_SECONDS)

    async def seal(self) -> int:
        """Seal what is to be recorded; return how many entries, 0 also where another replica was first."""
        store = self._store
        await self._give_up_what_is_too_much()
        entries: Entries = await store.redis.xrange(store.key(AUDIT), count=BATCH)
        if not entries:
            return 0
        kept: bytes | None = await store.redis.get(store.key(HEAD))
        head = None if kept is None else _head(kept)
        run = str((await store.redis.info("server"))["run_id"])
        messages, head = self._sealed(entries, head, run)
        keys = [store.key(name) for name in (HEAD, AUDIT, OUTBOX, UNARCHIVED, COUNTERS)]
        arguments: list[Any] = [kept or b"", run, as_json(head), MOST_WAITING, str(int(self._archived))]
        arguments += [NOT_PUBLISHED, NOT_ARCHIVED, LAST, store.clock.now(), len(entries)]
        arguments += [id_ for id_, _ in entries]
        for message in messages:
            arguments += fields_of(message).values()
        result = await self._script(keys=keys, args=arguments)
        return len(entries) if result == b"sealed" else 0

    async def _give_up_what_is_too_much(self) -> None:
        """Bound what waits to be sealed, should sealing have failed for long; the chain and a counter say how much."""
        store = self._store
        if (over := await store.redis.xlen(store.key(AUDIT)) - MOST_UNSEALED) <= 0:
            return
        now = moment(store.clock.now())
        why = f"{over} or more entries were given up: more than {MOST_UNSEALED:,} waited to be sealed"
        lost = AuditEntry(id=self._new_id(), time=now, act=Act.RECORD_LOST, outcome="lost", why=why)
        # before they go: a process that dies in between has told too much, and nothing is missing unsaid
        await store.write_although_full("XADD", store.key(AUDIT), "*", "entry", as_json(lost))
        gone = await store.write_although_full("XTRIM", store.key(AUDIT), "MAXLEN", MOST_UNSEALED)
        await store.write_although_full("HINCRBY", store.key(COUNTERS), NOT_SEALED, int(gone))
        await store.write_although_full("HSET", store.key(COUNTERS), f"{NOT_SEALED}{LAST}", store.clock.now())
        log.error("entries of the audit were given up before they were sealed", service=store.service, entries=gone)

    def _sealed(self, entries: Entries, head: Head | None, run: str) -> tuple[list[Message], Head]:
        """Return the records of entries as messages, and the head after them."""
        now = moment(self._store.clock.now())
        messages = []
        for record in self._records([_entry(fields, now) for _, fields in entries], head, run, now):
            message = self._message_of(record, head if head and head.chain == record.chain else None, now)
            head = Head(chain=record.chain, sequence=record.sequence, hash=hash_of(message.value), redis_run_id=run)
            messages.append(message)
        if head is None:
            raise AssertionError("there is at least one entry")
        return messages, head

    def _records(
        self, entries: Iterable[AuditEntry], head: Head | None, run: str, now: datetime
    ) -> Iterator[AuditRecord]:
        """Yield the records with their places; the first one begins a chain where this Redis has none yet."""
        service = Party(self._store.service)
        chain, sequence = (head.chain, head.sequence) if head else ("", 0)
        if head is None or head.redis_run_id != run:
            chain, sequence = self._new_id(), sequence + 1
            yield AuditRecord(
                id=chain,
                time=now,
                act=Act.CHAIN_BEGUN,
                who=Who(name=service, proof="service"),
                why="Redis is another one than before" if head else "there was no chain yet",
                service=service,
                chain=chain,
                sequence=sequence,
                continues=head.link if head else None,
            )
        for entry in entries:
            sequence += 1
            yield AuditRecord(**dict(entry), service=service, chain=chain, sequence=sequence)

    def _message_of(self, record: AuditRecord, head: Head | None, now: datetime) -> Message:
        """Return ``_message``; where it is beyond a bound, that of a record in its place which says so."""
        try:
            return self._message(record, head, now)
        except OutOfBounds as error:
            lost = _lost(as_json(record), error, now)
            placed = AuditRecord(**dict(lost), service=record.service, chain=record.chain, sequence=record.sequence)
            return self._message(placed, head, now)

    def _message(self, record: AuditRecord, head: Head | None, now: datetime) -> Message:
        """Return the record, which follows ``head``, as the message that is published; its value is the line."""
        record = record.model_copy(update={"previous": head.hash if head else ""})
        if (signer := self._identity.signer) is not None:
            signature = signer.signature_of(signed_part(as_json(record))).decode()
            record = record.model_copy(update={"signature": signature})
        meta = Meta(
            record.message_id, f"surefoot/{record.service}", now, record.run_id or None, record.cause_id or None
        )
        return Envelope(meta, record).to_message()


def _head(kept: bytes) -> Head | None:
    """Return the head; None for one that cannot be read: the chain then begins anew, and verification shows it."""
    try:
        return Head.model_validate_json(kept)
    except ValidationError:
        log.error("the head of the audit's chain cannot be read")  # noqa: TRY400  pydantic would quote it
        return None


def _entry(fields: dict[bytes, bytes], now: datetime) -> AuditEntry:
    """Return what is to be recorded, its texts shortened; of what cannot be read, that it was there."""
    data = fields.get(b"entry", b"")
    try:
        return shortened(AuditEntry.model_validate_json(data))
    except ValidationError as error:
        return _lost(data, error, now)


def _lost(data: bytes, error: ValueError, now: datetime) -> AuditEntry:
    why = f"{len(data)} bytes could not be recorded: {type(error).__name__}"
    return AuditEntry(id=hash_of(data), time=now, act=Act.RECORD_LOST, outcome="lost", why=why)
