"""Migrations: the commands and events about a task that changes the schema of a service's database, once."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from contracts.base import Event, RunId
from contracts.deployment import Change, Override
from contracts.migration_asked import MigrationAsked
from contracts.policy_parts import RecoveryPolicy
from contracts.prose import Image, Plain, Prose
from contracts.recovery import Trigger

MigrationResult = Literal["did_not_start", "succeeded", "failed", "unknown"]
"""How a migration ended.

``did_not_start``: nothing was migrated. ``succeeded``: its container ended with exit code 0. ``failed``: it has run, so
that some of it may be done. ``unknown``: it may have run, and how it ended is not known.
"""


WAY_BACK, ENCRYPTION, POSSIBLE = "migration_way_back", "database_encryption", "migration_possible"
"""The gates of ``check-migration``."""
BEGUN, DONE = "migration_begun", "migration_done"
"""The gates of ``migrate``: the first fails where it is certain that nothing was migrated."""


class CheckMigration(Event):
    """Look, before anything is changed, whether the migration of a run can run, and whether one can go back over it."""

    overridable: ClassVar[Mapping[str, str]] = {
        WAY_BACK: "the version before works and starts with the schema that the migration leaves",
        ENCRYPTION: "the database's URL asks for an encrypted connection, as far as that can be seen",
        "check_migration": "what the migration runs with could be looked at",
        "check_migration_answered": "recovery answered in time what the migration runs with",
    }
    indispensable: ClassVar[Mapping[str, str]] = {
        POSSIBLE: "it is clear which container migrates, and no other migration of the service is under way"
    }

    run_id: RunId
    migration: MigrationAsked
    change: Change
    policy: RecoveryPolicy | None = None


class Migrate(Event):
    """Run a migration's task with the image that is to be deployed, once for this run. Refused unless armed for it."""

    run_id: RunId
    migration: MigrationAsked
    images: dict[str, str] = Field(default_factory=dict)
    """Container name → ``repository@sha256:…``, as preflight resolved it."""
    task_definition: str | None = None
    overrides: tuple[Override, ...] = ()
    """Those of the run; the gates of ``check-migration`` count."""
    policy: RecoveryPolicy | None = None


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
    compatible: bool = False
    """Whether it was said that the version before works with the schema that it leaves."""
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
