"""HTTP in, HTTP out: migrations outside a run. It answers 202 with its operation's URL."""

from dataclasses import dataclass
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Response
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from contracts.access import Role
from contracts.base import Target
from contracts.bounds import MOST_OVERRIDES
from contracts.deployment import Override
from contracts.migration import SCHEMA_KNOWN
from contracts.migration_asked import UPGRADE, MigrationCommand
from contracts.prose import Plain, Prose
from contracts.recovery import ManualTrigger
from services._aws.errors import AwsError
from services._aws.existing import Existing
from services._chassis.access.permit import NowAsking, needs
from services._chassis.http import Problem
from services._chassis.operations import (
    Accepted,
    IdempotencyKey,
    Operations,
    Requested,
    find_operation,
    request_id,
)
from services._chassis.policies import Policies
from services._chassis.targets import Targets
from services._chassis.transition import Decision
from services.recovery.api.asked import BEGUN_BEFORE, Asked, Refused, begins
from services.recovery.api.bodies import check_overrides
from services.recovery.decisions.migrate import begin_migration, why_not_migrate
from services.recovery.domain.migration.migration import Migration
from services.recovery.domain.migration.migration_plan import OVERRIDABLE, NotPrepared, Prepared
from services.recovery.domain.protection import Protection
from services.recovery.prepare import MigrationPlanner
from services.recovery.take_turns import TakeTurns

_PATH = "/{cluster_name}/{service_name}"


def _reference(text: str) -> str:
    """Return an image's reference as it was written: blanks belong to none."""
    if any(character.isspace() for character in text):
        raise ValueError("an image is [CONTAINER=]REFERENCE, without blanks")
    return text


class MigrateRequest(Requested):
    """What is to run: by default the policy's command, or that of the requirements (docs/requirements.md), in the image
    that is live.
    """

    command: MigrationCommand = UPGRADE
    """Left out: the policy's (``recovery.migration_command``), where it names one."""
    image: Annotated[Plain, StringConstraints(min_length=1, max_length=1024), AfterValidator(_reference)] | None = None
    """``[CONTAINER=]REFERENCE``; a tag is looked up, and its digest runs."""
    container: Annotated[Plain, StringConstraints(max_length=255)] = ""
    """The container that migrates; empty: the policy's, the one whose image is named, that serves, or the only one."""
    compatible: bool = False
    """Whether the version that is live works, and starts, with the schema that it leaves, so that one can go back."""
    timeout_minutes: Annotated[float, Field(ge=1, le=1440)] | None = None
    """For so long it is waited for; by default what the policy says."""
    overrides: Annotated[tuple[Override, ...], Field(max_length=MOST_OVERRIDES)] = ()
    dry_run: bool = False

    @model_validator(mode="after")
    def _one_container(self) -> Self:
        named, equals, _ = (self.image or "").rpartition("=")
        if equals and self.container not in {"", named}:
            raise ValueError("image and container name two containers")
        return self


class MigrateAccepted(Accepted):
    migration_id: str
    image: Plain = ""
    sentence: Prose
    warnings: tuple[Prose, ...] = ()


