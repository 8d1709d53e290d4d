"""Migrations: recovery's events about a task that changes the schema of a service's database, once."""

from typing import Literal

from contracts.base import Event
from contracts.prose import Image, Plain, Prose
from contracts.recovery import Trigger

MigrationResult = Literal["did_not_start", "succeeded", "failed", "unknown"]
"""How a migration ended.

``did_not_start``: nothing was migrated. ``succeeded``: its container ended with exit code 0. ``failed``: it has run, so
that some of it may be done. ``unknown``: it may have run, and how it ended is not known.
"""


class MigrationStarted(Event):
    """Recovery is about to start a migration's task; published before the first call, and there is one task at most."""

    migration_id: str
    run_id: str | None = None
    """None outside a run."""
    command: tuple[Prose, ...]
    image: Image
    """The image that runs, by its digest."""
    container: Plain
    """The container that migrates."""
    task_definition: str
    """The task definition (ARN) that runs: the service's own, with the one container that migrates."""
    sentence: Prose
    minutes: float
    """Minutes for which its end is waited for."""
    trigger: Trigger


class MigrationFinished(Event):
    """A migration is over, or what has become of it is not known."""

    migration_id: str
    run_id: str | None = None
    result: MigrationResult
    sentence: Prose
    exit_code: int | None = None
    """The exit code of the container that migrates; None where ECS tells none."""
    image: Image = ""
    """The image that ran; empty where none did."""
