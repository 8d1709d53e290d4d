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
from contracts.schema_status import SchemaStatus

MigrationResult = Literal["did_not_start", "succeeded", "failed", "unknown"]
"""How a migration ended.

``did_not_start``: nothing was migrated. ``succeeded``: its container ended with exit code 0, and nothing that the
application tells speaks against it. ``failed``: it has run, so that some of it may be done. ``unknown``: it may have
run, and how it ended is not known; so it is where exit code 0 was seen to have had no effect.
"""


WAY_BACK, ENCRYPTION, POSSIBLE = "migration_way_back", "database_encryption", "migration_possible"
SCHEMA_KNOWN, NO_ECS_ROLLBACK = "schema_known", "no_rollback_by_ecs"
"""The gates of ``check-migration``."""
EFFECT, KEPT_READY = "migration_effect", "migration_kept_ready"
"""Gates of ``migrate``, too: exit code 0 was seen to have had no effect; the version that serves is not ready since."""
QUIET = "migration_alerts_over"
"""A gate of ``migrate``: no critical alert of the service stands that began while the task ran."""
BEGUN, DONE = "migration_begun", "migration_done"
"""The gates of ``migrate``: the first fails where it is certain that nothing was migrated."""


class CheckMigration(Event):
    """Look, before anything is changed, whether the migration of a run can run, and whether one can go back over it."""

    overridable: ClassVar[Mapping[str, str]] = {
        WAY_BACK: "the version before works and starts with the schema that the migration leaves",
        ENCRYPTION: "the database's URL asks for an encrypted connection, as far as that can be seen",
        SCHEMA_KNOWN: "it is known what the migrations before have left of the schema",
        NO_ECS_ROLLBACK: "ECS itself would roll nothing back over a migration that nobody calls compatible",
        EFFECT: "the application tells that the migration has had an effect, where it tells anything of that",
        KEPT_READY: "the version that is live stays ready on the new schema, where one is to be able to go back",
        QUIET: "no critical alert of the service stands that began while the migration's task ran",
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
    schema_before: SchemaStatus | None = None
    """What the application told of its schema before; None in an event of the previous version."""
    database: Plain = ""
    """The database that the policy names, of which it is the only migration; empty where none is named, and in an event
    of the previous version."""


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
    schema_before: SchemaStatus | None = None
    """What the application told of its schema before; None where it was not asked."""
    schema_after: SchemaStatus | None = None
    """What it told once the task had ended; None where it was not asked."""
    against: Plain = ""
    """The gate that speaks against it although it ended with exit code 0 (``EFFECT``, ``KEPT_READY``, ``QUIET``);
    empty: none."""
