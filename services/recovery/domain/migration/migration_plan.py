"""Plans a migration: which task runs, with which image, and what speaks against it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from contracts.change_scope import why_not_permitted
from contracts.image_reference import Reference
from contracts.migration import EFFECT, ENCRYPTION, KEPT_READY, SCHEMA_KNOWN
from contracts.policy import ChangeScope
from contracts.redact import redact
from services.recovery.domain.change import Body, pinned
from services.recovery.domain.migration.encryption import encryption_of
from services.recovery.domain.migration.migration import LogPlace, Migration, MigrationPlan, OneOff
from services.recovery.domain.migration.migration_task import (
    Unclear,
    family_of,
    log_place,
    migrating,
    migration_definition,
    placement,
)
from services.recovery.domain.scope import version_of

OVERRIDABLE = {
    ENCRYPTION: "whether the connection to the database is encrypted",
    SCHEMA_KNOWN: "what the migrations before have left of the schema",
    EFFECT: "whether the application tells that it has had an effect",
    KEPT_READY: "whether the version that is live stays ready",
}
"""Check → what it is about."""


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """What is read from the service's description."""

    serving: frozenset[str] = frozenset()
    """The containers that a load balancer sends requests to."""
    on_fargate: bool = True
    on_spot: bool = False
    rolling_out: bool = False
    deletion: str = ""
    """The clause that it is being deleted; empty where it is not."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to migrate with."""

    service: Body = field(repr=False)
    facts: ServiceFacts
    live: Body = field(repr=False)
    """The task definition that is live."""
    base: Body = field(repr=False)
    """The task definition whose settings the task gets: the live one, or another one that was asked for."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Container name → digest of the image that is live."""
    tagged: Mapping[str, str | None] = field(default_factory=dict)
    """Image reference with a tag → the digest that it names now; None where its registry does not say."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is about to run, and what has to be registered for it."""

    plan: MigrationPlan
    definition: Body = field(repr=False)
    unencrypted: tuple[str, ...] = ()
    """A clause for each database URL that asks for no encrypted connection."""


@dataclass(frozen=True, slots=True)
class NotPrepared:
    """Why no task may be started."""

    because: str
    """A clause without a full stop."""
    check: str = ""
    """The check that can be overridden; empty where none helps."""


def plan_migration(
    seen: Seen, asked: Migration, allowed: ChangeScope, region: str, overridden: frozenset[str] = frozenset()
) -> Prepared | NotPrepared:
    """Return what runs, with one task definition's settings and one image by its digest; or why nothing may."""
    if seen.facts.deletion:
        return NotPrepared(seen.facts.deletion)
    try:
        container = migrating(
            seen.base, seen.facts.serving, asked.container, [name for name in asked.images or {} if name]
        )
    except Unclear as unclear:
        return NotPrepared(str(unclear).rstrip("."))
    image = _image(seen, asked, container)
    if "@sha256:" not in image:
        return NotPrepared(f"which image {redact(image)} means is not known: name it by its digest")
    wanted = {**seen.base, "containerDefinitions": _with(seen.base, container, image)}
    if (why := why_not_permitted(version_of(seen.live), version_of(wanted), allowed)) is not None:
        return NotPrepared(why.rstrip("."))
    definition = migration_definition(seen.base, container, image)
    encryption = encryption_of(definition["containerDefinitions"][0])
    if encryption.missing and ENCRYPTION not in overridden:
        return NotPrepared("; ".join(encryption.missing), ENCRYPTION)
    log = log_place(definition, container, region)
    task = OneOff(
        family=family_of(str(seen.base["family"])),
        task_definition="",
        container=container,
        image=image,
        **placement(seen.service, definition, on_fargate=seen.facts.on_fargate),
    )
    warnings = (*encryption.missing, *encryption.doubts, *_warnings(seen.facts, definition, log, asked))
    plan = MigrationPlan(task=task, log=log, sentence=_sentence(asked, task), warnings=warnings)
    return Prepared(plan, definition, encryption.missing)


def _image(seen: Seen, asked: Migration, container: str) -> str:
    """Return the image to run, by its digest as far as that is known."""
    images = {str(each["name"]): str(each["image"]) for each in seen.base["containerDefinitions"]}
    given = asked.images or {}
    wanted = given.get(container) or given.get("") or images[container]
    if wanted in seen.tagged:
        return pinned(wanted, seen.tagged[wanted])
    return pinned(wanted, seen.digests.get(container) if wanted == images[container] else None)


def tags_to_look_up(base: Body, asked: Migration) -> tuple[str, ...]:
    """Return the references whose tags decide which image is meant; none where what is live is meant."""
    if asked.images is None and asked.task_definition is None:
        return ()
    wanted = {str(each["name"]): str(each["image"]) for each in base["containerDefinitions"]} | (asked.images or {})
    return tuple(dict.fromkeys(image for image in wanted.values() if _by_tag(image)))


def _by_tag(image: str) -> bool:
    try:
        return Reference.parse(image).digest is None
    except ValueError:
        return False


def _with(base: Body, container: str, image: str) -> list[Body]:
    return [{**each, "image": image} if each["name"] == container else each for each in base["containerDefinitions"]]


def _warnings(facts: ServiceFacts, definition: Body, log: LogPlace | None, asked: Migration) -> Iterator[str]:
    if log is None:
        yield "Its log cannot be read: the container does not write to CloudWatch Logs by the driver awslogs."
    if facts.on_spot:
        yield "The service runs on Spot; the migration's task runs on demand, since AWS ends tasks on Spot."
    if facts.rolling_out:
        yield "A deployment is under way."
    if definition["containerDefinitions"][0].get("entryPoint"):
        yield "The command is given to the entry point of the task definition."
    if "stamp" in asked.command:
        yield "It sets the revision of the schema, and migrates nothing."


def _sentence(asked: Migration, task: OneOff) -> str:
    command = redact(" ".join(asked.command))
    return f"Runs {command} in the container {task.container} with {task.image}, once."
