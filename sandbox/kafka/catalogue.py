"""The topics of this node, the cluster's id and the producers' ids."""

import re
import shutil
import uuid
from pathlib import Path

from sandbox.kafka.codes import Code, Refused
from sandbox.kafka.journal import Journal
from sandbox.kafka.log import PartitionLog

_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")  # Kafka's own rule; it also keeps names inside the directory
_MAX_PARTITIONS = 1024


class Catalogue:
    """Topics by name; each is a list of logs, one for each partition."""

    def __init__(self, directory: Path, default_partitions: int) -> None:
        self._directory = directory / "topics"
        self._default_partitions = default_partitions
        self._journal = Journal(directory / "catalogue.jsonl")
        self._topics: dict[str, list[PartitionLog]] = {}
        self._last_producer_id = 0
        self.cluster_id = ""
        partitions: dict[str, int] = {}
        for kind, *rest in self._journal.load():
            match kind, rest:
                case "cluster", [str(identity)]:
                    self.cluster_id = identity
                case "topic", [str(name), int(count)]:
                    partitions[name] = count
                case "deleted", [str(name)]:
                    partitions.pop(name, None)
                case "producer", [int(number)]:
                    self._last_producer_id = number
        if not self.cluster_id:
            self.cluster_id = uuid.uuid4().hex[:22]
            self._journal.append(["cluster", self.cluster_id])
        for name, count in partitions.items():
            self._topics[name] = self._open(name, count)

    def __contains__(self, name: str) -> bool:
        return name in self._topics

    def names(self) -> list[str]:
        return list(self._topics)

    def topic(self, name: str) -> list[PartitionLog]:
        """Returns a topic's logs. Raises Refused UNKNOWN_TOPIC_OR_PARTITION, or INVALID_TOPIC for an invalid name."""
        if name not in self._topics:
            _check_name(name)
            raise Refused(Code.UNKNOWN_TOPIC_OR_PARTITION)
        return self._topics[name]

    def partition(self, name: str, number: int) -> PartitionLog:
        """Finds it by name. Raises Refused UNKNOWN_TOPIC_OR_PARTITION."""
        logs = self._topics.get(name, [])
        if not 0 <= number < len(logs):
            raise Refused(Code.UNKNOWN_TOPIC_OR_PARTITION)
        return logs[number]

    def create(self, name: str, partitions: int = -1, replicas: int = -1, *, dry_run: bool = False) -> None:
        """Creates a topic; -1 stands for the default. Raises Refused with Kafka's code for a bad request."""
        _check_name(name)
        if name in self._topics:
            raise Refused(Code.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
        count = self._default_partitions if partitions == -1 else partitions
        if not 1 <= count <= _MAX_PARTITIONS:
            raise Refused(Code.INVALID_PARTITIONS, f"Partitions must be between 1 and {_MAX_PARTITIONS}.")
        if replicas not in (-1, 1):
            raise Refused(Code.INVALID_REPLICATION_FACTOR, "This node is alone: the replication factor is 1.")
        if dry_run:
            return
        # A directory that a crash left behind belongs to a topic that no longer exists.
        shutil.rmtree(self._directory / name, ignore_errors=True)
        self._journal.append(["topic", name, count])
        self._topics[name] = self._open(name, count)

    def delete(self, name: str) -> None:
        """Finds it by name. Raises Refused UNKNOWN_TOPIC_OR_PARTITION."""
        self.topic(name)
        self._journal.append(["deleted", name])
        del self._topics[name]
        shutil.rmtree(self._directory / name, ignore_errors=True)

    def next_producer_id(self) -> int:
        """Returns a new producer id, never the same twice, restarts included."""
        self._journal.append(["producer", self._last_producer_id + 1])
        self._last_producer_id += 1
        return self._last_producer_id

    def _open(self, name: str, count: int) -> list[PartitionLog]:
        directory = self._directory / name
        directory.mkdir(parents=True, exist_ok=True)
        return [PartitionLog(directory / f"{number}.log") for number in range(count)]


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name in (".", ".."):
        raise Refused(Code.INVALID_TOPIC, "A topic's name has 1 to 249 of the characters a-z A-Z 0-9 . _ -")
