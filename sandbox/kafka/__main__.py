"""`python -m sandbox.kafka --port 9092 --data DIR`: the dev broker in the foreground."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from sandbox.kafka.broker import DevBroker, DirectoryInUse
from sandbox.kafka.node import Limits


async def _run(host: str, port: int, data: Path, partitions: int, limits: Limits) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    broker = DevBroker(limits)
    bound = await broker.start(host, port, data, partitions)
    print(f"Kafka (dev broker, one node) listens on {host}:{bound}, data in {data}", flush=True)  # noqa: T201
    await stopping.wait()
    await broker.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.kafka", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9092, help="0 chooses a free one")
    parser.add_argument("--data", type=Path, default=Path(".surefoot/kafka"))
    parser.add_argument("--partitions", type=int, default=12, help="for topics whose creator names no number")
    parser.add_argument("--auto-create-topics", action="store_true", help="as Kafka's default is")
    parser.add_argument("--min-session-timeout", type=float, default=6.0, help="seconds; tests lower it")
    given = parser.parse_args()
    limits = Limits(given.auto_create_topics, given.min_session_timeout)
    try:
        asyncio.run(_run(given.host, given.port, given.data, given.partitions, limits))
    except DirectoryInUse as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        wanted = error.filename or f"{given.host}:{given.port}"
        sys.stderr.write(f"The dev broker cannot use {wanted}: {os.strerror(error.errno or 0)}.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
