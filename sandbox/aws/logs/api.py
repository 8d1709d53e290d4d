"""CloudWatch Logs as boto3 sees it: moto's groups, streams and events, our queries and our filter patterns.

moto 5.2.5 ignores filter, stats and parse in a query, completes it at once and cannot stop it; its FilterLogEvents
knows one term or one phrase, and neither prefixes nor ARNs.
Source: CloudWatch Logs API reference.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from moto.logs import models
from moto.logs.exceptions import InvalidParameterException, LogsClientError, ResourceNotFoundException
from moto.logs.models import LogEvent, LogGroup, LogsBackend
from moto.logs.responses import LogsResponse

from sandbox.aws.logs.insights import ROW_LIMIT, understood
from sandbox.aws.logs.patterns import matcher
from sandbox.aws.logs.queries import Queries, Query, Scanned
from sandbox.aws.logs.records import Moment, Row, discovered
from sandbox.aws.logs.tokens import Malformed
from sandbox.aws.patching import Undo, put_in_place

GROUP_LIMIT = 50
"""Log groups of one query."""
PAGE = 10_000
"""Events or rows of one answer."""
QUERY_PAGE = 1_000
"""Queries of one answer of DescribeQueries."""

Now = Callable[[], float]
Call = Callable[[LogsResponse], str]
QueriesOf = defaultdict[tuple[str, str], Queries]
"""(account, region) → its queries."""


def install(now: Now) -> Undo:
    """Answer for every CloudWatch Logs of moto in this process; ``now`` is product time in epoch seconds.

    The answer takes all of it back.
    """
    queries: QueriesOf = defaultdict(Queries)
    return put_in_place(
        {
            # The filter itself, since Live Tail has patterns as well.
            (models, "EventMessageFilter"): _Pattern,
            # The calls rather than the backend, which does not get all parameters.
            (LogsResponse, "filter_log_events"): _filter_log_events,
            (LogsResponse, "start_query"): _start_query(queries, now),
            (LogsResponse, "get_query_results"): _get_query_results(queries),
            (LogsResponse, "describe_queries"): _describe_queries(queries),
            # moto has none.
            (LogsResponse, "stop_query"): _stop_query(queries),
        }
    )


class _MalformedQueryError(LogsClientError):
    """A query that cannot be parsed, with the place of the error in characters of the query."""

    def __init__(self, error: Malformed) -> None:
        super().__init__("MalformedQueryException", f"{error}.")
        location = {"startCharOffset": error.start, "endCharOffset": error.end}
        compile_error = {"location": location, "message": self.message}
        self.description = json.dumps(
            {"__type": self.error_type, "message": self.message, "queryCompileError": compile_error}
        )


class _Pattern:
    """A filter pattern, in place of moto's ``EventMessageFilter``."""

    def __init__(self, pattern: str) -> None:
        self._holds = _checked(pattern)

    def matches(self, message: str) -> bool:
        return self._holds(message)


def _checked(pattern: str) -> Callable[[str], bool]:
    try:
        return matcher(pattern)
    except Malformed as error:
        raise InvalidParameterException(f"Invalid filter pattern: {error}.") from error


def _filter_log_events(self: LogsResponse) -> str:
    asked = json.loads(self.body)
    group = _one_group(self.logs_backend, asked.get("logGroupName"), asked.get("logGroupIdentifier"))
    names, prefix = asked.get("logStreamNames"), asked.get("logStreamNamePrefix")
    if names and prefix:
        raise InvalidParameterException("Only one of logStreamNames and logStreamNamePrefix can be given.")
    holds = _checked(asked.get("filterPattern") or "")
    start, end = asked.get("startTime") or 0, asked.get("endTime")
    found = [
        {"logStreamName": name, **event.to_filter_dict()}
        for name, event in _events(group)
        if (not names or name in names)
        and name.startswith(prefix or "")
        and event.timestamp >= start
        and (end is None or event.timestamp <= end)
        and holds(event.message)
    ]
    found.sort(key=_place)
    after = _after(asked.get("nextToken"))
    rest = [event for event in found if _place(event) > after]
    size = _size(asked.get("limit"), "limit")
    token = "/".join(map(str, _place(rest[size - 1]))) if len(rest) > size else None
    return json.dumps({"events": rest[:size], "searchedLogStreams": [], "nextToken": token})


def _events(group: LogGroup) -> Iterator[tuple[str, LogEvent]]:
    return ((name, event) for name, stream in list(group.streams.items()) for event in list(stream.events))


def _place(event: dict[str, Any]) -> tuple[int, int]:
    """Return an event's position, behind which the next page goes on, whatever was written meanwhile."""
    return event["timestamp"], int(event["eventId"])


def _after(token: str | None) -> tuple[int, int]:
    if token is None:
        return -1, -1
    timestamp, _, event = token.partition("/")
    if not (timestamp.isdecimal() and event.isdecimal()):
        raise InvalidParameterException("The specified nextToken is invalid.")
    return int(timestamp), int(event)


def _size(asked: int | None, name: str, most: int = PAGE) -> int:
    if asked is not None and not 1 <= asked <= most:
        raise InvalidParameterException(f"{name} must be from 1 to {most}.")
    return asked or most


