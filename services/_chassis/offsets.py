"""The offsets up to which a service has handled each partition: in Redis, beside the state that they belong to."""

from collections.abc import Iterable, Mapping
from math import ceil
from typing import NamedTuple

from aiokafka import TopicPartition

from services._chassis.store import RedisStore

CATCHING_UP_SECONDS = 3
"""Real seconds for which one replica's announcement that it is catching up holds for all; it is renewed each second."""

_RUN = """#!lua flags=allow-oom
local run = string.match(redis.call("INFO", "server"), "run_id:(%w+)")
"""
_KNOWN = f"""{_RUN}
for i = 1, #ARGV, 2 do
  if redis.call("HSETNX", KEYS[1], ARGV[i], ARGV[i + 1]) == 1 then
    redis.call("HSET", KEYS[1], "run:" .. ARGV[i], run)
  end
end
local known = {{run}}
for i = 1, #ARGV, 2 do
  known[#known + 1] = redis.call("HGET", KEYS[1], ARGV[i])
  known[#known + 1] = redis.call("HGET", KEYS[1], "run:" .. ARGV[i]) or ""
end
return known
"""
_KEEP = f"""{_RUN}
if run ~= ARGV[1] then return "another run" end
for i = 2, #ARGV, 2 do redis.call("HSET", KEYS[1], ARGV[i], ARGV[i + 1]) end
return "kept"
"""


class Standing(NamedTuple):
    """Where Redis stands."""

    run_id: str
    """Redis's own ``run_id``: another one means that it was started anew, perhaps from an older copy."""
    offsets: dict[TopicPartition, int]
    """Per partition, the offset up to which it is handled."""
    restored: set[TopicPartition]
    """The partitions that nobody has read since Redis was started anew up to where Kafka stood then."""


class Offsets:
    """One service's offsets.

    An offset is written after what it covers, and only into the same run of Redis (``run_id``) that has acknowledged
    it: so no Redis, original or copy, claims more than it holds. It may claim a second less; what is read again then
    is dropped by the inbox. Every partition has an offset from its first assignment on.
    """

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._script_known = store.redis.register_script(_KNOWN)
        self._script_keep = store.redis.register_script(_KEEP)
        self._key = store.key("positions")
        self._handled: dict[TopicPartition, int] = {}
        self._kept: dict[TopicPartition, int] = {}
        self._reached: dict[TopicPartition, int] = {}
        """Partition → the offset that reading had reached when it went back."""

    def note(self, partition: TopicPartition, offset: int) -> None:
        """Note that everything before ``offset`` is handled."""
        self._handled[partition] = offset

    def to_commit(self) -> dict[TopicPartition, int]:
        """Return the offset behind the last handled message of each partition.

        While messages are read again, the further offset stays committed: a successor then sees what has to be read
        again.
        """
        return {
            partition: offset
            for partition, offset in self._handled.items()
            if offset >= self._reached.get(partition, 0)
        }

    def forget(self, partitions: set[TopicPartition]) -> None:
        """Drop the offsets of partitions that another replica reads now."""
        for noted in (self._handled, self._kept, self._reached):
            for partition in partitions:
                noted.pop(partition, None)

    def go_back(self, reached: Mapping[TopicPartition, int]) -> None:
        """Drop the handled offsets: reading begins anew, in these partitions before the offsets already ``reached``."""
        for partition, offset in reached.items():
            self._reached[partition] = max(offset, self._reached.get(partition, 0))
        self._handled.clear()
        self._kept.clear()

    def new(self) -> dict[TopicPartition, int]:
        """Return the handled offsets that are not yet written."""
        return {partition: offset for partition, offset in self._handled.items() if self._kept.get(partition) != offset}

    async def write(
        self, new: Mapping[TopicPartition, int], redis_run_id: str, complete: Iterable[TopicPartition] = ()
    ) -> bool:
        """Write the offsets into Redis; return False, and write nothing, where Redis has another ``run_id``.

        ``complete`` are the partitions that were ``restored`` and have been read since up to where Kafka stood.
        """
        places = [part for partition, offset in new.items() for part in (field_of(partition), offset)]
        runs = [part for partition in complete for part in (f"run:{field_of(partition)}", redis_run_id)]
        return bool(await self._script_keep(keys=[self._key], args=[redis_run_id, *places, *runs]) == b"kept")

    def written(self, new: Mapping[TopicPartition, int]) -> None:
        self._kept |= new

    async def known(self, read: Mapping[TopicPartition, int | None]) -> Standing:
        """Return where Redis stands: per partition at the lower of the offset ``read`` (None: never) and its own."""
        places = [part for partition, offset in read.items() for part in (field_of(partition), offset or 0)]
        run_id, *known = await self._script_known(keys=[self._key], args=places)
        stands = dict(zip(read, zip(known[::2], known[1::2], strict=True), strict=True))
        return Standing(
            run_id.decode(),
            {partition: min(int(offset), read[partition] or 0) for partition, (offset, _) in stands.items()},
            {partition for partition, (_, run) in stands.items() if run != run_id},
        )

    async def announce_catching_up(self, longer: float = 0) -> None:
        """Keep the timers of all replicas from firing for a while; a longer time that was announced before stays."""
        write, key = self._store.write_although_full, self._store.key("behind")
        seconds = CATCHING_UP_SECONDS + ceil(longer)
        if not await write("SET", key, 1, "EX", seconds, "NX"):
            await write("EXPIRE", key, seconds, "GT")


def field_of(partition: TopicPartition) -> str:
    return f"{partition.topic}/{partition.partition}"
