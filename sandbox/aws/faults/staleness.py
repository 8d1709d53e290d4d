"""ECS follows an eventual consistency model: what was just changed may not be seen by the next read.

Source: ECS API reference, the notes on eventual consistency of RunTask and CreateService. How often and for how long is
not documented; the two figures here are ours.
"""

from collections import OrderedDict, deque
from random import Random
from typing import Any

import orjson

from sandbox.aws.call_log import changes

SECONDS = 1.0
"""Seconds after a change for which a read may miss it."""
SHARE = 0.25
"""Share of the reads in that time that miss the change."""
RECENT_SECONDS = 10.0
"""Age in seconds up to which an answer shows the state right before a change."""
_QUESTIONS = 500


class Staleness:
    """Keeps the latest answers, and gives one again where a read is stale. Use it under a lock."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._changes: deque[float] = deque()
        """When each change of the last ``RECENT_SECONDS`` was made."""
        self._forgotten = 0
        """How many changes were made before those."""
        self._known: OrderedDict[bytes, tuple[int, float, bytes]] = OrderedDict()
        """Request → number of changes that the answer includes, time of the answer, and the answer."""

    def seen(self, operation: str, request: dict[str, Any], answer: bytes, now: float) -> bytes:
        """Return the answer that the caller sees: ``answer``, which is true ``now``, or an earlier one."""
        while self._changes and self._changes[0] < now - RECENT_SECONDS:
            self._changes.popleft()
            self._forgotten += 1
        if changes(operation):
            self._changes.append(now)
            return answer
        question = orjson.dumps([operation, request], option=orjson.OPT_SORT_KEYS)
        before = self._known.get(question)
        if before is not None and self._lags(*before[:2], now) and self._random.random() < SHARE:
            return before[2]
        self._known[question] = self._forgotten + len(self._changes), now, answer
        self._known.move_to_end(question)
        if len(self._known) > _QUESTIONS:
            self._known.popitem(last=False)
        return answer

    def _lags(self, known: int, at: float, now: float) -> bool:
        """Return whether an answer is recent, and all changes that it misses were made within ``SECONDS``."""
        unknown = list(self._changes)[max(0, known - self._forgotten) :]
        return bool(unknown) and now - unknown[0] < SECONDS and now - at < RECENT_SECONDS and known >= self._forgotten
