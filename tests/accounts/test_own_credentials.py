"""The credentials of this process itself: a container's endpoint that fails, and a clock that is wrong."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.utils import ContainerMetadataFetcher

from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services._chassis.aws_limits import AwsLimits
from services._chassis.clock_offset import clock_fault, offset_of
from services._chassis.credentials import OWN_AGAIN_SECONDS, ClockOff, NoCredentials, OwnCredentials


class Endpoint:
    """A container's credential endpoint, and an AWS that answers with a date of its own."""

    def __init__(self) -> None:
        self.status, self.minutes, self.asked = 200, 360.0, 0
        self.clock = timedelta()
        """By how much AWS's clock is ahead of this machine's."""
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                endpoint.asked += 1
                until = datetime.now(UTC) + timedelta(minutes=endpoint.minutes)
                keys = {"AccessKeyId": f"ASIA{endpoint.asked}", "SecretAccessKey": "s", "Token": "t"}
                self._answer(endpoint.status, json.dumps(keys | {"Expiration": f"{until:%Y-%m-%dT%H:%M:%SZ}"}))

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                error = "<Error><Code>SignatureDoesNotMatch</Code><Message>-</Message></Error>"
                self._answer(403, f"<ErrorResponse>{error}</ErrorResponse>")

            def _answer(self, status: int, body: str) -> None:
                self.send_response_only(status)
                self.send_header("Date", format_datetime(datetime.now(UTC) + endpoint.clock, usegmt=True))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    found = Endpoint()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{found.url}/credentials")
    monkeypatch.setenv("AWS_ENDPOINT_URL", found.url)
    monkeypatch.setattr(ContainerMetadataFetcher, "SLEEP_TIME", 0)
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


def own_of(seconds: list[float]) -> OwnCredentials:
    """Return the credentials that botocore finds for this process."""
    own = AwsConnection("us-west-2").own
    own._now = lambda: seconds[0]
    return own


def test_a_container_gives_them_and_they_are_asked_for_once(endpoint: Endpoint) -> None:
    own = own_of([0.0])
    assert {own.get_frozen_credentials().access_key for _ in range(5)} == {"ASIA1"}
    assert own.fault == ""


def test_an_endpoint_that_fails_is_told_and_asked_again_a_little_later(endpoint: Endpoint) -> None:
    endpoint.status, seconds = 500, [0.0]
    own = own_of(seconds)
    for _ in range(3):
        with pytest.raises(NoCredentials, match="this process cannot get its own credentials: their source fails"):
            own.get_frozen_credentials()
    tries = endpoint.asked
    endpoint.status, seconds[0] = 200, OWN_AGAIN_SECONDS
    assert own.get_frozen_credentials().access_key == f"ASIA{tries + 1}"
    assert own.fault == ""


def test_what_is_held_is_used_while_the_endpoint_answers_with_credentials_of_the_past(endpoint: Endpoint) -> None:
    endpoint.minutes, seconds = 5, [0.0]  # so soon botocore renews at every use
    own = own_of(seconds)
    held = own.get_frozen_credentials()
    endpoint.minutes = -5
    for _ in range(3):
        assert own.get_frozen_credentials().token == held.token
    assert "it answers with credentials that have expired" in own.fault
    asked = endpoint.asked
    own.get_frozen_credentials()
    assert endpoint.asked == asked, "who calls AWS does not wait for what fails"
    endpoint.minutes, seconds[0] = 360, OWN_AGAIN_SECONDS
    own.refresh()
    assert own.fault == ""


async def test_a_clock_that_is_wrong_is_what_aws_refuses(endpoint: Endpoint) -> None:
    aws = Aws(AwsConnection("us-west-2", AwsLimits(tries=1)), "chassis")
    endpoint.clock = timedelta(minutes=-10)
    with pytest.raises(ClockOff, match=r"this machine's clock is (599|600|601) seconds ahead of AWS's.*set the clock"):
        await aws.call("sts", "get_caller_identity")
    endpoint.clock = timedelta()
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        await aws.call("sts", "get_caller_identity")


@pytest.mark.parametrize(
    ("offset", "fault"),
    [
        (None, ""),
        (30, ""),
        (-31, "this machine's clock is 31 seconds behind AWS's"),
        (241, "this machine's clock is 241 seconds ahead of AWS's, so that AWS refuses its signatures: set the clock"),
    ],
)
def test_what_is_told_of_an_offset(offset: float | None, fault: str) -> None:
    assert clock_fault(offset) == fault


def test_the_offset_is_read_from_the_date_of_an_answer() -> None:
    def answer(date: str) -> dict[str, Any]:
        return {"ResponseMetadata": {"HTTPHeaders": {"date": date}}}

    moment = 1_800_000_000.0
    assert offset_of(answer("Fri, 15 Jan 2027 08:00:00 GMT"), lambda: moment + 45) == 45
    assert offset_of(answer("soon"), time.time) is None
    assert offset_of({}) is None