@dataclass(frozen=True, slots=True)
class MigrationEndpoints:
    """Does the work of the routes."""

    asked: Asked
    policies: Policies
    planner: MigrationPlanner
    turns: TakeTurns
    existing: Existing

    @property
    def operations(self) -> Operations:
        return self.asked.operations

    async def migrate(
        self, target: Target, body: MigrateRequest, key: str | None, response: Response
    ) -> MigrateAccepted | dict[str, Any]:
        """Begin a migration; for a dry run, return what would run. The job looks again before it starts anything."""
        check_overrides("A migration", body.overrides, OVERRIDABLE)
        asked = self._asked(target, body, key)
        if (before := await self._came_before(asked, body, key, response)) is not None:
            return before
        protection = await self.asked.protection(target)
        if why := why_not_migrate(protection, self.operations.now):
            raise _refused(why)
        if (left := protection.schema_left) and SCHEMA_KNOWN not in {override.gate for override in body.overrides}:
            raise _refused(left, SCHEMA_KNOWN)
        database = self.policies.of(target).monitoring.database
        if database is not None and (busy := await self.turns.in_the_way(target, database)):
            raise _refused(busy)
        prepared = await self._prepared(target, asked)
        plan = prepared.plan
        if body.dry_run:
            return {"dry_run": True, "image": plan.task.image, "sentence": plan.sentence, "warnings": plan.warnings}
        await self._begin(target, asked, body, key)
        return MigrateAccepted(
            **self.operations.accepted(response, asked.migration_id).model_dump(),
            migration_id=asked.migration_id,
            image=plan.task.image,
            sentence=plan.sentence,
            warnings=plan.warnings,
        )

    def _asked(self, target: Target, body: MigrateRequest, key: str | None) -> Migration:
        recovery = self.policies.of(target).recovery
        container, equals, reference = (body.image or "").rpartition("=")
        named = container if equals else body.container or recovery.migration_container
        by_policy = recovery.migration_command if "command" not in body.model_fields_set else None
        return Migration(
            migration_id=f"migration:{request_id(target, 'migration', key)}",
            trigger=ManualTrigger(actor=body.actor, reason=body.reason),
            command=by_policy or body.command,
            container=named,
            images={named: reference} if body.image else None,
            minutes=body.timeout_minutes or recovery.migration_minutes,
            at_limit=recovery.migration_at_limit,
            on_alert=recovery.migration_on_alert,
            asked_at=self.operations.now,
            overrides=body.overrides,
            compatible=body.compatible or recovery.migrations_compatible,
        )

    async def _prepared(self, target: Target, asked: Migration) -> Prepared:
        await self.existing(target)
        try:
            prepared = await self.planner.plan(target, asked, self.policies.of(target))
        except AwsError as failed:
            raise Problem(503, "AWS does not say what there is", f"{str(failed).rstrip('.')}.") from None
        if isinstance(prepared, NotPrepared):
            raise _refused(prepared.because, prepared.check)
        return prepared

    async def _came_before(
        self, asked: Migration, body: MigrateRequest, key: str | None, response: Response
    ) -> MigrateAccepted | None:
        """Return the answer to the first request with this key; None where there was none."""
        if (found := await self.asked.before(asked.migration_id, body, key)) is None:
            return None
        shown = found.model_dump()
        return MigrateAccepted(
            **self.operations.accepted(response, asked.migration_id).model_dump(),
            migration_id=asked.migration_id,
            image=shown.get("image") or "",
            sentence=found.sentence or "It is under way.",
            warnings=shown.get("warnings") or (),
        )

    async def _begin(self, target: Target, asked: Migration, body: MigrateRequest, key: str | None) -> None:
        def decide(protection: Protection) -> Decision | Refused:
            standing = protection.migration
            if standing is not None and standing.migration_id == asked.migration_id:
                return BEGUN_BEFORE
            if why := why_not_migrate(protection, asked.asked_at):
                return Refused(_refused(why))
            return begin_migration(protection, target, asked)

        await self.asked.begin(target, asked.migration_id, body, key, decide)

    async def show(self, target: Target) -> dict[str, Any]:
        """Return the migration that is under way, or None, and those that are over, the newest first."""
        protection = await self.asked.protection(target)
        standing = protection.migration
        if standing is None and not protection.past_migrations:
            await self.existing(target)
        found = await find_operation(self.asked.store, standing.migration_id) if standing else None
        return {
            "target": str(target),
            "migration": found.model_dump(exclude={"target"}) if found else None,
            "past": [past.model_dump() for past in reversed(protection.past_migrations)],
        }


def _refused(because: str, check: str = "") -> Problem:
    hint = f" The override {check}=REASON lets it pass." if check else ""
    return Problem(409, "Nothing is migrated", f"Nothing was migrated, because {because.rstrip('.')}.{hint}")


def add_migration_routes(router: APIRouter, endpoints: MigrationEndpoints, targets: Targets) -> None:
    """Add the routes of migrations."""
    InPath = Annotated[Target, Depends(targets.in_path)]  # noqa: N806  a type
    NamedInPath = Annotated[Target, Depends(targets.named_in_path)]  # noqa: N806  a type

    @router.post(f"/migrate{_PATH}", **begins(MigrateAccepted, "What would run, for a dry run."))
    async def migrate(
        asking: NowAsking,
        target: InPath,
        response: Response,
        body: MigrateRequest | None = None,
        idempotency_key: IdempotencyKey = None,
    ) -> MigrateAccepted | dict[str, Any]:
        """Run a migration as one task with the service's network and one image by its digest, or say what would run."""
        return await endpoints.migrate(target, asking.by(body or MigrateRequest()), idempotency_key, response)

    @router.get(f"/migrations{_PATH}", dependencies=[needs(Role.VIEWER)])
    async def show(target: NamedInPath) -> dict[str, Any]:
        """Show the migration that is under way, and those that are over, the newest first."""
        return await endpoints.show(target)
