"""Runs and services as they are listed: from indexes and records of the store."""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import structlog
from pydantic import ValidationError

from contracts.base import Target
from contracts.policy_holds import Holds
from contracts.state import NewerState, read_record
from services._chassis.clock import Clock, moment
from services._chassis.policies import Policies
from services._chassis.redis_keys import REMEMBER_SECONDS
from services._chassis.store import Indexed, IndexedStore
from services.orchestrator.domain.course import Course, course_key
from services.orchestrator.domain.listing import (
    SERVICES,
    SHORTEST_PREFIX,
    Filters,
    RunLine,
    ServiceLine,
    index_of_prefix,
)
from services.orchestrator.domain.version_hold import views_of
from services.orchestrator.domain.view import RunView, run_key, views
from services.orchestrator.ports import Page

MOST_LISTED = 1000
"""Services that one overview shows."""
AT_ONCE = 50
"""Reads of the store that are under way at the same time."""
MOST_NAMESAKES = 100
"""Runs that are looked at to tell which one the beginning of an id means."""

MOST_UNFINISHED = 100
"""The newest runs of a target among which those are that have not ended: one goes on, and few wait for it."""

T = TypeVar("T")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StoredHistory:
    store: IndexedStore
    clock: Clock
    policies: Policies

    async def runs(self, filters: Filters, since: float, cursor: str | None, limit: int) -> Page:
        # what is older has no record any more
        oldest = max(since, self.clock.now() - REMEMBER_SECONDS)
        found: list[RunLine] = []
        while True:
            lines = await self.store.range(filters.index, lowest=oldest, after=cursor, limit=limit - len(found))
            found += await self._lines(lines)
            cursor = lines[-1].cursor if lines else None
            if not lines or len(found) >= limit:
                return Page(tuple(found), cursor)

    async def ids(self, prefix: str) -> tuple[str, ...]:
        if len(prefix) < SHORTEST_PREFIX:
            return ()
        lines = await self.store.range(index_of_prefix(prefix), limit=MOST_NAMESAKES)
        return tuple(line.member for line in lines if line.member.startswith(prefix))

    async def unfinished(self, target: Target) -> tuple[RunView, ...]:
        lines = await self.store.range(Filters(service=target).index, limit=MOST_UNFINISHED)
        views = [read_record(RunView, await self.store.record(run_key(line.member))) for line in lines]
        return tuple(view for view in views if view is not None and view.status != "finished")

    async def overview(self) -> tuple[ServiceLine, ...]:
        known = await self.store.range(SERVICES, limit=MOST_LISTED)
        listed = frozenset(self.policies.all())
        targets = sorted({*listed, *(Target.parse(line.member) for line in known)}, key=str)[:MOST_LISTED]
        return tuple(await _gathered(self._service(target, listed=target in listed) for target in targets))

    async def _service(self, target: Target, *, listed: bool) -> ServiceLine:
        now = self.clock.now()
        try:
            course = await self.store.read(course_key(target), Course)
        except (NewerState, ValueError):
            problem = "A newer version has written what is known of it; a newer replica shows it."
            return ServiceLine(target=target, listed=listed, problem=problem)
        last = await self._line(course.last_run_id) if course.last_run_id else None
        shown = views(course, now)
        active = shown.get(course.active.run_id) if course.active else None
        return ServiceLine(
            target=target,
            listed=listed,
            active_run=RunLine.model_validate(active.model_dump()) if active else None,
            last_run=last,
            queued=len(course.queue),
            condition=course.condition.at(moment(now)),
            version_holds=views_of(course.version_holds, target, self._holds(target), now),
        )

    def _holds(self, target: Target) -> Holds:
        try:
            return self.policies.of(target).holds
        except LookupError:
            return Holds()  # nobody acts there any more; what is held is shown as usual

    async def _lines(self, lines: Iterable[Indexed]) -> list[RunLine]:
        found = await _gathered(self._line(line.member) for line in lines)
        return [line for line in found if line is not None]

    async def _line(self, run_id: str) -> RunLine | None:
        record = await self.store.record(run_key(run_id))
        try:
            return RunLine.model_validate_json(record).at(moment(self.clock.now())) if record is not None else None
        except ValidationError:
            log.warning("a run cannot be read; a newer version may have written it", run_id=run_id)
            return None


async def _gathered(work: Iterable[Awaitable[T]]) -> list[T]:
    """Await all, ``AT_ONCE`` at a time, and return what they return, in their order."""
    waiting, found = list(work), []
    for first in range(0, len(waiting), AT_ONCE):
        found += await asyncio.gather(*waiting[first : first + AT_ONCE])
    return found
