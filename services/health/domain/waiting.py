"""The commands that wait for a deployment. A rollback ends their watch, and each is still answered once."""

from typing import Self

from pydantic import Field

from contracts.base import Target
from contracts.state import State


class Waiting(State):
    """The watches over one target."""

    commands: dict[str, str] = Field(default_factory=dict)
    """Run → the id of its command to watch, while that is unanswered."""
    rolled_back: str | None = None
    """The last run whose rollback began; its command to watch may arrive after that."""

    def begins(self, run_id: str, command_id: str) -> Self:
        return self.replace(commands={**self.commands, run_id: command_id})

    def ends(self, run_id: str) -> Self:
        rest = {run: command for run, command in self.commands.items() if run != run_id}
        return self.replace(commands=rest)

    def rolls_back(self, run_id: str) -> Self:
        return self.ends(run_id).replace(rolled_back=run_id)


def watch_key(target: Target) -> str:
    return f"watch:{target}"
