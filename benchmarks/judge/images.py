"""The images that are deployed: what each does, and the numbers that the rule takes from it."""

from dataclasses import dataclass
from math import inf
from typing import Any

from benchmarks.judge.facts import Stage, Version
from sandbox.scenarios.behaviour import Behaviour

AWAY_AT, BACK_AT = 150, 450
"""Seconds after the request between which the database is away."""


@dataclass(frozen=True, slots=True)
class Image:
    behaviour: Behaviour
    happenings: tuple[dict[str, Any], ...] = ()
    """Incidents that befall the version before alike, so that they are not the image's."""


IMAGES: dict[str, Image] = {
    "healthy": Image(Behaviour()),
    "slow-start": Image(Behaviour(start_seconds=60)),
    "crash-at-start": Image(Behaviour(crash_after=5, exit_code=1, log="ModuleNotFoundError: No module named 'app'")),
    "crash-later": Image(Behaviour(crash_after=300, exit_code=1, log="RuntimeError: event loop is closed")),
    "errors-2": Image(Behaviour(error_rate=0.02)),
    "errors-12": Image(Behaviour(error_rate=0.12)),
    "errors-50": Image(Behaviour(error_rate=0.5)),
    "slow": Image(Behaviour(latency=6)),
    "slower": Image(Behaviour(latency=0.3)),
    "decline": Image(Behaviour.model_validate({"later": {"after": 360, "latency": 1.5, "error_rate": 0.15}})),
    "memory-leak": Image(Behaviour(memory_growth=4, exit_code=137)),
    "wrong-architecture": Image(Behaviour(architecture="arm64")),
    "health-check-fails": Image(Behaviour(passes_health_check=False)),
    "users-only": Image(Behaviour(users_error_rate=0.3)),
    "dependency-away": Image(Behaviour(), ({"at": AWAY_AT, "database": "away"}, {"at": BACK_AT, "database": "back"})),
}
RUNNING = {"healthy": Behaviour(), "ill": Behaviour(error_rate=0.3)}
"""The version before."""


def version_of(behaviour: Behaviour, architecture: str = "amd64") -> Version:
    """Return the numbers of a version on tasks that run on ``architecture``."""
    stages = [_stage(behaviour, 0.0)]
    if behaviour.later is not None:
        stages.append(_stage(behaviour.changed(behaviour.later), behaviour.later.after))
    full = (100 - behaviour.memory) / behaviour.memory_growth * 60 if behaviour.memory_growth else inf
    return Version(
        tuple(stages),
        shown_to_tests=behaviour.users_error_rate is None,
        ready=behaviour.start_seconds,
        passes_health_check=behaviour.passes_health_check,
        fits=behaviour.architecture == architecture,
        ends=min(full, inf if behaviour.crash_after is None else behaviour.crash_after),
        memory=behaviour.memory,
        memory_growth=behaviour.memory_growth,
    )


def _stage(behaviour: Behaviour, after: float) -> Stage:
    users = behaviour.users_error_rate
    return Stage(after, behaviour.error_rate if users is None else users, behaviour.latency, behaviour.latency_spread)
