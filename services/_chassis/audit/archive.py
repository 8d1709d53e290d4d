"""Writes the chain to S3: objects of JSON lines that are never written a second time.

Records wait in Redis beside the chain until an object has them. It has threads of its own, waits for nothing that acts,
and nothing waits for it: where S3 refuses, that is reported, and what waits is bounded (``sealer.MOST_WAITING``).
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from botocore.exceptions import ClientError
from redis.exceptions import RedisError

from contracts.audit import AuditRecord
from contracts.audit_chain import LARGEST_OBJECT, hash_of, read_record
from services._chassis.audit.sealer import MOST_WAITING, UNARCHIVED
from services._chassis.audit.turn import Turn
from services._chassis.aws import Aws
from services._chassis.readiness import Readiness
from services._chassis.store import RedisStore

PREFIX = "audit"
EVERY_SECONDS = 30.0
"""Real seconds between two writes; so long S3 may lack what the topic has."""
MOST_LINES = 500
"""Records of an object: half a megabyte."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ArchiveBucket:
    """The bucket of the audit, and how objects are written to it."""

    aws: Aws
    name: str
    owner: str | None = None
    """The account that must own it; S3 refuses the call otherwise."""
    kms_key: str | None = None
    """The KMS key that encrypts what is written; None: the key of S3 itself."""

    async def put(self, key: str, body: bytes) -> None:
        """Write an object unless it is there. Raise what botocore and ``Aws`` raise."""
        owner = {"ExpectedBucketOwner": self.owner} if self.owner else {}
        encryption: dict[str, Any] = {"ServerSideEncryption": "AES256"}
        if self.kms_key is not None:
            encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key, "BucketKeyEnabled": True}
        try:
            await self.aws.call(
                "s3",
                "put_object",
                Bucket=self.name,
                Key=key,
                Body=body,
                ContentType="application/x-ndjson",
                IfNoneMatch="*",
                **owner,
                **encryption,
            )
        except ClientError as error:
            # the key has the hash of what is written: what is there was written by a replica that then died
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise


class Archive:
    """Writes one service's records."""

    def __init__(self, store: RedisStore, bucket: ArchiveBucket, readiness: Readiness) -> None:
        self._store = store
        self._bucket = bucket
        self._readiness = readiness

    async def run(self) -> None:
        """Write until cancelled. Redis's errors are raised; the caller then runs it again."""
        while True:
            await self.write()
            await asyncio.sleep(EVERY_SECONDS)

    async def write(self) -> None:
        """Write what waits; what S3 does not take now is written later."""
        turn = Turn(self._store)
        if not await turn.begin():
            return
        try:
            while await self._write_next(turn):
                pass
        except (RedisError, OSError) as error:
            if not isinstance(error, TimeoutError):
                raise
            await self._report(error)
        except Exception as error:  # noqa: BLE001  whatever is in the way of the archive stops nothing else
            await self._report(error)
        else:
            self._readiness.clear(self._key)
        finally:
            await turn.end()

    async def _write_next(self, turn: Turn) -> bool:
        """Write the next object; return whether there was anything to write, and it is still this replica's turn."""
        store = self._store
        settled = await turn.settled()
        found = await store.redis.xrange(store.key(UNARCHIVED), count=MOST_LINES)
        spoilt = [id_ for id_, fields in found if not _is_record(fields.get(b"line", b""))]
        if spoilt:
            log.error("records that wait for S3 cannot be read; they are left out", records=len(spoilt))
            await store.redis.xdel(store.key(UNARCHIVED), *spoilt)
            return True
        waiting = [*_of_one_object([(id_, fields[b"line"]) for id_, fields in found], settled)]
        if not waiting:
            if settled is not None:  # who settled it has written it since
                await turn.written(settled, ())
            return settled is not None
        last = waiting[-1][0]
        if not await turn.settle(last):
            return False
        lines = [line for _, line in waiting]
        body = b"".join(line + b"\n" for line in lines)
        await self._bucket.put(_object_key(read_record(lines[0]), read_record(lines[-1]), body), body)
        await turn.written(last, (id_ for id_, _ in waiting))
        return True

    @property
    def _key(self) -> str:
        return f"audit-archive:{self._store.service}"

    async def _report(self, error: Exception) -> None:
        waiting = await self._store.redis.xlen(self._store.key(UNARCHIVED))
        why = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        log.warning("the audit does not reach S3", service=self._store.service, waiting=waiting, why=why)
        full = ", and the oldest are given up" if waiting >= MOST_WAITING else ""
        sentence = (
            f"{self._store.service}'s audit does not reach s3://{self._bucket.name} ({why}): {waiting} records wait"
        )
        self._readiness.degrade(self._key, f"{sentence}{full}; the topic has them.")


def _is_record(line: bytes) -> bool:
    try:
        read_record(line)
    except ValueError:
        return False
    return True


def _of_one_object(waiting: list[tuple[bytes, bytes]], until: bytes | None) -> Iterator[tuple[bytes, bytes]]:
    """Yield the records, with their ids, that belong into the next object: of one chain and day, without a gap, no more
    than whoever verifies it reads, and none behind ``until``, if that is settled.
    """
    before: AuditRecord | None = None
    size = 0
    for id_, line in waiting:
        if until is not None and _place(id_) > _place(until):
            return
        record = read_record(line)
        size += len(line) + 1
        if before is not None and (_parted(before, record) or size > LARGEST_OBJECT):
            return
        before = record
        yield id_, line


def _place(id_: bytes) -> tuple[int, ...]:
    """Return the id of a stream's entry as something that can be compared."""
    return tuple(map(int, id_.split(b"-")))


def _parted(before: AuditRecord, after: AuditRecord) -> bool:
    together = (before.chain, before.sequence + 1, before.time.date()) == (
        after.chain,
        after.sequence,
        after.time.date(),
    )
    return not together


def _object_key(first: AuditRecord, last: AuditRecord, body: bytes) -> str:
    """Return ``audit/SERVICE/YYYY/MM/DD/FIRST-LAST-HASH.jsonl``. Nobody can guess the next name."""
    numbers = f"{first.sequence:012}-{last.sequence:012}-{hash_of(body)[:16]}"
    return f"{PREFIX}/{first.service}/{first.time:%Y/%m/%d}/{numbers}.jsonl"
