"""Leased, fenced jobs: all work that takes longer than a moment, and every effect on the world outside.

An executor claims a job under a lease, with a fence (``job_leases.py``). While it works it renews the lease; an
executor that is silent for longer loses it, and its calls of AWS are not sent any more (``aws.py``). The end of the job
and all its consequences are one ``apply`` that checks the fence.

Every job has an end. One that fails is tried again, ``ATTEMPTS`` times in all, and one whose executors keep dying is
given up after as many; an error that will not pass ends it at once (``reasons.is_permanent``). Then its command is
answered or its operation ended ``failed``, with a sentence, and the service frees what the job had held
(``Service.failures``). An interruption (Redis away, the lease lost, a shutdown) is no attempt. A job that only a newer
version can read waits for one, and fails when none has come.

A job may assume that no other executor is at work *as far as the lease shows*; AWS knows no fence, so a job
looks before it acts, and calls ``check`` right before each call that changes something.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog
from redis.exceptions import RedisError

from contracts.state import NewerState
from services._chassis.acting import LeaseOver, acting
from services._chassis.apply_call import Lease
from services._chassis.clock import moment
from services._chassis.commands import Command
from services._chassis.job_leases import JobLeases, LeasedJob
from services._chassis.operations import find_operation
from services._chassis.readiness import NEWER_STATE_LONGEST, Readiness
from services._chassis.reasons import first_cause, is_permanent, sentence_of
from services._chassis.redis_keys import FIRST_JOBS, JOBS
from services._chassis.store import Applied, RedisStore
from services._chassis.tasks import end
from services._chassis.transition import Busy, Cancelled, Emit, Transition, decided

ATTEMPTS = 5
"""Claims of one job before it is given up."""
IDLE_SECONDS = 0.1
"""Real seconds between two polls for jobs that other replicas inserted or lost; jobs of this process wake it at
once."""
BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0)
"""Real seconds before a failed job's next attempt."""
NEWER_STATE_AGAIN = 15.0
"""Real seconds before the next attempt of a job whose state, payload or kind is of a newer version."""

log = structlog.get_logger()


class Running(Protocol):
    """The interface of a job to the function that does it."""

    id: str
    kind: str
    payload: bytes
    fence: int
    attempt: int
    saved: bytes | None
    """The last checkpoint of an earlier attempt; None where there is none."""
    same_redis: bool
    """Whether Redis was not started anew since the job was inserted: else it may be an older copy, in which the
    checkpoint of an earlier attempt is missing."""

    async def checkpoint(self, data: bytes) -> None:
        """Keep ``data`` for the next attempt. Raise ``Cancelled``."""
        ...

    async def check(self) -> None:
        """Raise ``Cancelled`` when the job was cancelled or taken over."""
        ...

    async def emit(self, *emissions: Emit) -> None:
        """Publish events before the end. Raise ``Cancelled``."""
        ...


