"""The queries that were started. A query is Running until its result was asked for once."""

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
    """The events that a query scans."""

    rows: Sequence[Row]
    """Events, latest first."""
    size: int
    """Bytes of their messages."""
    groups: int


@dataclass(frozen=True, slots=True)
class QueryResult:
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

    def result(self) -> QueryResult:
        """Return the result. The first call returns Running, as AWS seldom answers at once; the next has the rows."""
        before = self.status
        if before == RUNNING:
            self.status = COMPLETE
        if before != COMPLETE:
            return QueryResult(before, statistics=_statistics(0, 0, 0, 0, 0))
        events, size, groups = self.scanned
        return QueryResult(
            before, self.answer.rows, _statistics(self.answer.matched, events, size, groups, len(self.answer.rows))
        )

    def stop(self) -> bool:
        """Stop the query; return whether it was still running."""
        running = self.status == RUNNING
        if running:
            self.status = CANCELLED
        return running

    def described(self) -> dict[str, Any]:
        """Return the query as DescribeQueries shows it, under the first of its groups."""
        return {
            "queryLanguage": "CWLI",
            "queryId": self.id,
            "queryString": self.text,
            "status": self.status,
            "createTime": int(self.started * 1000),
            "logGroupName": self.groups[0],
        }


class Queries:
    """The queries of one account and region, oldest first."""

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
