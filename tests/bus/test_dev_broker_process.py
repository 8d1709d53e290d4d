"""`python -m sandbox.kafka` as a process: stopped in order, refused a port."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.bus.harness import Bus


@asynccontextmanager
async def broker(data: Path, port: int = 0, *options: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """The process and the port on which it listens."""
    process = await _spawn(data, port, *options)
    assert process.stdout
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
        yield process, int(line.partition("127.0.0.1:")[2].partition(",")[0])
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_it_ends_in_order_when_asked_and_gives_its_directory_free(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        async with broker(tmp_path) as (process, _):
            process.send_signal(number)
            assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_a_taken_port_and_a_taken_directory_are_said_in_one_sentence(tmp_path: Path) -> None:
    async with broker(tmp_path / "one") as (_, port):
        for data, said in ((tmp_path / "two", f"127.0.0.1:{port}"), (tmp_path / "one", "Another broker")):
            refused = await _spawn(data, port)
            _, complaint = await asyncio.wait_for(refused.communicate(), 20)
            assert refused.returncode == 1
            assert said in complaint.decode()
            assert len(complaint.decode().splitlines()) == 1


async def test_topics_are_made_by_themselves_only_where_that_is_asked_for(tmp_path: Path) -> None:
    options = ("--auto-create-topics", "--partitions", "3")
    async with AsyncExitStack() as clients, broker(tmp_path, 0, *options) as (_, port):
        bus = Bus(f"127.0.0.1:{port}", 10_000, clients)
        producer = await bus.producer()
        await producer.send_and_wait("made-by-itself", b"x")
        assert len(await producer.partitions_for("made-by-itself")) == 3
        await clients.aclose()


async def _spawn(data: Path, port: int, *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sandbox.kafka", "--port", str(port), "--data", str(data), *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
