"""Who waits for which deployment, so that a rollback ends the watch and its command is still answered once."""

from pydantic import Field

from contracts.base import Contract


class Waiting(Contract):
    """The watches over one target."""

    version: int = 1
    commands: dict[str, str] = Field(default_factory=dict)
    """Run → the id of its command to watch, while that is unanswered."""
    rolled_back: str | None = None
    """The last run whose rollback began; its command to watch may come later than that news."""

    def begins(self, run_id: str, command_id: str) -> "Waiting":
        return self.model_copy(update={"commands": {**self.commands, run_id: command_id}})

    def ends(self, run_id: str) -> "Waiting":
        rest = {run: command for run, command in self.commands.items() if run != run_id}
        return self.model_copy(update={"commands": rest})

    def rolls_back(self, run_id: str) -> "Waiting":
        return self.ends(run_id).model_copy(update={"rolled_back": run_id})
