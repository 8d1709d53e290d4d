"""ECS follows an eventual consistency model: what was just changed may not be seen by the next read.

Source: ECS API reference, the notes on eventual consistency of RunTask and CreateService. How often and for how long is
not documented; the two figures here are ours.
"""

from collections import OrderedDict
from random import Random
from typing import Any

import orjson

from sandbox.aws.calls import changes

SECONDS = 1.0
"""How long after a change a read may not know of it."""
SHARE = 0.25
"""Of the reads in that time that do not."""
RECENT_SECONDS = 30.0
"""An answer that is older than this would tell of another state than the one before the change."""
_QUESTIONS = 500


class Lag:
    """Remembers the latest answers, and gives one again where a read lags behind. Use it under a lock."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._changes = 0
        self._changed = 0.0
        self._known: OrderedDict[bytes, tuple[int, float, bytes]] = OrderedDict()
        """By question: how many changes the answer knows of, when it was given, and the answer."""

    def seen(self, operation: str, request: dict[str, Any], answer: bytes, now: float) -> bytes:
        """What the caller sees of the answer that is true ``now``."""
        if changes(operation):
            self._changes, self._changed = self._changes + 1, now
            return answer
        question = orjson.dumps([operation, request], option=orjson.OPT_SORT_KEYS)
        known, at, before = self._known.get(question, (self._changes, now, answer))
        lags = known < self._changes and now - self._changed < SECONDS and now - at < RECENT_SECONDS
        if lags and self._random.random() < SHARE:
            return before
        self._known[question] = self._changes, now, answer
        self._known.move_to_end(question)
        if len(self._known) > _QUESTIONS:
            self._known.popitem(last=False)
        return answer
