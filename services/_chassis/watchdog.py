"""Detects a consumer that has stalled although its process answers."""

import asyncio
import time
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from services._chassis.catch_up import CatchUp

KEEP_SECONDS = 1.0
"""Real seconds between two writes of the offsets."""
LOOK_SECONDS = 2.0
"""The longest, in real seconds, that a check may hold up the offsets."""
LOOKS = 6
"""Number of checks within the time for which the consumer may stand still."""

log = structlog.get_logger()


class Stalled(Exception):
    """The consumer has stalled; only a new process helps."""


class Watchdog:
    """Watches one service's consumer. ``run`` ends only by raising an error, which ends the process."""

    def __init__(self, service: str, progress: CatchUp, stall: float) -> None:
        self._service = service
        self._progress = progress
        self._stall = stall
        self._taken = 0
        self._moved = self._looked = time.monotonic()

    @property
    def assigned(self) -> bool:
        """Return whether this replica has partitions to read."""
        consumer = self._progress.consumer()
        return consumer is not None and bool(consumer.assignment())

    async def run(self) -> None:
        """Check each second. Raise ``Stalled``, and errors of Redis and Kafka."""
        while True:
            try:
                await self._progress.keep()
            finally:
                self._check_course()
            if time.monotonic() - self._looked > self._stall / LOOKS:
                await self._look()
                self._looked = time.monotonic()
            await asyncio.sleep(KEEP_SECONDS)

    def _check_course(self) -> None:
        since = self._progress.lost_since
        if since is not None and time.monotonic() - since > self._stall:
            raise Stalled(f"Redis is another one, and Kafka does not say where {self._service} stands")

    async def _look(self) -> None:
        consumer = self._progress.consumer()
        assignment = consumer.assignment()
        # after a long time without a check, Redis was away, or this process itself stood still
        late = time.monotonic() - self._looked > self._stall / 2
        moved = late or self._progress.taken != self._taken
        lags = "" if moved else await self._lags(consumer, assignment)
        if moved or (assignment and not lags):
            self._taken, self._moved = self._progress.taken, time.monotonic()
            return
        still = time.monotonic() - self._moved
        if still > self._stall:
            what = f"takes none of the messages before it ({lags})" if assignment else "has no partitions"
            raise Stalled(f"the consumer of {self._service} {what} for {still:.0f} seconds")

    async def _lags(self, consumer: Any, assignment: set[TopicPartition]) -> str:
        """Return a partition of which Kafka holds messages that this consumer has not taken up; empty without one."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                for partition, end in (await consumer.end_offsets(assignment)).items() if assignment else ():
                    if end > (at := await consumer.position(partition)):
                        return f"{partition.topic}, partition {partition.partition}: it stands at {at} of {end}"
        except (KafkaError, TimeoutError) as error:
            # without Kafka nothing is known, and a new process could not reach it either
            log.warning("no look at the consumer", service=self._service, why=type(error).__name__)
        return ""
