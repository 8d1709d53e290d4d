"""The readiness of a process: what it still waits for and what it works without, as ``/readyz`` shows it."""

import time
from collections.abc import Callable
from math import inf
from typing import Any

import structlog

from contracts.prose import prose
from contracts.state import NewerState

NEWER_STATE_SECONDS = 60.0
"""Real seconds for which meeting the state of a newer version counts as degraded; each meeting renews it."""
NEWER_STATE_LONGEST = 900.0
"""Real seconds for which a message or a job waits for a replica of a newer version. A rolling upgrade takes minutes;
one that was taken back never ends."""

FULL = "Redis is full: nothing new is begun. What is under way goes on, and rollbacks are made; give it more memory."
POLICY_FAULT = "The policy was not taken over; why is told to who may look at the installation."
"""In place of the fault, which may quote what the policy says of others' services."""
FULL_SECONDS = 5.0
"""Real seconds after which what begins something new is tried again."""

log = structlog.get_logger()


def without_fault(policy: dict[str, Any]) -> dict[str, Any]:
    """Return the state of the policy for who may not look at the whole installation."""
    return {**policy, "fault": POLICY_FAULT if policy.get("fault") else None}


class Readiness:
    """The readiness of one process. ``missing`` makes it unready (503); what is degraded is only reported (200)."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.missing: dict[str, str] = {"services": "starting"}
        """Name of what is missing → why it is missing."""
        self.facts: dict[str, Callable[[], Any]] = {}
        """Name → a function that returns what else ``/readyz`` reports of this process."""
        self._now = now
        self._degraded: dict[str, tuple[str, float]] = {}

    def degrade(self, key: str, sentence: str, seconds: float = inf) -> None:
        """Report ``sentence`` until ``clear(key)``, or for so many real seconds; a later sentence replaces it."""
        self._degraded[key] = (prose(sentence), self._now() + seconds)

    def report(self, key: str, fault: str) -> None:
        """Report a fault, a sentence without its full stop and capital, as degraded; an empty one clears it."""
        if fault:
            self.degrade(key, f"{fault[:1].upper()}{fault[1:]}.")
        else:
            self.clear(key)

    def clear(self, key: str) -> None:
        self._degraded.pop(key, None)

    @property
    def degraded(self) -> list[str]:
        """Return the sentences that hold now, in the order of their keys."""
        return self.degraded_for(whole=True)

    def degraded_for(self, *, whole: bool) -> list[str]:
        """Return ``degraded``, without the policy's faults where the reader may not look at the ``whole``."""
        now = self._now()
        self._degraded = {key: entry for key, entry in self._degraded.items() if entry[1] > now}
        shown = (
            self._degraded
            if whole or "policy" not in self._degraded
            else {**self._degraded, "policy": (POLICY_FAULT, inf)}
        )
        return [sentence for _, (sentence, _) in sorted(shown.items())]

    def newer_state(self, service: str, what: str, error: NewerState) -> None:
        """Report that ``what`` waits for a replica of a newer version, in the log and as degraded."""
        log.warning("state of a newer version; it is left as it is", service=service, waits=what, why=str(error))
        sentence = f"{service}: state of a newer version ({error}); {what} waits for a newer replica."
        self.degrade(f"newer-state:{service}:{what}", sentence, NEWER_STATE_SECONDS)