Work = Callable[[Running], Awaitable[Transition]]


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that has failed for good."""

    id: str
    payload: bytes
    why: str
    """The end of a sentence that begins with the work, such as ``failed 5 times: it took too long``."""


OnFailure = Callable[[FailedJob], Transition]
"""Returns what a service changes when a job has failed for good: it frees what the job had held."""


class Executor:
    """Claims and works on one service's jobs."""

    def __init__(
        self,
        store: RedisStore,
        functions: Mapping[str, Work],
        failures: Mapping[str, OnFailure] | None = None,
        *,
        lease: float,
        slots: int,
        idle: float = IDLE_SECONDS,
        readiness: Readiness | None = None,
    ) -> None:
        self._store = store
        self._functions = functions
        self._readiness = readiness or Readiness()
        self._failures = failures or {}
        self._leases = JobLeases(store, lease)
        self._slots = slots
        self._idle = idle
        self._at_work: dict[asyncio.Task[None], str] = {}
        """Task → the queue of its job."""

    async def run(self) -> None:
        """Claim and work until cancelled, and then until what is in flight has been let go."""
        try:
            while True:
                self._store.new_jobs.clear()  # before the poll, so that no job is missed between it and the waiting
                try:
                    job = await self._leases.claim(self._open_queues())
                except (RedisError, OSError) as error:
                    # jobs in flight go on as long as their leases hold
                    log.warning("no look for work", why=type(error).__name__)
                    job = None
                if job is None:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._idle):
                            await self._store.new_jobs.wait()
                    continue
                task = asyncio.create_task(self.work(job))
                self._at_work[task] = job.queue
                task.add_done_callback(self._at_work.pop)
        finally:
            # a job waits for the call that it has begun; until then this loop is not over either
            await end(tuple(self._at_work))

    @property
    def busy(self) -> bool:
        """Whether it works on jobs."""
        return bool(self._at_work)

    async def claim(self) -> LeasedJob | None:
        """Claim the job that has waited longest or whose lease ran out first; None if there is none."""
        return await self._leases.claim(self._queues)

    @property
    def _queues(self) -> tuple[str, ...]:
        return (FIRST_JOBS, JOBS) if self._store.first_jobs else (JOBS,)

    def _open_queues(self) -> list[str]:
        """Return the queues whose jobs have a place: each has as many, so that one fills up without the other."""
        taken = Counter(self._at_work.values())
        return [queue for queue in self._queues if taken[queue] < self._slots]

    async def work(self, job: LeasedJob) -> None:
        """Do the job and apply its end; a failure gives it back for the next attempt, or ends it for good."""
        acting.set(job.actor)
        with structlog.contextvars.bound_contextvars(job=job.id, kind=job.kind, fence=job.fence):
            try:
                if job.attempt > ATTEMPTS:
                    await self.fail(job, f"gave up after {ATTEMPTS} attempts")
                else:
                    await self._end(job, await self._kept_alive(job))
            except Cancelled:
                log.info("job ended early", why=job.ended)
                if job.ended == "cancelled":
                    await self._end_or_give_back(job, decided().and_record(await self._record_of(job, "was cancelled")))
            except asyncio.CancelledError:
                await self._leases.give_back(job, 0, counted=False)
                raise
            except Exception as error:  # noqa: BLE001  whatever it is, the job has an end
                await self._failed(job, first_cause(error))

    async def _failed(self, job: LeasedJob, error: BaseException) -> None:
        if isinstance(error, RedisError | LeaseOver):
            log.warning("job interrupted", error=type(error).__name__)
            await self._leases.give_back(job, BACKOFF_SECONDS[0], counted=False)
            return
        if isinstance(error, NewerState):
            await self._waits(job, error)
            return
        log.error("job failed", attempt=job.attempt, error=type(error).__name__, exc_info=error)
        if is_permanent(error):
            await self.fail(job, f"failed: {sentence_of(error)}")
        elif job.attempt >= ATTEMPTS:
            await self.fail(job, f"failed {ATTEMPTS} times: {sentence_of(error)}")
        else:
            await self._leases.give_back(job, BACKOFF_SECONDS[job.attempt - 1])

    async def _waits(self, job: LeasedJob, error: NewerState) -> None:
        """Leave a job for a replica of a newer version; end it where none has come."""
        since = job.waits_since or job.claimed_at
        if job.claimed_at - since >= NEWER_STATE_LONGEST * 1000:
            minutes = f"{NEWER_STATE_LONGEST / 60:g} minutes"
            await self.fail(job, f"failed: no replica of a newer version took it over for {minutes} ({error})")
            return
        self._readiness.newer_state(self._store.service, f"the job {job.kind} {job.id}", error)
        await self._leases.give_back(job, NEWER_STATE_AGAIN, counted=False, waits_since=since)

    async def fail(self, job: LeasedJob, why: str) -> None:
        """End a job for good: its service's own consequences, and the answer or the operation's end.

        ``why`` is the end of a sentence that begins with the work. If the service's consequences fail, the answer is
        published all the same.
        """
        for consequences in (self._consequences, lambda *_: decided()):
            try:
                await self._end_or_give_back(job, await self._reported(job, consequences(job, why), why))
            except Exception:
                log.exception("the consequences of a failed job could not be drawn", job=job.id)
            else:
                return

    def _consequences(self, job: LeasedJob, why: str) -> Transition:
        failure = self._failures.get(job.kind)
        return failure(FailedJob(job.id, job.payload, why)) if failure else decided()

    async def _reported(self, job: LeasedJob, consequences: Transition, why: str) -> Transition:
        if job.asked_by:
            consequences = consequences.and_emit(Command.read(job.asked_by, job.id).gave_up(why))
        return consequences.and_record(await self._record_of(job, why))

    async def _record_of(self, job: LeasedJob, why: str) -> dict[str, bytes]:
        """Return the record of the job's operation as failed; nothing if there is none, or if it has ended."""
        operation = await find_operation(self._store, job.id)
        if operation is None or operation.state != "running":
            return {}
        return operation.failed(f"The {operation.kind} {why}.", moment(self._store.clock.now())).record

    async def _end_or_give_back(self, job: LeasedJob, transition: Transition) -> None:
        try:
            await self._end(job, transition)
        except (RedisError, OSError, Busy) as error:
            log.warning("the end of a job waits for the store", why=type(error).__name__)
            await self._leases.give_back(job, BACKOFF_SECONDS[0], counted=False)

    async def _kept_alive(self, job: LeasedJob) -> Transition:
        """Do the work while a heartbeat renews the lease; a lost lease stops the work."""
        if job.kind not in self._functions:
            raise NewerState(f"jobs of the kind {job.kind} are unknown here")
        work = asyncio.ensure_future(self._functions[job.kind](job))
        beat = asyncio.create_task(self._leases.keep(job))
        try:
            await asyncio.wait({work, beat}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            beat.result()  # raises Cancelled, or Redis's error
            raise Cancelled(f"the job {job.id} has no heartbeat")
        finally:
            await end((beat, work))

    async def _end(self, job: LeasedJob, transition: Transition) -> None:
        written = await self._store.apply(transition, cause_id=job.id, lease=Lease(job.id, job.fence))
        if written.applied is Applied.FENCED:
            log.warning("the end of a job came too late; another executor has it")
