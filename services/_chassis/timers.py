"""Durable timers: every replica polls, and a timer fires once, since firing removes it in the same script."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial

import orjson
import structlog
from redis.exceptions import RedisError

from contracts.state import DamagedState, NewerState
from services._chassis.clock import Clock
from services._chassis.damage import set_aside_key
from services._chassis.readiness import Readiness
from services._chassis.store import RedisStore
from services._chassis.tasks import end
from services._chassis.transition import Busy, Timer, Transition, decided

POLL_SECONDS = 0.1
"""Real seconds between two polls."""
RETRY_SECONDS = 5.0
"""Product seconds after which a timer is tried again whose function failed, or whose state a newer version wrote."""
BATCH = 20

log = structlog.get_logger()

Fire = Callable[[Timer], Awaitable[Transition | None]]


class Timers:
    """Fires one service's timers."""

    def __init__(
        self,
        store: RedisStore,
        clock: Clock,
        functions: Mapping[str, Fire],
        catching_up: Callable[[], bool] = lambda: False,
        poll: float = POLL_SECONDS,
        readiness: Readiness | None = None,
    ) -> None:
        """``catching_up`` returns whether the service still reads messages again; until then no timer fires."""
        self._store = store
        self._clock = clock
        self._functions = functions
        self._readiness = readiness or Readiness()
        self._catching_up = catching_up
        self._poll = poll
        self._firing: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Fire what is due until cancelled."""
        try:
            while True:
                redis_run_id = self._store.redis_run_id
                for timer in () if self._catching_up() else await self.due():
                    if timer.id not in self._firing:
                        task = asyncio.create_task(self.fire(timer, redis_run_id))
                        self._firing[timer.id] = task
                        task.add_done_callback(partial(self._fired, timer.id))
                await asyncio.sleep(self._poll)
        finally:
            await end(tuple(self._firing.values()))

    def _fired(self, timer_id: str, _: asyncio.Task[None]) -> None:
        self._firing.pop(timer_id, None)

    async def due(self) -> list[Timer]:
        """Return timers that are due, the oldest first; none while any replica is catching up."""
        redis = self._store.redis
        if await redis.exists(self._store.key("behind")):
            return []
        ids = await redis.zrangebyscore(
            self._store.key("timers"), "-inf", self._clock.now(), start=0, num=BATCH, withscores=True
        )
        if not ids:
            return []
        bodies = await redis.hmget(self._store.key("timer-bodies"), [id_ for id_, _ in ids])
        timers = []
        for (id_, due), body in zip(ids, bodies, strict=True):
            if body is not None:
                kind, payload = orjson.loads(body)
                timers.append(Timer(id_.decode(), kind, due, payload.encode()))
        return timers

    async def fire(self, timer: Timer, redis_run_id: str | None = None) -> None:
        """Call the timer's function, and apply its transition together with the timer's removal.

        ``redis_run_id`` is that of the Redis in which the timer was found to be due.
        """
        try:
            transition = await self._function(timer.kind)(timer) or decided()
            await self._store.apply(transition, cause_id=timer.id, timer=timer, redis_run_id=redis_run_id)
        except asyncio.CancelledError:
            raise
        except (RedisError, Busy) as error:
            log.info("timer waits for the store", timer=timer.id, why=type(error).__name__)  # it is still due
        except NewerState as error:
            self._readiness.newer_state(self._store.service, f"the timer {timer.id}", error)
            await self._again(timer)
        except DamagedState as error:
            log.exception("the payload of a timer cannot be read; it is set aside", timer=timer.id)
            await self._set_aside(timer, error)
        except Exception as error:
            log.exception("timer failed", timer=timer.id, kind=timer.kind, error=type(error).__name__)
            await self._again(timer)

    async def _set_aside(self, timer: Timer, error: DamagedState) -> None:
        with suppress(RedisError, Busy):  # then it is due at once
            await self._store.apply(decided(records={set_aside_key(timer.id, error.data): error.data}), timer=timer)

    def _function(self, kind: str) -> Fire:
        if kind not in self._functions:
            raise NewerState(f"timers of the kind {kind} are unknown here")
        return self._functions[kind]

    async def _again(self, timer: Timer) -> None:
        """Set the timer to a later time, so that it does not block the others."""
        again = Timer(timer.id, timer.kind, self._clock.now() + RETRY_SECONDS, timer.payload)
        with suppress(RedisError, Busy):  # then it is due at once
            await self._store.apply(decided(timers=(again,)), timer=timer)
