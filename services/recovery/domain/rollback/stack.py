"""The stack of CloudFormation that a service belongs to, while the service is rolled back: a second mover.

Its states are those of CloudFormation's API reference, Stack, StackStatus (user guide, "Stack status codes").
"""

from dataclasses import dataclass

from contracts.rollout_pace import duration

WATCHED_SECONDS = 180.0
"""Product seconds for which CloudFormation, which takes the stack back, is waited for while the bad version is live."""
GOING_BACK = "UPDATE_ROLLBACK_IN_PROGRESS"
_UPDATING = "UPDATE_IN_PROGRESS"
_GONE_BACK = frozenset({
    GOING_BACK, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class StackSeen:
    """A stack that a service's tags name, as a look has seen it."""

    name: str
    status: str = ""
    """Empty where there is no such stack any more, and where it could not be read."""
    unread: str = ""
    """Why its state could not be read; empty where it was."""

    @property
    def going_back(self) -> bool:
        """Return whether CloudFormation takes an update of the stack back now, and the service's version with it.

        Where only what the update has made is still removed (``…_CLEANUP_IN_PROGRESS``) the service has gone back.
        """
        return self.status == GOING_BACK

    @property
    def gone_back(self) -> bool:
        """Return whether nobody has updated the stack since CloudFormation began to take it back."""
        return self.status in _GONE_BACK

    def when_acting(self, watched_from: float) -> str:
        """Return what is to be said where Surefoot brings the version back itself; empty where nothing is.

        ``watched_from``: since when CloudFormation was waited for (epoch seconds); 0 where it was not.
        """
        if self.unread:
            why = self.unread.rstrip(".")
            return (
                f"Whether CloudFormation takes the stack {self.name} back is not known, and was not waited for: {why}."
            )
        if self.going_back:
            waited = duration(WATCHED_SECONDS)
            return (
                f"CloudFormation takes the stack {self.name} back ({self.status}) and had not brought the version back "
                f"within {waited}, so that Surefoot has: both may be at work."
            )
        if self.status == _UPDATING:
            return (
                f"CloudFormation is updating the stack {self.name} ({_UPDATING}) and waits for the service: that "
                "update may end in a state of UPDATE_ROLLBACK, and bring in a version of its own."
            )
        if watched_from:
            return (
                f"CloudFormation has taken the stack {self.name} back ({self.status or 'it is gone'}) and has not "
                "brought the version back, so that Surefoot has."
            )
        return ""
