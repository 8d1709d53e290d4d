"""The offsets that groups have committed."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sandbox.kafka.codes import Code, Refused
from sandbox.kafka.journal import Journal

_MAX_METADATA = 4096  # Kafka's offset.metadata.max.bytes
_SLACK = 20_000  # lines beyond the live ones before the journal is rewritten


class Committed(NamedTuple):
    offset: int
    metadata: str


NOTHING = Committed(-1, "")
"""Kafka's answer for a partition without a committed offset."""


class Offsets:
    """group → (topic, partition) → Committed, on disk before `commit` returns."""

    def __init__(self, directory: Path) -> None:
        self._journal = Journal(directory / "offsets.jsonl")
        self._groups: dict[str, dict[tuple[str, int], Committed]] = {}
        for entry in self._journal.load():
            group, topic, partition, offset, metadata = entry
            self._groups.setdefault(group, {})[topic, partition] = Committed(offset, metadata)
        self._compact(0)

    def groups(self) -> Iterable[str]:
        return self._groups.keys()

    def of(self, group: str) -> dict[tuple[str, int], Committed]:
        return self._groups.get(group, {})

    def commit(self, group: str, topic: str, partition: int, committed: Committed) -> None:
        """Raises Refused OFFSET_METADATA_TOO_LARGE."""
        if len(committed.metadata) > _MAX_METADATA:
            raise Refused(Code.OFFSET_METADATA_TOO_LARGE)
        self._journal.append([group, topic, partition, *committed])
        self._groups.setdefault(group, {})[topic, partition] = committed
        self._compact(_SLACK)

    def forget_topic(self, topic: str) -> None:
        """Drops a deleted topic's offsets, as Kafka does: a new topic of that name starts without any."""
        for committed in self._groups.values():
            for place in [place for place in committed if place[0] == topic]:
                del committed[place]
        self._compact(-1)

    def _compact(self, slack: int) -> None:
        live = sum(map(len, self._groups.values()))
        if self._journal.lines > live + slack:
            self._journal.replace(
                [group, topic, partition, *committed]
                for group, places in self._groups.items()
                for (topic, partition), committed in places.items()
            )
