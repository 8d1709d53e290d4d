"""The queries that were started, and what becomes of each: it is running until it was asked for once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from sandbox.aws.logs.commands import Command
from sandbox.aws.logs.insights import Answer, answered
from sandbox.aws.logs.records import Row

KEPT = 1_000
"""Queries that are remembered; AWS remembers them for seven days."""

RUNNING, COMPLETE, CANCELLED = "Running", "Complete", "Cancelled"


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a query looks at."""

    rows: Sequence[Row]
    """Events, latest first."""
    size: int
    """Bytes of their messages."""
    groups: int


@dataclass(frozen=True, slots=True)
class Told:
    status: str
    rows: Sequence[Sequence[tuple[str, str]]] = ()
    statistics: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Query:
    id: str
    text: str
    groups: Sequence[str]
    """The names of the log groups."""
    started: float
    """Epoch seconds."""
    answer: Answer
    scanned: tuple[int, int, int]
    """Events, bytes and groups."""
    status: str = RUNNING

    def tell(self) -> Told:
        """How it stands. The first to ask hears that it runs, as AWS seldom answers at once; the next has the rows."""
        before = self.status
        if before == RUNNING:
            self.status = COMPLETE
        if before != COMPLETE:
            return Told(before, statistics=_statistics(0, 0, 0, 0, 0))
        events, size, groups = self.scanned
        return Told(
            before, self.answer.rows, _statistics(self.answer.matched, events, size, groups, len(self.answer.rows))
        )

    def stop(self) -> bool:
        """Whether it could be stopped."""
        running = self.status == RUNNING
        if running:
            self.status = CANCELLED
        return running

    def described(self) -> dict[str, Any]:
        """As DescribeQueries shows it, under the first of its groups."""
        return {
            "queryLanguage": "CWLI",
            "queryId": self.id,
            "queryString": self.text,
            "status": self.status,
            "createTime": int(self.started * 1000),
            "logGroupName": self.groups[0],
        }


class Queries:
    """Those of one account, oldest first."""

    def __init__(self) -> None:
        self.by_id: dict[str, Query] = {}
        self._count = 0

    def start(
        self, text: str, commands: Sequence[Command], groups: Sequence[str], now: float, scanned: Scanned, limit: int
    ) -> Query:
        """``commands`` is what was understood of ``text``; ``limit``: rows at most, besides what the query says."""
        whole = answered(commands, scanned.rows)
        answer = Answer(whole.rows[:limit], whole.matched)
        self._count += 1
        name = str(uuid5(NAMESPACE_OID, f"query {self._count}"))  # repeatable
        query = Query(name, text, groups, now, answer, (len(scanned.rows), scanned.size, scanned.groups))
        self.by_id[name] = query
        if len(self.by_id) > KEPT:
            del self.by_id[next(iter(self.by_id))]
        return query


def _statistics(matched: int, scanned: int, size: int, groups: int, rows: int) -> dict[str, float]:
    return {
        "recordsMatched": float(matched),
        "recordsScanned": float(scanned),
        "bytesScanned": float(size),
        "estimatedRecordsSkipped": 0.0,
        "estimatedBytesSkipped": 0.0,
        "logGroupsScanned": float(groups),
        "resultCount": float(rows),
    }
