"""A group's member in a process of its own, for a test to kill: never commits, prints what it reads."""

import asyncio
import sys
from typing import Any

from aiokafka import AIOKafkaConsumer


async def main(bootstrap: str, topic: str, group: str, session_timeout_ms: str) -> None:
    client: Any = AIOKafkaConsumer  # it has no types
    consumer = client(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=int(session_timeout_ms),
        heartbeat_interval_ms=100,
    )
    await consumer.start()
    sys.stdout.write("joined\n")
    sys.stdout.flush()
    async for record in consumer:
        sys.stdout.write(f"read {record.partition} {record.offset}\n")
        sys.stdout.flush()


asyncio.run(main(*sys.argv[1:]))
