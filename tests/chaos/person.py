"""A person who asks recovery over HTTP for one thing after another, on a service to which nothing is deployed."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx2

from contracts.base import Target
from contracts.drills import DrillFinished, DrillStarted
from contracts.migration import MigrationFinished, MigrationStarted
from contracts.recreation import RecreationFinished, RecreationStarted
from contracts.scaling import ScalingFinished, ScalingStarted
from services.recovery.domain.drill.drill_plan import OVERRIDABLE
from tests.chaos.observer import Seen
from tests.chaos.verbs import DRILL_ROLLBACK, DRILL_SCALING, MIGRATE, SCALE, exercised, never

ANSWER_SECONDS = 3.0
"""Real seconds for which the person waits for an answer, and then asks for the same once more."""
AGAIN_SECONDS = 0.5
PATIENCE_SECONDS = 12.0
"""Real seconds after which the person asks for something else."""
LEFT_ALONE = 0.6
"""The share of drills that the person lets end before asking for what would go first."""
LAST_SECONDS = 120.0
"""Real seconds for which what was never done is asked for once there is no harm any more."""
STANDS = {"emergency-scale": "scaling", "drill": "drill", "migrations": "migration", "recreate": "recreation"}
"""Route → what it shows that stands."""
Verb = str


@dataclass(frozen=True, slots=True)
class Api:
    """Recovery's routes for one service."""

    url: str
    target: Target

    def post(self, path: str, body: Mapping[str, Any], key: str = "", then: str = "") -> httpx2.Response | None:
        """Return the answer; None where none came, so that what was asked for may have begun."""
        url = f"{self.url}/api/v1/disaster-recovery/{path}/{self.target.cluster}/{self.target.service}{then}"
        headers = {"Idempotency-Key": key} if key else {}
        try:
            return httpx2.post(url, json={"actor": "chaos", **body}, headers=headers, timeout=ANSWER_SECONDS)
        except httpx2.HTTPError:
            return None

    def shown(self, path: str) -> Any:
        """Return what a route shows. Raise ``httpx2.HTTPError``."""
        url = f"{self.url}/api/v1/disaster-recovery/{path}/{self.target.cluster}/{self.target.service}"
        return httpx2.get(url, timeout=ANSWER_SECONDS).raise_for_status().json()

    def standing(self) -> tuple[str, ...]:
        """Return what recovery says that stands on the service: nothing once all has ended."""
        return tuple(what for path, what in STANDS.items() if self.shown(path)[what] is not None)


@dataclass(frozen=True, slots=True)
class Wish:
    path: str
    body: Mapping[str, Any]


_BY_NAME = [{"gate": gate, "reason": "chaos"} for gate in OVERRIDABLE]
WISHES: dict[Verb, Wish] = {
    DRILL_ROLLBACK: Wish("drill", {"plan": "rollback", "overrides": _BY_NAME}),
    SCALE: Wish("emergency-scale", {"target_count": 5, "minutes": 2.0, "reason": "more users come"}),
    DRILL_SCALING: Wish("drill", {"plan": "scaling", "overrides": _BY_NAME}),
    MIGRATE: Wish("migrate", {"compatible": True, "reason": "a new table"}),
}


def under_way(seen: Seen, target: Target) -> set[str]:
    """Return the ids of what has begun on a service, and of which no end was seen."""
    pairs: Sequence[tuple[Any, Any, str]] = (
        (ScalingStarted, ScalingFinished, "scaling_id"),
        (DrillStarted, DrillFinished, "drill_id"),
        (MigrationStarted, MigrationFinished, "migration_id"),
        (RecreationStarted, RecreationFinished, "recreation_id"),
    )
    found: set[str] = set()
    for begun, over, name in pairs:
        ended = {getattr(event, name) for event in seen.of(over)}
        found |= {getattr(event, name) for event in seen.of(begun) if event.target == target} - ended
    return found


def drilled(seen: Seen, target: Target) -> bool:
    """Return whether a drill is under way on a service."""
    ended = {event.drill_id for event in seen.of(DrillFinished)}
    return any(event.target == target and event.drill_id not in ended for event in seen.of(DrillStarted))


@dataclass
class Person:
    """Asks in a thread of its own, since an answer may be long in coming."""

    api: Api
    seen: Seen
    seed: int
    _last: threading.Event = field(default_factory=threading.Event)
    """Set once nothing is asked for any more but what was never done."""

    def __post_init__(self) -> None:
        self._random = Random(f"person {self.seed}")
        self._thread = threading.Thread(target=self._live, name="person", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """Ask for nothing more but what was never done."""
        self._last.set()

    @property
    def busy(self) -> bool:
        """Return whether something is asked for, or has begun and has not ended."""
        return self._thread.is_alive() or bool(under_way(self.seen, self.api.target))

    def _live(self) -> None:
        for number, verb in enumerate(self._wishes()):
            if self._ask(f"{verb}-{number}", WISHES[verb]) and self._random.random() < LEFT_ALONE:
                self._wait(PATIENCE_SECONDS)

    def _wishes(self) -> Iterator[Verb]:
        """Yield what is asked for next. What replaces tasks comes first: a deployment is too young for it later."""
        yield DRILL_ROLLBACK
        others = [verb for verb in WISHES if verb != DRILL_ROLLBACK]
        while not self._last.is_set():
            yield from self._random.sample(others, len(others))
        until = time.monotonic() + LAST_SECONDS
        while time.monotonic() < until and (missing := never(exercised([], self.seen), others)):
            yield from missing

    def _ask(self, key: str, wish: Wish) -> bool:
        """Ask until it is accepted; return whether it was."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            answer = self.api.post(wish.path, wish.body, key)
            if answer is not None and answer.status_code == httpx2.codes.ACCEPTED:
                return True
            time.sleep(AGAIN_SECONDS)
        return False

    def _wait(self, seconds: float) -> None:
        """Wait until what was asked for has ended, as far as it has begun."""
        until = time.monotonic() + seconds
        time.sleep(2 * AGAIN_SECONDS)
        while under_way(self.seen, self.api.target) and time.monotonic() < until:
            time.sleep(AGAIN_SECONDS)
