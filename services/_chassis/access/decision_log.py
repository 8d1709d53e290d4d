"""Writes decisions to the log: what changes something, and what is refused, of a flood no more than its size."""

import time
from collections.abc import Callable

import structlog

from services._chassis.access.caller import Decision

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
MOST_REFUSALS = 60
"""Lines, and records of the audit, about refusals in a minute; the others are counted."""
MINUTE = 60.0

log = structlog.get_logger()


class DecisionLog:
    """The log of one process."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = elapsed
        self._begun_at = elapsed()
        self._refusals = 0

    def __call__(self, decision: Decision) -> None:
        if decision.allowed:
            if decision.act.partition(" ")[0] not in SAFE:
                log.info("allowed", **_facts(decision))
        elif self._has_room():
            log.warning("refused", why=decision.why, **_facts(decision))

    def _has_room(self) -> bool:
        if self._elapsed() - self._begun_at >= MINUTE:
            if self._refusals > MOST_REFUSALS:
                log.warning("more was refused than was logged", refused=self._refusals, logged=MOST_REFUSALS)
            self._begun_at, self._refusals = self._elapsed(), 0
        self._refusals += 1
        return self._refusals <= MOST_REFUSALS


def _facts(decision: Decision) -> dict[str, str]:
    caller = decision.caller.name if decision.caller else "nobody"
    target = {"target": str(decision.target)} if decision.target else {}
    return {"caller": caller, "act": decision.act, "from_address": decision.address, **target}
