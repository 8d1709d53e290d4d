"""The plan of harms and their times, which follows from the seed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from contracts.topics import SERVICES

LEASE = 2.0
"""Real seconds for which an executor holds a job; pauses are longer than this."""
WIRES = ("kafka", "redis", "aws")
GAPS = (0.1, 1.0, 2.0, 4.0, 6.0)
"""Real seconds between one harm and the next, give or take a half: bursts, and time to get on in between."""
SKEW = (-600, -180, 180, 600)
"""Seconds by which a clock is wrong."""


@dataclass(frozen=True, slots=True)
class Harm:
    """One harm. ``seconds`` are real: how long it lasts, or how old a copy is."""

    at: float
    """Real seconds after the start."""
    kind: str
    """Its name in the table; the first word is the function of ``harms.py`` that does it."""
    aimed_at: tuple[str, ...] = ()
    """Services, a wire, or the parameters of a fault rule of AWS."""
    seconds: float = 0.0
    amount: float = 0.0
    """The parameter of the kind: a share, a delay, a skew."""


Maker = Callable[[Random, float], Harm]


def _kill(random: Random, at: float) -> Harm:
    count = random.choice((1, 1, 1, 1, 2, 3, len(SERVICES)))
    return Harm(at, "kill services", tuple(random.sample(sorted(SERVICES), count)))


def _pause(random: Random, at: float) -> Harm:
    return Harm(at, "pause service", (random.choice(SERVICES),), random.uniform(1.3, 3.0) * LEASE)


def _server(kind: str) -> Maker:
    def make(random: Random, at: float) -> Harm:
        return Harm(at, kind, (random.choice(("kafka", "redis")),), random.uniform(0.2, 3.0))

    return make


def _redis(kind: str, least: float, most: float) -> Maker:
    def make(random: Random, at: float) -> Harm:
        return Harm(at, kind, ("redis",), random.uniform(least, most))

    return make


def _wire(kind: str, delay: float = 0.0) -> Maker:
    def make(random: Random, at: float) -> Harm:
        return Harm(at, kind, (random.choice(WIRES),), random.uniform(1.0, 4.0), random.uniform(0, delay))

    return make


def _aws(kind: str) -> Maker:
    """Return a maker of harm to all of AWS or one of its services, for all or a share of the calls."""

    def make(random: Random, at: float) -> Harm:
        service = random.choice(("", "ecs", "ecs", "s3", "monitoring", "elasticloadbalancing", "ecr"))
        share = random.choice((0.3, 0.6, 1.0))
        return Harm(at, f"aws {kind}", (service, ""), random.uniform(1.0, 5.0), share)

    return make


def _call(kind: str, operation: str, most: int) -> Maker:
    """Return a maker of harm to the next calls of one operation of ECS, where it hurts most."""

    def make(random: Random, at: float) -> Harm:
        return Harm(at, f"aws {kind}", ("ecs", operation), random.uniform(2.0, 6.0), random.randint(1, most))

    return make


def _named(kind: str) -> Maker:
    def make(random: Random, at: float) -> Harm:
        return Harm(at, kind, (random.choice(SERVICES),), random.uniform(0.2, 1.5), random.choice(SKEW))

    return make


MAKERS: tuple[tuple[int, Maker], ...] = (
    (10, _kill),
    (6, _pause),
    (4, _server("restart server")),
    (3, _server("pause server")),
    (2, _redis("full redis", 0.5, 3.0)),
    (2, _redis("readonly redis", 0.5, 3.0)),
    (1, _redis("restore redis from an older copy", 1.0, 4.0)),
    (3, _wire("hold connections half-open")),
    (2, _wire("slow connections", 0.05)),
    (2, _wire("reset connections")),
    *((1, _aws(kind)) for kind in ("throttle", "deny", "expire", "error-before", "slow", "reset", "stale")),
    (1, _aws("error-after")),
    *(
        (2, _call(kind, "UpdateService", 4))
        for kind in ("error-after", "reset-after", "slow", "slow-after", "throttle")
    ),
    *((1, _call(kind, "RunTask", 2)) for kind in ("error-after", "reset-after", "slow-after")),
    (2, _named("s3 down at a rollback")),
    (1, _named("role gone at a rollback")),
    (1, _named("image deleted at a rollback")),
    (3, _named("person updates a service")),
    (1, _named("clock wrong")),
    (1, _named("upgrade services one by one")),
    (1, _named("forget the inbox and read from the earliest offset")),
    (3, _named("bad messages")),
    (3, _named("forged messages")),
    (1, _named("another surefoot deploys")),
)


def harms(seed: int) -> Iterator[Harm]:
    """Yield harm without end, in the order of time."""
    random = Random(seed)
    weights = [weight for weight, _ in MAKERS]
    at = 1.0
    while True:
        at += random.choice(GAPS) * random.uniform(0.5, 1.5)
        (_, make), *_ = random.choices(MAKERS, weights)
        yield make(random, at)
