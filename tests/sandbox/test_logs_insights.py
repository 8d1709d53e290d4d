"""Logs Insights through boto3, in this process and on product time.

Sources: CloudWatch Logs user guide, "CloudWatch Logs Insights language query syntax"; the API reference of StartQuery,
GetQueryResults, StopQuery and DescribeQueries.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.logs.queries import KEPT, Queries, Scanned
from sandbox.aws.server.in_process import InProcessAws
from sandbox.virtual.aws import InProcessConnection

START = 1_764_000_000
"""2025-11-24 at 16:00:00."""
GROUP, STREAM = "/shop/web", "web/1"

LINES = [
    (-840, "web [INFO] started"),
    (-620, "web [ERROR] connection Timeout after 30 s"),
    (-610, "web [INFO] GET /cart"),
    (-310, "db [ERROR] deadlock"),
    (-60, "db [WARN] a timeout is near"),
    (-60, "web [ERROR] ValueError Exception"),
    (0, "web [INFO] GET /"),
]
REQUESTS: list[tuple[int, dict[str, Any]]] = [
    *((-500 + n, {"path": "/cart", "duration": n, "user": {"id": f"u{n % 3}"}, "ok": True}) for n in range(1, 101)),
    (-100, {"path": "/", "duration": 5.5, "ok": False, "tags": ["slow", "new"], "status": "503"}),
    (-90, {"path": "/", "duration": 4.5, "ok": False, "note": None}),
]


class Logs:
    """The groups ``/shop/web`` with lines, and ``/shop/json`` with requests."""

    def __init__(self, account: InProcessAws) -> None:
        connection = InProcessConnection(REGION, account.open("http://aws.sandbox", "application.sandbox", [80]))
        self.client = connection.client("logs")
        self.put(GROUP, STREAM, LINES)
        self.put("/shop/json", "api/1", [(after, json.dumps(request)) for after, request in REQUESTS])

    def put(self, group: str, stream: str, lines: list[tuple[int, str]]) -> None:
        self.client.create_log_group(logGroupName=group)
        self.client.create_log_stream(logGroupName=group, logStreamName=stream)
        events = [{"timestamp": (START + after) * 1000, "message": message} for after, message in lines]
        self.client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    def start(self, query: str, **more: Any) -> str:
        asked = {"startTime": START - 900, "endTime": START, "queryString": query, **more}
        if not {"logGroupNames", "logGroupIdentifiers"} & more.keys():
            asked.setdefault("logGroupName", GROUP)
        return str(self.client.start_query(**asked)["queryId"])

    def answer(self, query: str, **more: Any) -> Any:
        name = self.start(query, **more)
        assert self.client.get_query_results(queryId=name)["status"] == "Running"
        return self.client.get_query_results(queryId=name)

    def rows(self, query: str, **more: Any) -> list[dict[str, str]]:
        """Without ``@ptr``."""
        results = self.answer(query, **more)["results"]
        return [{one["field"]: one["value"] for one in row if one["field"] != "@ptr"} for row in results]

    def column(self, query: str, **more: Any) -> list[str]:
        return [value for row in self.rows(query, **more) for value in row.values()]

    def requests(self, query: str) -> list[dict[str, str]]:
        return self.rows(query, logGroupName="/shop/json")

    def refused(self, query: str, **more: Any) -> Any:
        with pytest.raises(ClientError) as caught:
            self.start(query, **more)
        return caught.value.response


@pytest.fixture(scope="module")
def logs() -> Iterator[Logs]:
    account = InProcessAws(lambda: float(START))
    try:
        yield Logs(account)
    finally:
        account.close()


def test_the_latest_errors_come_first(logs: Logs) -> None:
    query = "fields @timestamp, @message | filter @message like /ERROR|Exception/ | sort @timestamp desc | limit 2"
    assert logs.rows(query) == [
        {"@timestamp": "2025-11-24 15:59:00.000", "@message": "web [ERROR] ValueError Exception"},
        {"@timestamp": "2025-11-24 15:54:50.000", "@message": "db [ERROR] deadlock"},
    ]


def test_a_query_is_asynchronous_and_tells_what_it_scanned(logs: Logs) -> None:
    name = logs.start('filter @message like "ERROR" | stats count(*)')
    first = logs.client.get_query_results(queryId=name)
    assert (first["status"], first["results"], first["statistics"]["recordsScanned"]) == ("Running", [], 0)
    for _ in range(2):  # it stays there
        then = logs.client.get_query_results(queryId=name)
        assert (then["status"], then["results"]) == ("Complete", [[{"field": "count(*)", "value": "3"}]])
    assert then["statistics"] == {
        "recordsMatched": 3, "recordsScanned": 7, "bytesScanned": sum(len(line) for _, line in LINES),
        "estimatedRecordsSkipped": 0, "estimatedBytesSkipped": 0, "logGroupsScanned": 1, "resultCount": 1,
    }  # fmt: skip


def test_a_running_query_can_be_stopped_and_a_complete_one_cannot(logs: Logs) -> None:
    name = logs.start("fields @message")
    assert logs.client.stop_query(queryId=name)["success"] is True
    answer = logs.client.get_query_results(queryId=name)
    assert (answer["status"], answer["results"]) == ("Cancelled", [])
    done = logs.start("fields @message")
    logs.client.get_query_results(queryId=done)
    for over in (name, done):
        with pytest.raises(logs.client.exceptions.InvalidParameterException):
            logs.client.stop_query(queryId=over)
    for call in (logs.client.stop_query, logs.client.get_query_results):
        with pytest.raises(logs.client.exceptions.ResourceNotFoundException):
            call(queryId="nobody's")


def test_queries_are_described_by_group_and_status(logs: Logs) -> None:
    logs.put("/shop/described", STREAM, [(0, "one")])
    running = logs.start("fields @message", logGroupName="/shop/described")
    stopped = logs.start("limit 1", logGroupName="/shop/described")
    logs.client.stop_query(queryId=stopped)
    found = logs.client.describe_queries(logGroupName="/shop/described")["queries"]
    assert {(one["queryId"], one["status"], one["queryString"]) for one in found} == {
        (stopped, "Cancelled", "limit 1"),
        (running, "Running", "fields @message"),
    }
    assert {(one["createTime"], one["logGroupName"]) for one in found} == {(START * 1000, "/shop/described")}
    (one,) = logs.client.describe_queries(logGroupName="/shop/described", status="Running")["queries"]
    assert one["queryId"] == running


def test_old_queries_are_forgotten() -> None:
    queries = Queries()
    started = [queries.start("limit 1", [], [GROUP], 0, Scanned([], 0, 1), 1).id for _ in range(KEPT + 1)]
    assert list(queries.by_id) == started[1:]
    assert len(set(started)) == KEPT + 1


def test_both_ends_of_the_time_are_part_of_it(logs: Logs) -> None:
    assert len(logs.rows("fields @message", startTime=START - 620, endTime=START - 610)) == 2
    assert logs.rows("fields @message", startTime=START - 619, endTime=START - 611) == []


def test_system_fields(logs: Logs) -> None:
    (row,) = logs.rows("fields @logStream, @log, @ingestionTime, @message as said | filter said like 'started'")
    assert row == {
        "@logStream": STREAM,
        "@log": f"{ACCOUNT}:{GROUP}",
        "@ingestionTime": "2025-11-24 16:00:00.000",
        "said": "web [INFO] started",
    }
    plain = logs.answer("limit 1")["results"][0]
    assert [one["field"] for one in plain] == ["@timestamp", "@message", "@ptr"]


def test_counts_by_time(logs: Logs) -> None:
    query = "filter @message like /(?i)timeout/ | stats count(*) as n by bin(5m)"
    assert logs.rows(query) == [
        {"bin(5m)": "2025-11-24 15:55:00.000", "n": "1"},
        {"bin(5m)": "2025-11-24 15:45:00.000", "n": "1"},
    ]


def test_what_a_glob_parses_is_counted(logs: Logs) -> None:
    """User guide, "parse": an event in which it finds nothing stays, without the fields."""
    rows = logs.rows('parse @message "* [*] *" as a, level, text | stats count(*) by level | sort level')
    assert rows == [
        {"level": "ERROR", "count(*)": "3"}, {"level": "INFO", "count(*)": "3"}, {"level": "WARN", "count(*)": "1"},
    ]  # fmt: skip
    rows = logs.rows('fields @message | parse "GET *" as path | sort @timestamp asc | limit 3')
    assert [row.get("path") for row in rows] == [None, None, "/cart"]


def test_named_groups_become_fields(logs: Logs) -> None:
    query = r"parse @message /(?<who>\w+) \[(?<level>[A-Z]+)\]/ | filter who = 'db' | display level | sort level asc"
    assert logs.column(query) == ["ERROR", "WARN"]


def test_percentiles_by_a_discovered_field(logs: Logs) -> None:
    rows = logs.requests("stats pct(duration, 95) as p95, count(*) as n by path | sort n desc")
    assert [(row["path"], row["n"]) for row in rows] == [("/cart", "100"), ("/", "2")]
    assert float(rows[0]["p95"]) == pytest.approx(95, abs=0.5)


def test_statistics(logs: Logs) -> None:
    functions = "sum(duration), avg(duration), min(duration), max(duration), count(status), count_distinct(path)"
    (row,) = logs.requests(f"filter path = '/' | stats {functions}, earliest(duration) as e, latest(duration) as l")
    assert row == {
        "sum(duration)": "10", "avg(duration)": "5", "min(duration)": "4.5", "max(duration)": "5.5",
        "count(status)": "1", "count_distinct(path)": "1", "e": "5.5", "l": "4.5",
    }  # fmt: skip


def test_numbers_of_any_size_are_counted_with(logs: Logs) -> None:
    lines = ['{"n": ' + "9" * 400 + "}", '{"n": -' + "9" * 400 + "}", '{"n": 1e308}', '{"n": 1e308}', '{"n": NaN}']
    logs.put("/shop/numbers", STREAM, [(0, line) for line in lines])
    functions = "count(n) as n, sum(n), avg(n), min(n), max(n), pct(n, 50)"
    (row,) = logs.rows(f"stats {functions}", logGroupName="/shop/numbers")
    assert row["n"] == "5"
    assert len(logs.rows("filter n > 5 | sort n desc", logGroupName="/shop/numbers")) == 3


def test_groups_can_be_filtered_again(logs: Logs) -> None:
    assert logs.requests("stats count(*) as n by path | filter n > 50 | display path") == [{"path": "/cart"}]
    assert logs.requests("stats count(*) as n by user.id, ok | stats max(n) as most") == [{"most": "34"}]


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ("duration > 99", 1),
        ("duration >= 99", 2),
        ("duration < 1.5", 1),
        ("duration <= 1", 1),
        ("duration = 5.5 or duration = 4.5", 2),
        ("status = 503", 1),  # a string that looks like a number
        ("status != 503", 101),  # those that lack it, too
        ("path in ['/', '/nowhere']", 2),
        ("path not in ['/']", 100),
        ("user.id = 'u0' and duration < 10", 3),
        ("path = '/' or user.id = 'u0' and duration < 10", 5),
        ("(path = '/' or user.id = 'u0') and duration < 10", 5),
        ("not (path = '/')", 100),
        ("not path = '/' and not duration > 1", 1),
        ("ispresent(user.id)", 100),
        ("not isPresent(note)", 102),
        ("tags.0 = 'slow'", 1),
        ("ok = 0", 2),
        ("ok = false", 2),
        ("path =~ /^.cart$/", 100),
        ("path not like /cart/", 2),
        ("path like 'c.rt'", 0),  # a string is no regular expression
        ('`path` like "car"', 100),
        ("path like /\\/cart/", 100),
    ],
)  # fmt: skip
def test_conditions(logs: Logs, condition: str, count: int) -> None:
    assert len(logs.requests(f"filter {condition}")) == count


def test_comments_and_case_do_not_matter(logs: Logs) -> None:
    query = """
        # the latest
        FIELDS @message # | limit 0
        | Filter @message LIKE "#" OR @message like /deadlock/
        | limit 5
    """
    assert logs.column(query) == ["db [ERROR] deadlock"]


def test_text_is_sorted_naturally_and_before_numbers(logs: Logs) -> None:
    """The example of the user guide, "sort"."""
    rising = ["!", "#", "*%04", "0#", "5A", "111A", "2345_", "@", "@_", "A", "A9876fghj", "a12345hfh", "0", "1", "2"]
    logs.put("/shop/sorted", STREAM, [(0, word) for word in sorted(rising)])
    assert logs.column("fields @message | sort @message asc", logGroupName="/shop/sorted") == rising
    assert logs.column("fields @message | sort @message desc", logGroupName="/shop/sorted") == rising[::-1]


def test_the_first_of_each_stays(logs: Logs) -> None:
    """User guide, "dedup": where a field is missing, nothing is a duplicate."""
    rows = logs.requests("fields duration, user.id | sort duration asc | dedup user.id | limit 4")
    assert [row["duration"] for row in rows] == ["1", "2", "3", "4.5"]


def test_several_groups_and_the_limit_of_the_call(logs: Logs) -> None:
    both = [GROUP, "/shop/json"]
    assert logs.rows("stats count(*) as n", logGroupNames=both) == [{"n": "109"}]
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}"
    assert logs.rows("stats count(*) as n", logGroupIdentifiers=[arn, "/shop/json"]) == [{"n": "109"}]
    answer = logs.answer("fields @message", logGroupNames=both, limit=3)
    assert (len(answer["results"]), answer["statistics"]["recordsMatched"]) == (3, 109)


def test_many_rows_have_a_limit_and_pages(logs: Logs) -> None:
    logs.put("/shop/many", STREAM, [(0, str(number)) for number in range(10_001)])
    assert len(logs.rows("fields @message", logGroupName="/shop/many")) == 10_000
    name = logs.start("fields @message | limit 10001", logGroupName="/shop/many", limit=10_001)
    logs.client.get_query_results(queryId=name)
    first = logs.client.get_query_results(queryId=name)
    rest = logs.client.get_query_results(queryId=name, nextToken=first["nextToken"])
    assert (len(first["results"]), len(rest["results"]), rest.get("nextToken")) == (10_000, 1, None)


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("", "a command"),
        ("find @message", "the command find is not known"),
        ("fields @message |", "a command"),
        ("fields", "the name of a field"),
        ("filter @message like", "expression/ or a string"),
        ("filter @message like /(/", "no regular expression"),
        ("filter (a = 1", "')' is missing"),
        ("filter a", "is missing before the end"),
        ("filter " + "(" * 50 + "a = 1", "nested more than"),
        ("stats median(x)", "the aggregation median is not known"),
        ("stats count(*) by bin(five)", "a period"),
        ("stats pct(x, 101)", "from 0 to 100"),
        ("limit many", "a number of rows"),
        ("limit 0", "whole number"),
        ("parse @message '* *' as one", "2 wildcards, and 1 names"),
        ("parse @message /no group/", "named groups"),
        ("dedup a | sort a", "only limit may stand after dedup"),
        ("fields a & b", "'&' at 9 is not understood"),
        ("fields a b", "'|' is missing before 'b'"),
    ],
)
def test_a_malformed_query_is_refused_with_the_reason(logs: Logs, query: str, fault: str) -> None:
    error = logs.refused(query)
    assert error["Error"]["Code"] == "MalformedQueryException"
    assert fault in error["Error"]["Message"]


def test_a_malformed_query_is_told_with_its_place(logs: Logs) -> None:
    location = logs.refused("limit 5 | find x")["queryCompileError"]["location"]
    assert location == {"startCharOffset": 10, "endCharOffset": 14}


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"logGroupName": "/nobody"}, "ResourceNotFoundException"),
        ({"logGroupNames": [f"/group/{number}" for number in range(51)]}, "InvalidParameterException"),
        ({"logGroupName": GROUP, "logGroupNames": [GROUP]}, "InvalidParameterException"),
        ({"startTime": START, "endTime": START - 1}, "InvalidParameterException"),
        ({"queryLanguage": "SQL"}, "InvalidParameterException"),
        ({"limit": 100_001}, "InvalidParameterException"),
    ],
)
def test_what_cannot_be_asked_for(logs: Logs, more: Any, code: str) -> None:
    assert logs.refused("fields @message", **more)["Error"]["Code"] == code


def test_what_containers_write_can_be_queried(logs: Logs) -> None:
    """The seeded service's own group; its tasks started before the world's present."""
    (row,) = logs.rows(
        "stats count_distinct(@logStream) as streams", logGroupName="/ecs/court-case-backend", startTime=0
    )
    assert row == {"streams": "3"}
