"""The state of an emergency scaling: who asked for what, what was there, and what of it is set and restored."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Literal, Self

from contracts.base import Contract
from contracts.deployment import Override
from contracts.prose import Plain, Prose
from contracts.recovery import AlertTrigger, ManualTrigger, Trigger
from contracts.scaling import Counts
from contracts.topics import Party
from services.recovery.domain.outside.answer import Answer

MOST_PAST_SCALINGS = 20
"""How many ended scalings of a target are kept: enough for a day of automatic ones, and for repeated requests."""
MOST_NOTES = 10
"""How many sentences about what others have changed are kept of one scaling."""


class WhyScale(StrEnum):
    """The branches of the decisions about scalings."""

    PERSON = "person"
    """A person asked for it over the API."""
    ALERT = "alert"
    """Resources are exhausted, and users notice."""
    # nothing is begun
    OVER = "over"
    DEPENDENCY = "dependency"
    UNDER_WAY = "under-way"
    ARMED = "armed"
    GONE = "gone"
    DAEMON = "daemon"
    ZERO = "zero"
    AT_MOST = "at-most"
    DEPLOYING = "deploying"
    DATABASE = "database"
    PLACEMENT = "placement"
    ADDRESSES = "addresses"
    UNSEEN = "unseen"
    NOT_GOVERNED = "not-governed"
    NOT_EXHAUSTED = "not-exhausted"
    AUTOSCALER = "autoscaler"
    """An autoscaler, a person or ECS adds tasks already; people are called where that takes too long."""
    # people are called
    SET_BACK = "set-back"
    """Somebody has set the count back while a scaling stood."""
    SET_BACK_AGAIN = "set-back-again"
    """It was raised again, and set back once more."""
    TAKEN_AWAY = "taken-away"
    """Somebody has taken tasks away lately, and is not contradicted."""
    NEW_VERSION = "new-version"
    MEMORY = "memory"
    """Memory that has nothing to do with the load: a leak, or tasks that are too small."""
    SOME_TASKS = "some-tasks"
    """Some tasks are at their limit, and others are not."""
    SWITCHED_OFF = "switched-off"
    ONCE = "once"
    STILL = "still"
    """The time of a scaling is over, and its alert still fires."""
    NOT_RESTORED = "not-restored"


class ScalingPlan(Contract):
    """What a scaling sets, and what was there before it: remembered before the first call that changes something."""

    before: Counts
    raised: Counts
    """None in it: that limit is left as it is, or is not ours any more."""
    ours: bool = True
    """Whether the desired count is ours; not where others have set it meanwhile."""
    autoscaled: bool
    """Whether scaling policies decide on the count once the limits are as before."""
    sentence: Prose


class Measured(Contract):
    """What an emergency scaling took: its recovery time, as a drill and the readiness of a service show it."""

    seconds: float
    """Product seconds from the request until as many tasks ran as were wanted."""
    tasks: int
    """How many tasks ran then."""


class Again(Contract):
    """The count of a scaling is raised again, which is done once, since somebody has set it back while it stood."""

    job: Plain = ""
    """The id of the job that raises it; empty where a Redis restored from an older copy has forgotten it."""
    who: Prose
    """Who has set it back."""
    fell_to: int = 0
    """How many tasks were wanted then."""
    at: datetime
    """When it was decided."""
    done: bool = False
    """Whether it is over: the count is raised, or people are called."""


class EmergencyScaling(Contract):
    """The emergency scaling of a target, from its begin until all of it is restored."""

    scaling_id: str
    trigger: Trigger
    target_count: int | None = None
    """The tasks that were asked for; None: as many as are allowed."""
    asked_at: datetime
    until: datetime
    overrides: tuple[Override, ...] = ()
    phase: Literal["raising", "raised", "restoring"] = "raising"
    plan: ScalingPlan | None = None
    """None until recovery has looked at the service: then nothing is set yet."""
    limits_set: bool = False
    count_set: bool = False
    """Whether there is nothing left to be raised: AWS has taken it, or others have set something else."""
    limits_restored: bool = False
    count_restored: bool = False
    called_at: datetime | None = None
    """When AWS was about to be called last, or has answered to that: an answer may be lost, and a call arrive late."""
    answered: bool = False
    """Whether its operation has ended."""
    again: Again | None = None
    """None until the count is raised again, and in a state of the previous version."""
    measured: Measured | None = None
    """None until its tasks run, and where they did not in time."""
    notes: tuple[Prose, ...] = ()
    """What others have changed meanwhile, a sentence for each."""
    waits: Prose = ""
    """What the restoration waits for, or why AWS has not let it be made; empty where it goes on."""
    restoring_since: datetime | None = None
    ended_by: Plain = ""
    """The person who ended it early; empty where its time is over."""
    ended_why: Prose = ""

    @property
    def actor(self) -> str:
        """Return the person who asked for it; empty where an alert did."""
        return self.trigger.actor if isinstance(self.trigger, ManualTrigger) else ""

    @property
    def incident(self) -> str:
        """Return the id of the alert that it answers; empty for a person's."""
        return self.trigger.alert_id if isinstance(self.trigger, AlertTrigger) else ""

    @property
    def last_sent(self) -> datetime | None:
        """Return when a call may have been sent last; None where none was.

        A call is tried again until it is answered. One of the way up of which no answer is known may have been tried
        until the restoration began, which cancels it.
        """
        if self.called_at is None or (self.limits_set and self.count_set):
            return self.called_at
        return max(self.called_at, self.restoring_since or self.called_at)

    def noting(self, *notes: str) -> Self:
        """Return the scaling with sentences about what others have changed; each is kept once."""
        new = tuple(note for note in dict.fromkeys(notes) if note and note not in self.notes)
        return self.model_copy(update={"notes": (*self.notes, *new)[-MOST_NOTES:]}) if new else self


class PastScaling(Contract):
    """A scaling that is over, or was refused."""

    scaling_id: str
    began_at: datetime
    result: Literal["restored", "left", "failed", "refused"]
    sentence: Prose
    incident: str = ""
    """The id of the alert that it answered."""
    plan: ScalingPlan | None = None
    measured: Measured | None = None
    """None where its tasks did not run in time, and in a state of the previous version."""
    restoring_since: datetime | None = None
    """When its restoration began; None where nothing was to be restored, and in a state of the previous version."""
    ended_at: datetime | None = None
    """When that was over; None in a state of the previous version."""
    ended_by: Plain = ""
    """The person who ended it early; empty where its time was over."""


def last_measured(standing: EmergencyScaling | None, past: Sequence[PastScaling]) -> tuple[str, Measured] | None:
    """Return the id of the newest scaling that was measured, and what was; None where none was.

    ``past``: those that are over, the newest last.
    """
    newest_first: tuple[EmergencyScaling | PastScaling, ...] = (*((standing,) if standing else ()), *reversed(past))
    return next(((known.scaling_id, known.measured) for known in newest_first if known.measured is not None), None)


def not_scaled(why: StrEnum, because: str) -> Answer:
    """Return that nothing is scaled; ``because`` is a clause without a full stop."""
    return Answer("declined", why, f"Did not scale, because {because.rstrip('.')}.")


def not_scaled_and_called(why: StrEnum, because: str) -> Answer:
    """Return the same where only people can help."""
    return Answer("people-called", why, f"Did not scale, because {because.rstrip('.')}.")


def of_person(trigger: Trigger) -> tuple[str, str]:
    """Return who asked for a scaling and why, as an operation has them."""
    if isinstance(trigger, ManualTrigger):
        return trigger.actor, trigger.reason
    return Party.RECOVERY.value, trigger.summary
