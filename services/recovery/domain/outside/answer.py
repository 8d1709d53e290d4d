"""Whether recovery acts, with the reason: the form of every decision."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Why(StrEnum):
    """The branches of the decisions about rollbacks."""

    ALERT = "alert"
    """A critical alert that a version is to blame for."""
    COMMAND = "command"
    """A run's gate has failed, or somebody has aborted the run."""
    PERSON = "person"
    """A person asked for it over the API."""
    # nothing is begun, and nothing has to be done
    OVER = "over"
    DEPENDENCY = "dependency"
    UNDER_WAY = "under-way"
    DRILL = "drill"
    ARMED = "armed"
    NOT_ARMED = "not-armed"
    STOOD_DOWN = "stood-down"
    NOT_ATTRIBUTED = "not-attributed"
    VERSION_BEFORE = "version-before"
    ALREADY_THERE = "already-there"
    UNCHANGED = "unchanged"
    MOVED = "moved"
    ECS = "ecs"
    GONE = "gone"
    # nothing is begun, and people are called
    SWITCHED_OFF = "switched-off"
    NO_TRIGGER = "no-trigger"
    NOT_GOVERNED = "not-governed"
    NO_EVIDENCE = "no-evidence"
    UNSUPPORTED = "unsupported"
    ONCE = "once"
    BROUGHT_BACK = "brought-back"
    NOT_ASKED_FOR = "not-asked-for"
    TOO_OLD = "too-old"
    WAS_LIVE_BEFORE = "was-live-before"
    TROUBLED_BEFORE = "troubled-before"
    NO_WAY_BACK = "no-way-back"
    UNSEEN = "unseen"
    NO_ROOM = "no-room"
    COMMON_CAUSE = "common-cause"
    DOUBTED = "doubted"
    NOT_MENDED = "not-mended"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is decided."""

    decision: Literal["acted", "declined", "people-called"]
    why: StrEnum
    """One of ``Why``, or of ``WhyScale`` (``scaling.py``)."""
    sentence: str


def acted(why: Why, sentence: str) -> Answer:
    return Answer("acted", why, sentence)


def declined(why: Why, because: str) -> Answer:
    """Return that nothing is begun; ``because`` is a clause without a full stop."""
    return Answer("declined", why, _not_rolled_back(because))


def call_people(why: Why, because: str) -> Answer:
    """Return that nothing is begun and that only people can help; ``because`` is a clause without a full stop."""
    return Answer("people-called", why, _not_rolled_back(because))


def _not_rolled_back(because: str) -> str:
    return f"Did not roll back, because {because.rstrip('.')}."
