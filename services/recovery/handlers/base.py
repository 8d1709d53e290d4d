"""What the handlers of every area have: the time, the policies in force, and the protection of a target."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from contracts.base import Target
from services._chassis.clock import Clock, moment
from services._chassis.policies import Policies
from services._chassis.transition import Decision, Transition
from services.recovery.domain.protection import Protection, key_of


@dataclass(frozen=True, slots=True)
class AreaHandlers:
    """The handlers of one area: commands, events, timers, and jobs that have failed for good.

    Only those that begin something read the policy in force: whatever undoes or ends something works without it.
    """

    clock: Clock
    policies: Policies

    @property
    def now(self) -> datetime:
        return moment(self.clock.now())


def on(target: Target, decide: Callable[[Protection], Decision]) -> Transition:
    """Return a transition of a target's protection."""
    return Transition(key_of(target), lambda state: decide(Protection.from_bytes(state)))
