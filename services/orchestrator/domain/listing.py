"""How runs are found again: by service, outcome and actor, in the order in which they were asked for.

Each run is a line in one index for each combination of filters that it meets, so that a list costs what it shows,
however few of all runs meet the filters.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Self
from urllib.parse import quote

from contracts.base import Contract, Target
from contracts.deployment import Cause, Change, Outcome, Phase, Rollback
from contracts.policy_section import Digest
from contracts.prose import Plain, Prose
from services.orchestrator.domain.condition import Condition
from services.orchestrator.domain.version_hold import HoldView
from services.orchestrator.domain.view import RunView

SHORTEST_PREFIX = 4
"""Characters of a run's id by which it may be named."""
SERVICES = "services"
"""The index of all targets that were ever acted on or spoken of."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of runs is restricted to; None is no restriction."""

    service: Target | None = None
    outcome: Outcome | None = None
    actor: str | None = None

    @property
    def index(self) -> str:
        """The name of the index that holds exactly the runs that meet these."""
        given = {"service": self.service, "outcome": self.outcome, "actor": self.actor}
        return _index({name: str(value) for name, value in given.items() if value is not None})


class RunLine(Contract):
    """A run in a list; ``status`` of the run has its phases and gates."""

    run_id: str
    target: Target
    status: str
    phase: Phase | None = None
    outcome: Outcome | None = None
    cause: Cause | None = None
    reason: Prose = ""
    actor: Plain
    change: Change
    image: str | None = None
    rollback: Rollback | None = None
    asked_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    seconds: float | None = None
    policy_digest: Digest = ""
    held: Prose = ""
    """Why its next phase does not begin, and until when; empty where nothing holds it."""

    def at(self, now: datetime) -> Self:
        """Return the line as of now: a run that goes on has taken longer than when its line was recorded."""
        if self.started_at is None or self.finished_at is not None:
            return self
        return self.model_copy(update={"seconds": (now - self.started_at).total_seconds()})


class ServiceLine(Contract):
    """A service in the overview."""

    target: Target
    listed: bool
    """Whether the policy lists it; others have the policy's defaults, or are refused."""
    active_run: RunLine | None = None
    last_run: RunLine | None = None
    """The last that has ended."""
    queued: int = 0
    """Runs that wait for the active one."""
    condition: Condition = Condition()
    version_holds: tuple[HoldView, ...] = ()
    """What is held after rollbacks, the newest first."""
    problem: Prose = ""
    """Why nothing more is shown of it, as a sentence; empty where all is."""


def indexes_of(view: RunView) -> Iterator[str]:
    """Return the names of the indexes in which a run has a line."""
    facts = {"service": str(view.target), "actor": view.actor}
    if view.outcome is not None:
        facts["outcome"] = str(view.outcome)
    for count in range(len(facts) + 1):
        for names in combinations(facts, count):
            yield _index({name: facts[name] for name in names})
    yield index_of_prefix(view.run_id)


def index_of_prefix(run_id: str) -> str:
    """Return the index of the runs whose ids begin as this one does."""
    return f"ids:{run_id[:SHORTEST_PREFIX]}"


def _index(facts: dict[str, str]) -> str:
    return "runs" + "".join(f"|{name}={quote(facts[name], safe='')}" for name in sorted(facts))
