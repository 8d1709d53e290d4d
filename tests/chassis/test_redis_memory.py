"""That Redis will be full is reported hours before it is."""

from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisAway

from services._chassis.readiness import Readiness
from services._chassis.redis_memory import LEAST, Look, RedisMemory, fault_of

MIB = 2**20
HOUR = 3600.0


def looks(*used: float, most: int = 1000, every: float = HOUR / 60) -> list[Look]:
    """Return looks at so many MiB."""
    return [Look(number * every, round(each * MIB), most * MIB) for number, each in enumerate(used)]


def growing(begin: float, by: float, count: int = 61) -> list[Look]:
    """Return looks of an hour in which ``by`` MiB are added to ``begin``."""
    return looks(*(begin + by * number / (count - 1) for number in range(count)))


def test_what_will_be_full_within_a_day_is_told_with_its_hours() -> None:
    assert fault_of(growing(100, 75)) == (
        "Redis has used 18% of its memory (175 of 1000 MiB), and at the pace of the last hours it is full in 11 hours. "
        "Give it more memory (maxmemory), or let less be kept: docs/operations.md says what takes how much"
    )


@pytest.mark.parametrize(
    "quiet",
    [
        [],
        growing(100, 30),
        growing(500, 0),
        growing(500, -100),
        growing(10, 300, count=LEAST - 1),
        looks(5000, most=0),
    ],
    ids=["nothing known", "slow", "still", "shrinking", "too few looks", "no limit"],
)
def test_what_is_far_from_full_is_not_told(quiet: list[Look]) -> None:
    assert fault_of(quiet) == ""


def test_a_memory_that_is_nearly_used_is_told_however_it_grows() -> None:
    assert fault_of(looks(800, 800)).startswith("Redis has used 80% of its memory (800 of 1000 MiB). Give")
    assert fault_of(looks(799, 799)) == ""


class Told:
    """A Redis with one answer to INFO."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def info(self, section: str) -> Any:
        assert section == "memory"
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_readiness_says_it_as_long_as_it_is_so() -> None:
    readiness = Readiness()
    redis = Told({"used_memory": 900, "maxmemory": 1000})
    memory = RedisMemory(redis, readiness)
    await memory.look()
    assert readiness.degraded[0].startswith("Redis has used 90%")
    for silent in (RedisAway(), {"used_memory": 5}, {}, {"node-1": {"used_memory": 5}}):
        redis.answer = silent
        await memory.look()
    redis.answer = {"used_memory": 100, "maxmemory": 1000}
    await memory.look()
    assert readiness.degraded == []
