"""The broker is killed while a producer writes. The same on the dev broker and on Apache Kafka."""

import asyncio
from collections import defaultdict

from tests.bus.harness import Bus

KEYS = 24
UNCONFIRMED = 100
"""Records under way at a time, so that the kill finds some at every stage."""


async def test_a_producer_goes_on_over_a_crash_without_loss_repetition_or_disorder(bus: Bus) -> None:
    topic = await bus.topic()
    producer = await bus.producer()
    room, back = asyncio.Semaphore(UNCONFIRMED), asyncio.Event()
    sent: list[asyncio.Future[object]] = []

    def confirmed() -> int:
        return sum(one.done() for one in sent)

    async def produce() -> None:
        until = 1_000_000
        while len(sent) < until:
            await room.acquire()
            number = len(sent)
            sent.append(await producer.send(topic, b"%d" % number, key=b"key-%d" % (number % KEYS)))
            sent[-1].add_done_callback(lambda _: room.release())
            if back.is_set():
                until = min(until, number + 1 + 2 * UNCONFIRMED)  # some of them only the new broker has seen

    producing = asyncio.create_task(produce())

    async def well_under_way() -> bool:
        assert not producing.done()
        return confirmed() > 2 * UNCONFIRMED

    await bus.eventually(well_under_way)
    await bus.restart(crash=True)
    back.set()
    async with asyncio.timeout(60):
        await producing
        await asyncio.gather(*sent)
    by_key = defaultdict(list)
    for record in await bus.read(await bus.consumer(topic), len(sent)):
        by_key[record.key].append(int(record.value))
    assert by_key == {b"key-%d" % key: list(range(key, len(sent), KEYS)) for key in range(KEYS)}
