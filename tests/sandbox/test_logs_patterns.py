"""The filter patterns of FilterLogEvents, and its pages.

Sources: CloudWatch Logs user guide, "Filter pattern syntax"; the API reference of FilterLogEvents.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.logs.patterns import matcher
from sandbox.aws.server.in_process import InProcessAws
from sandbox.virtual.aws import InProcessConnection

START = 1_764_000_000_000
"""2025-11-24 at 16:00:00, in milliseconds."""
GROUP = "/shop/web"
STREAMS = {
    "web/1": ["[ERROR 400] BAD REQUEST", "[INFO] started", "[ERROR 401] UNAUTHORIZED REQUEST"],
    "db/1": ["[WARN] slow: 3 s", "error in lower case", json.dumps({"level": "ERROR", "status": 503})],
}


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    account = InProcessAws(lambda: START / 1000)
    try:
        connection = InProcessConnection(REGION, account.open("http://aws.sandbox", "application.sandbox", [80]))
        client = connection.client("logs")
        client.create_log_group(logGroupName=GROUP)
        for late, (stream, lines) in enumerate(STREAMS.items()):
            client.create_log_stream(logGroupName=GROUP, logStreamName=stream)
            events = [{"timestamp": START - 9 + 2 * at + late, "message": line} for at, line in enumerate(lines)]
            client.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)
        yield client
    finally:
        account.close()


def found(client: Any, pattern: str = "", **more: Any) -> list[str]:
    asked = {"logGroupName": GROUP, "filterPattern": pattern, **more}
    return [event["message"] for event in client.filter_log_events(**asked)["events"]]


def test_events_of_all_streams_come_in_the_order_of_time(client: Any) -> None:
    messages = found(client)
    assert messages == [line for pair in zip(*STREAMS.values(), strict=True) for line in pair]
    (event,) = client.filter_log_events(logGroupName=GROUP, filterPattern="BAD")["events"]
    assert (event["logStreamName"], event["timestamp"], event["ingestionTime"]) == ("web/1", START - 9, START)


@pytest.mark.parametrize(
    ("pattern", "kept"),
    [
        ("ERROR", [0, 2, 5]),
        ("ERROR REQUEST", [0, 2]),
        ("?started ?slow", [1, 3]),
        ("ERROR -REQUEST", [5]),
        ("-ERROR", [1, 3, 4]),
        ('"BAD REQUEST"', [0]),
        ('"slow: 3" WARN', [3]),
        ('-"[INFO]" -ERROR', [3, 4]),
        ("%AUTHORIZED%", [2]),
        ("%ERROR.40[01]% -BAD", [2]),
        ("REQUEST ?started", [0, 2]),
        ('{ $.level = "ERROR" && $.status >= 500 }', [5]),
    ],
)
def test_terms(client: Any, pattern: str, kept: list[int]) -> None:
    lines = [line for stream in STREAMS.values() for line in stream]
    assert sorted(found(client, pattern)) == sorted(lines[at] for at in kept)


@pytest.mark.parametrize(
    ("pattern", "holds"),
    [
        ('{ $.level = "ERROR" }', True),
        ('{ $.level = "error" }', False),
        ("{ $.level = ERROR }", True),
        ('{ $.level = "ERR*" }', True),
        ('{ $.level = "*R*R" }', True),
        ('{ $.level = "*W*" }', False),
        ('{ $.level != "INFO" }', True),
        ('{ $.level != "E*" }', False),
        ('{ $.nothing != "E*" }', False),
        ("{ $.level = %^ERR% }", True),
        ("{ $.status = 503 }", True),
        ("{ $.status != 503 }", False),
        ("{ $.status > 502.5 }", True),
        ("{ $.status >= 503 && $.status <= 503 }", True),
        ("{ $.status < 5e2 }", False),
        ("{ $.level > 5 }", False),
        ("{ $.status = 5* }", True),
        ('{ $.request.path = "/cart/*" }', True),
        ("{ $.items[1].count = 2 }", True),
        ("{ $.items[2].count = 2 }", False),
        ('{ $["a b"] = 1 }', True),
        ("{ $.user IS NULL }", True),
        ("{ $.level IS NULL }", False),
        ("{ $.nothing NOT EXISTS }", True),
        ("{ $.user NOT EXISTS }", False),
        ("{ $.cached IS TRUE }", True),
        ("{ $.cached IS FALSE }", False),
        ('{ $.level = "INFO" || $.status = 503 && $.cached IS TRUE }', True),
        ('{ ($.level = "INFO" || $.status = 503) && $.cached IS FALSE }', False),
    ],
)  # fmt: skip
def test_conditions_on_json(pattern: str, holds: bool) -> None:
    event = {
        "level": "ERROR", "status": 503, "request": {"path": "/cart/7"}, "items": [{"count": 1}, {"count": 2}],
        "user": None, "cached": True, "a b": 1,
    }  # fmt: skip
    assert matcher(pattern)(json.dumps(event)) is holds
    assert matcher(pattern)("no JSON") is False
    assert matcher(pattern)("[1]") is False


@pytest.mark.parametrize(
    "pattern",
    [
        "a.b",
        "a-b",
        '"a"b',
        "-",
        '"open',
        "%(a|b)%",
        "%a",
        "%a% %b% %c%",
        "%[%",
        "[ip, user]",
        "{",
        "{ }",
        "{ $.a }",
        "{ level = 1 }",
        "{ $.a = }",
        "{ $.a > x }",
        "{ $.a = /cart* }",
        "{ $.a = 1 } more",
        "{ ($.a = 1 }",
        "{ $.a IS 1 }",
        "{ " + "(" * 50 + "$.a = 1",
    ],
)
def test_an_illegal_pattern_is_refused(client: Any, pattern: str) -> None:
    with pytest.raises(client.exceptions.InvalidParameterException, match="Invalid filter pattern: "):
        found(client, pattern)


def test_pages_hold_what_one_answer_would(client: Any) -> None:
    client.create_log_group(logGroupName="/shop/pages")
    client.create_log_stream(logGroupName="/shop/pages", logStreamName="one")

    def put(at: int, *lines: str) -> None:
        events = [{"timestamp": at, "message": line} for line in lines]
        client.put_log_events(logGroupName="/shop/pages", logStreamName="one", logEvents=events)

    put(START - 5, "a1", "b1", "a2", "a3")
    first = client.filter_log_events(logGroupName="/shop/pages", filterPattern="a", limit=2)
    put(START - 9, "a0")  # late, and before what was told
    put(START, "a4")
    more = {"logGroupName": "/shop/pages", "filterPattern": "a", "limit": 2, "nextToken": first["nextToken"]}
    second = client.filter_log_events(**more)
    pages = [[event["message"] for event in page["events"]] for page in (first, second)]
    assert pages == [["a1", "a2"], ["a3", "a4"]]
    assert "nextToken" not in second


def test_streams_groups_and_times(client: Any) -> None:
    assert found(client, logStreamNamePrefix="db/") == STREAMS["db/1"]
    assert found(client, logStreamNames=["web/1"]) == STREAMS["web/1"]
    assert found(client, startTime=START - 8, endTime=START - 7) == ["[WARN] slow: 3 s", "[INFO] started"]
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}"
    events = client.filter_log_events(logGroupIdentifier=arn, filterPattern="BAD")["events"]
    assert len(events) == 1


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"logGroupName": "/nobody"}, "ResourceNotFoundException"),
        ({"nextToken": "mine"}, "InvalidParameterException"),
        ({"limit": 10_001}, "InvalidParameterException"),
        ({"logStreamNames": ["web/1"], "logStreamNamePrefix": "db/"}, "InvalidParameterException"),
    ],
)
def test_what_cannot_be_asked_for(client: Any, more: Any, code: str) -> None:
    with pytest.raises(ClientError) as caught:
        found(client, **more)
    assert caught.value.response["Error"]["Code"] == code
