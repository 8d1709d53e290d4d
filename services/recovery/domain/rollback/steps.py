"""The five steps of a rollback by hand (docs/requirements.md, Rollbacks), and how far one has come."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Literal

from contracts.base import Contract
from contracts.prose import Prose
from services.recovery.domain.protection import RollingBack


class Reached(IntEnum):
    """The step at which a rollback is, by its number."""

    EXECUTE = 3
    MONITOR = 4
    VALIDATE = 5


_NAMES = (
    "Identify the snapshot",
    "Validate that it is safe",
    "Execute the rollback",
    "Monitor its progress",
    "Validate the service's health",
)


class Step(Contract):
    number: int
    name: Prose
    state: Literal["done", "running", "waiting", "failed"]
    sentence: Prose = ""
    """What was found or done; empty for a step that has not begun."""


def steps_of(
    rollback: RollingBack, reached: Reached, sentence: str = "", end: Literal["done", "failed"] | None = None
) -> tuple[Step, ...]:
    """Return the steps of a rollback that is at ``reached``, about which ``sentence`` tells.

    ``end``: how it has ended there; None while it is under way. What an alert or a run begins has no steps: nobody has
    to follow it.
    """
    return tuple(_steps(rollback, reached, sentence, end)) if rollback.by_a_person else ()


def _steps(
    rollback: RollingBack, reached: Reached, sentence: str, end: Literal["done", "failed"] | None
) -> Iterator[Step]:
    known = {1: f"{rollback.snapshot_id}, {rollback.trigger}", 2: rollback.safety}
    for number, name in enumerate(_NAMES, 1):
        if number < reached:
            yield Step(number=number, name=name, state="done", sentence=known.get(number, ""))
        elif number == reached:
            yield Step(number=number, name=name, state=end or "running", sentence=sentence)
        else:
            yield Step(number=number, name=name, state="waiting")
