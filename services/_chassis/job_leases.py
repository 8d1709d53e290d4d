"""The leases of jobs in Redis: a job is claimed under one, keeps it while it is at work, and is given back.

Each claim has a fence, a number that grows with each of them; Redis refuses what comes under an older one.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from redis.exceptions import RedisError

from services._chassis.acting import Actor
from services._chassis.scripts import script
from services._chassis.store import RedisStore
from services._chassis.transition import Cancelled, Emit, decided

_CLAIM = script("claim_job")
_RENEW = script("renew_job")
_GIVE_BACK = script("give_back_job")


@dataclass
class LeasedJob:
    """A claimed job."""

    store: RedisStore
    queue: str
    lease_ms: int
    renew: Callable[..., Awaitable[bytes]]
    id: str
    kind: str
    payload: bytes
    fence: int
    attempt: int
    asked_by: bytes
    saved: bytes | None
    actor: Actor
    claimed_at: int
    """Milliseconds of the epoch, by Redis's clock."""
    waits_since: int | None
    """The same of the first claim by a replica that could not read the job; None if this is the first claim."""
    same_redis: bool = True
    """Whether Redis was not started anew since the job was inserted."""
    ended: str = field(default="", init=False)

    async def checkpoint(self, data: bytes) -> None:
        await self._renew("1", data)
        self.saved = data

    async def check(self) -> None:
        await self._renew("", b"")

    async def emit(self, *emissions: Emit) -> None:
        await self.check()
        await self.store.apply(decided(*emissions), cause_id=self.id)

    async def _renew(self, save: str, data: bytes) -> None:
        asked = time.monotonic()
        held = await self.renew(
            keys=[self.store.key(self.queue), self.store.key("job", self.id)],
            args=[self.id, self.fence, self.lease_ms, save, data],
        )
        if held != b"held":
            self.ended = held.decode()
            raise Cancelled(f"the job {self.id} is {self.ended}")
        self.actor.until = asked + self.lease_ms / 1000


class JobLeases:
    """Claims one service's jobs, each for ``seconds``, and gives them back."""

    def __init__(self, store: RedisStore, seconds: float) -> None:
        self._store = store
        self._seconds = seconds
        self._claim = store.redis.register_script(_CLAIM)
        self._renew = store.redis.register_script(_RENEW)
        self._back = store.redis.register_script(_GIVE_BACK)

    async def claim(self, queues: Iterable[str]) -> LeasedJob | None:
        """Claim the job that has waited longest or whose lease ran out first; None if there is none.

        A job of an earlier queue goes before those of a later one.
        """
        seconds, micros = await self._store.redis.time()
        for queue in queues:
            job = await self._claim_of(queue, seconds * 1000 + micros // 1000)
            if job is not None:
                return job
        return None

    async def _claim_of(self, queue: str, now_ms: int) -> LeasedJob | None:
        store = self._store
        ids = await store.redis.zrangebyscore(store.key(queue), "-inf", now_ms, start=0, num=1)
        if not ids:
            return None
        id_ = ids[0].decode()
        lease_ms = int(self._seconds * 1000)
        asked = time.monotonic()
        got = await self._claim(
            keys=[store.key(queue), store.key("fence"), store.key("job", id_)],
            args=[id_, lease_ms, secrets.token_hex(8)],
        )
        if got is None:
            return None
        fence, attempt, kind, payload, asked_by, saved, claimed_at, waits_since, same_redis = got
        return LeasedJob(
            store,
            queue,
            lease_ms,
            self._renew,
            id_,
            kind.decode(),
            payload or b"",
            fence,
            attempt,
            asked_by or b"",
            saved,
            Actor(f"{kind.decode()}/{id_}/{fence}", asked + self._seconds),
            claimed_at,
            int(waits_since) if waits_since else None,
            bool(same_redis),
        )

    async def keep(self, job: LeasedJob) -> None:
        """Renew the lease until cancelled. Redis may be away for as long as the lease holds.

        Raise ``Cancelled``, or ``RedisError`` where the lease could not be renewed in time.
        """
        held = time.monotonic()
        while True:
            await asyncio.sleep(min(1.0, self._seconds / 3))
            try:
                await job.check()
                held = time.monotonic()
            except (RedisError, OSError) as error:
                if time.monotonic() - held > self._seconds * 2 / 3:
                    raise RedisError(f"the lease could not be renewed ({type(error).__name__})") from error

    async def give_back(
        self, job: LeasedJob, seconds: float, *, counted: bool = True, waits_since: int | None = None
    ) -> None:
        """Let the job be claimed again; an interruption from outside does not count as an attempt."""
        with suppress(RedisError, OSError):  # then its lease runs out
            await self._back(
                keys=[self._store.key(job.queue), self._store.key("job", job.id)],
                args=[job.id, job.fence, int(seconds * 1000), "" if counted else "1", waits_since or ""],
            )
