"""What an executor without its lease asks of AWS is not sent; what was sent is waited for, to a bound."""

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from services._chassis.acting import Actor, LeaseOver, acting
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services._chassis.aws_limits import AwsLimits
from services._chassis.tasks import end


@pytest.fixture
async def requests(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[bytes]]:
    """An AWS that keeps what comes and never answers."""
    came: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.readuntil(b"\r\n\r\n"))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    yield came
    server.close()


async def test_nothing_is_sent_once_the_lease_has_run_out(requests: list[bytes]) -> None:
    connection = AwsConnection("us-west-2", AwsLimits(answer=0.3, tries=1))
    acting.set(Actor("apply-change/1/7", until=time.monotonic() - 0.001))
    with pytest.raises(LeaseOver):
        await Aws(connection, "recovery").call("sts", "get_caller_identity")
    assert not requests
    connection.close()


async def test_a_second_try_needs_the_lease_too(requests: list[bytes]) -> None:
    connection = AwsConnection("us-west-2", AwsLimits(answer=0.5, tries=3))
    connection.client("sts")  # building it takes its time
    acting.set(Actor("apply-change/1/7", until=time.monotonic() + 0.4))
    with pytest.raises(LeaseOver):
        await Aws(connection, "recovery").call("sts", "get_caller_identity")
    assert len(requests) == 1
    assert b"surefoot/recovery/apply-change/1/7" in requests[0]
    connection.close()


async def test_how_a_cancelled_call_fails_is_not_reported_as_overlooked(monkeypatch: pytest.MonkeyPatch) -> None:
    connection, reported = AwsConnection("us-west-2"), list[Any]()
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))
    begun, over = threading.Event(), threading.Event()

    def refused(*_: Any) -> dict[str, Any]:
        begun.set()
        over.wait(20)
        raise EndpointConnectionError(endpoint_url="https://ecs")

    aws = Aws(connection, "recovery")
    monkeypatch.setattr(aws, "_call", refused)

    async def cancelled() -> bool:
        task = asyncio.ensure_future(aws.call("ecs", "describe_services"))
        await asyncio.to_thread(begun.wait, 20)
        task.cancel()
        await asyncio.sleep(0)
        over.set()
        await asyncio.wait([task])
        return task.cancelled()

    assert await cancelled()
    gc.collect()
    assert reported == []
    connection.close()


async def test_a_task_that_fails_while_it_is_ended_is_not_reported_as_overlooked() -> None:
    reported = list[Any]()
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))

    async def fails() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ConnectionError("while it was cleaned up")

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    assert not await end([task])
    del task
    gc.collect()
    assert reported == []


async def test_a_cancelled_call_is_waited_for_however_often_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = AwsConnection("us-west-2")
    begun, over = threading.Event(), threading.Event()

    def slow(*_: Any) -> dict[str, Any]:
        begun.set()
        over.wait(20)
        return {}

    aws = Aws(connection, "recovery")
    monkeypatch.setattr(aws, "_call", slow)
    task = asyncio.ensure_future(aws.call("sts", "get_caller_identity"))
    await asyncio.to_thread(begun.wait, 20)
    assert await end([task], 0.5) == {task}
    over.set()
    assert not await end([task], 20)
    assert task.cancelled()
    connection.close()
