"""The validations of a target that are not answered yet: the state under ``validations:<target>``."""

from typing import Self

from pydantic import Field

from contracts.base import Target
from contracts.state import State

MOST_ENDED = 8
"""How many ended runs are kept; one at a time is active on a target."""


class Validations(State):
    """Makes sure that the end of a run ends its tests, and that each command is answered once."""

    commands: dict[str, str] = Field(default_factory=dict)
    """The id of each unanswered command → its run."""
    ended: tuple[str, ...] = ()
    """Runs that are over or are being rolled back, the newest last: a command may arrive after the end of its run."""

    def of_run(self, run_id: str) -> tuple[str, ...]:
        """Return the ids of this run's unanswered commands."""
        return tuple(command for command, run in self.commands.items() if run == run_id)

    def begun(self, command_id: str, run_id: str) -> Self:
        return self.replace(commands={**self.commands, command_id: run_id})

    def answered(self, *command_ids: str) -> Self:
        return self.replace(commands={id_: run for id_, run in self.commands.items() if id_ not in command_ids})

    def run_over(self, run_id: str) -> Self:
        rest = self.answered(*self.of_run(run_id))
        return rest.replace(ended=(*(run for run in self.ended if run != run_id), run_id)[-MOST_ENDED:])


def validations_key(target: Target) -> str:
    return f"validations:{target}"