def _start_query(queries: QueriesOf, now: Now) -> Call:
    def start_query(self: LogsResponse) -> str:
        asked = json.loads(self.body)
        groups = _groups(self.logs_backend, asked)
        start, end = int(asked["startTime"]), int(asked["endTime"])
        if start > end:
            raise InvalidParameterException("The startTime of a query must not be later than its endTime.")
        if asked.get("queryLanguage") not in {None, "CWLI"}:
            raise InvalidParameterException(f"Queries in {asked['queryLanguage']} are not simulated, only in CWLI.")
        limit = _size(asked.get("limit"), "limit", ROW_LIMIT) if asked.get("limit") else PAGE
        text = asked["queryString"]
        try:
            commands = understood(text)
        except Malformed as error:
            raise _MalformedQueryError(error) from error
        names = [group.name for group in groups]
        query = _own(self, queries).start(text, commands, names, now(), _scanned(groups, start, end), limit)
        return json.dumps({"queryId": query.id})

    return start_query


def _groups(backend: LogsBackend, asked: dict[str, Any]) -> list[LogGroup]:
    """Return the log groups that a query names, in one of three ways."""
    one = asked.get("logGroupName")
    ways = [[one] if one else [], asked.get("logGroupNames") or [], asked.get("logGroupIdentifiers") or []]
    if sum(bool(way) for way in ways) != 1:
        raise InvalidParameterException(
            "Exactly one of logGroupName, logGroupNames and logGroupIdentifiers must be given."
        )
    named = list(dict.fromkeys(name for way in ways for name in way))
    if len(named) > GROUP_LIMIT:
        raise InvalidParameterException(f"A query takes at most {GROUP_LIMIT} log groups, not {len(named)}.")
    return [_one_group(backend, None, name) for name in named]


def _one_group(backend: LogsBackend, name: str | None, identifier: str | None) -> LogGroup:
    """Return a log group by its name, or by an identifier, which is a name or an ARN."""
    if bool(name) == bool(identifier):
        raise InvalidParameterException("Exactly one of logGroupName and logGroupIdentifier must be given.")
    for group in backend.groups.values():
        if group.name in {name, identifier} or group.arn == identifier:
            return group
    raise ResourceNotFoundException(f"Log group '{name or identifier}' does not exist.")


def _scanned(groups: Sequence[LogGroup], start: int, end: int) -> Scanned:
    """Return all events from ``start`` to ``end`` (epoch seconds), latest first."""
    rows = []
    size = 0
    for group in groups:
        for name, event in _events(group):
            if start * 1000 <= event.timestamp <= end * 1000:
                rows.append(_row(group, name, event))
                size += len(event.message.encode())
    rows.sort(key=lambda row: (row["@timestamp"], int(row["@ptr"])), reverse=True)
    return Scanned(rows, size, len(groups))


def _row(group: LogGroup, stream: str, event: LogEvent) -> Row:
    return {
        **discovered(event.message),
        "@timestamp": Moment(event.timestamp),
        "@message": event.message,
        "@logStream": stream,
        "@log": f"{group.account_id}:{group.name}",
        "@ingestionTime": Moment(event.ingestion_time),
        "@ptr": str(event.event_id),
    }


def _get_query_results(queries: QueriesOf) -> Call:
    def get_query_results(self: LogsResponse) -> str:
        asked = json.loads(self.body)
        query = _query(_own(self, queries), asked["queryId"])
        result = query.result()
        size, token = _size(asked.get("maxItems"), "maxItems"), asked.get("nextToken") or "0"
        if not token.isdecimal():
            raise InvalidParameterException("The specified nextToken is invalid.")
        rows = [[{"field": name, "value": value} for name, value in row] for row in result.rows]
        begin = int(token)
        return json.dumps(
            {
                "queryLanguage": "CWLI",
                "status": result.status,
                "results": rows[begin : begin + size],
                "statistics": result.statistics,
                "nextToken": str(begin + size) if len(rows) > begin + size else None,
            }
        )

    return get_query_results


def _stop_query(queries: QueriesOf) -> Call:
    def stop_query(self: LogsResponse) -> str:
        query = _query(_own(self, queries), json.loads(self.body)["queryId"])
        if not query.stop():
            raise InvalidParameterException(f"The query {query.id} is not running: it is {query.status}.")
        return json.dumps({"success": True})

    return stop_query


def _query(queries: Queries, name: str) -> Query:
    if name not in queries.by_id:
        raise ResourceNotFoundException(f"The query {name} does not exist.")
    return queries.by_id[name]


def _own(call: LogsResponse, queries: QueriesOf) -> Queries:
    return queries[call.current_account, call.region]


def _describe_queries(queries: QueriesOf) -> Call:
    def describe_queries(self: LogsResponse) -> str:
        asked = json.loads(self.body)
        group, status = asked.get("logGroupName"), asked.get("status")
        if group:
            _one_group(self.logs_backend, group, None)
        found = [
            query
            for query in reversed(_own(self, queries).by_id.values())
            if (not group or group in query.groups) and status in {None, query.status}
        ]
        size, token = _size(asked.get("maxResults"), "maxResults", QUERY_PAGE), asked.get("nextToken") or "0"
        if not token.isdecimal():
            raise InvalidParameterException("The specified nextToken is invalid.")
        begin = int(token)
        following = str(begin + size) if len(found) > begin + size else None
        return json.dumps(
            {"queries": [query.described() for query in found[begin : begin + size]], "nextToken": following}
        )

    return describe_queries
