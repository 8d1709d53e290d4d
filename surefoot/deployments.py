"""The commands about deployments, and about what these leave behind: runs, decisions and events."""
# ruff: noqa: PLC0415  so that no command waits for the imports of another

from typing import Annotated, Literal

from cyclopts import Parameter

from surefoot.arguments import (
    ANYWHERE,
    Actor,
    Cluster,
    Located,
    Place,
    Reason,
    Requester,
    RunId,
    Service,
    Timeout,
    Verbose,
    positive,
    repeated,
    user_name,
)
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo, Json, result, show_line

Image = Annotated[
    str | None,
    Parameter(help="[CONTAINER=]REF: run this image. The container may be left out where the task has one only."),
]
TaskDefinition = Annotated[
    str | None,
    Parameter(help="FAMILY, FAMILY:REVISION or an ARN: run this task definition, which is registered already."),
]
Observe = Annotated[
    bool,
    Parameter(
        negative="",
        help="Change nothing: watch and judge the deployment that somebody else begins, or has just begun.",
    ),
]
Override = Annotated[
    tuple[str, ...],
    repeated(
        "GATE=REASON: let this gate before the change pass, on the record. May be repeated. A run that is blocked "
        "names the gates that it would take."
    ),
]
Migrate = Annotated[
    str | None,
    Parameter(
        help="Migrate the database by this command before the change, in a task of its own with the image to be "
        "deployed: 'alembic upgrade head'. By default the policy's (recovery.migration_command), if it names one."
    ),
]
WithoutMigration = Annotated[
    bool, Parameter(negative="", help="Migrate nothing before the change, whatever the policy names.")
]
Compatible = Annotated[
    bool,
    Parameter(
        negative="",
        help="The version before works, and starts, with the schema that the migration leaves.",
    ),
]
OnConflict = Annotated[
    Literal["queue", "refuse", "supersede"] | None,
    Parameter(
        help="While another run is active on the service: wait for its end, be refused, or take the place of what was "
        "asked for before, which is rolled back first where it has changed something. By default as the policy has it."
    ),
]


def deploy(
    cluster: Cluster,
    service: Service,
    *,
    image: Image = None,
    task_definition: TaskDefinition = None,
    observe: Observe = False,
    override: Override = (),
    on_conflict: OnConflict = None,
    migrate: Migrate = None,
    migration_compatible: Compatible = False,
    without_migration: WithoutMigration = False,
    reason: Reason = "",
    actor: Actor = None,
    wait: Annotated[bool, Parameter(help="Wait for the end and exit by it, or print the run's id and leave.")] = True,
    timeout: Timeout = None,
    verbose: Verbose = False,
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """Deploy an image or a task definition, or watch a deployment that somebody else does."""
    from surefoot.deploy import Asked, deploy, migration_asked

    place = Place.of(cluster, service, where)
    requester = Requester(actor or user_name(), reason)
    migration = migration_asked(migrate, compatible=migration_compatible, without=without_migration)
    asked = Asked.of(image, task_definition, observe, override, on_conflict, requester, migration)
    return deploy(place, asked, wait=wait, timeout=timeout, verbose=verbose, as_json=json)


def wait(
    cluster: Cluster,
    service: Service,
    *,
    run_id: RunId = None,
    timeout: Timeout = None,
    verbose: Verbose = False,
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """Wait for a run to end, and exit by its outcome."""
    from surefoot.client import Surefoot
    from surefoot.wait import waited

    place = Place.of(cluster, service, where)
    return waited(Surefoot(), place, run_id, timeout=timeout, verbose=verbose, as_json=json)


def status(
    cluster: Cluster, service: Service, *, run_id: RunId = None, where: Located = ANYWHERE, json: Json = False
) -> int:
    """Show a run."""
    from surefoot.client import Surefoot
    from surefoot.listing import status_of

    run = Surefoot().status(Place.of(cluster, service, where), run_id)
    result(run, json, status_of)
    return Exit.SUCCEEDED


def runs(
    cluster: Annotated[str | None, Parameter(help="Only runs of this cluster's service, by name or ARN.")] = None,
    service: Annotated[str | None, Parameter(help="The service in that cluster, by name or ARN.")] = None,
    *,
    outcome: Annotated[str | None, Parameter(help="Only runs that ended so, as failed or rolled_back.")] = None,
    actor: Annotated[str | None, Parameter(help="Only runs that this actor asked for.")] = None,
    since: Annotated[str | None, Parameter(help="Only runs asked for since then: 90m, 12h, 7d, or a moment.")] = None,
    limit: Annotated[int, Parameter(validator=positive, help="How many at most.")] = 20,
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """List runs, the latest first. Each is kept for a month."""
    from datetime import UTC, datetime

    from surefoot.client import Surefoot
    from surefoot.listing import moment, runs_of

    if (cluster is None) != (service is None):
        raise CannotDo("name both the cluster and the service, or neither", Exit.USAGE)
    place = Place.of(cluster, service, where) if cluster and service else None
    query = {"outcome": outcome, "actor": actor, "since": moment(since, datetime.now(UTC))}
    found = Surefoot().deployments(place, query, limit)
    result(found, json, runs_of)
    return Exit.SUCCEEDED


def services(*, json: Json = False) -> int:
    """List the services: what goes on, the last run, whether it is armed, its alerts, its health score."""
    from surefoot.client import Surefoot
    from surefoot.listing import services_of

    found = Surefoot().overview()
    result(found, json, services_of)
    return Exit.SUCCEEDED


def abort(
    cluster: Cluster,
    service: Service,
    *,
    run_id: RunId = None,
    reason: Reason = "",
    actor: Actor = None,
    wait: Annotated[bool, Parameter(help="Wait until the run has ended, or leave once it is asked to.")] = True,
    timeout: Timeout = None,
    verbose: Verbose = False,
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """Stop a run: what it has changed is rolled back. Exit 0 once the run has ended so."""
    from surefoot.abort import abort

    place = Place.of(cluster, service, where)
    return abort(place, run_id, actor or user_name(), reason, wait=wait, timeout=timeout, verbose=verbose, as_json=json)


def why(
    cluster: Cluster,
    service: Service,
    *,
    limit: Annotated[int, Parameter(validator=positive, help="How many decisions at most; 100 are kept.")] = 20,
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """Show why recovery rolled a service back, and why it did not, the newest decision first."""
    from surefoot.client import Surefoot
    from surefoot.why import decisions_of

    found = Surefoot().decisions(Place.of(cluster, service, where), min(limit, 100))
    result(found, json, decisions_of)
    return Exit.SUCCEEDED


def rollback(
    cluster: Cluster,
    service: Service,
    *,
    snapshot: Annotated[
        str | None, Parameter(help="Which one, of `surefoot snapshots`; the beginning of its id will do.")
    ] = None,
    latest_proven: Annotated[
        bool,
        Parameter(
            negative="",
            help="The newest proven snapshot that was not taken back, and from which the service differs.",
        ),
    ] = False,
    force: Annotated[
        bool, Parameter(negative="", help="Try it although something that the snapshot needs is not there any more.")
    ] = False,
    dry_run: Annotated[bool, Parameter(negative="", help="Show what would change, and change nothing.")] = False,
    reason: Reason = "",
    actor: Actor = None,
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """Bring a snapshot back, in five steps that are shown, or show what that would change."""
    from surefoot.client import Surefoot
    from surefoot.rollback import roll_back

    if (snapshot is None) is not latest_proven:
        raise CannotDo("name exactly one of --snapshot and --latest-proven", Exit.USAGE)
    requester = Requester(actor or user_name(), reason)
    place = Place.of(cluster, service, where)
    return roll_back(Surefoot(), place, snapshot, requester, dry_run=dry_run, as_json=json, force=force)


def scale(
    cluster: Cluster,
    service: Service,
    count: Annotated[
        int | None, Parameter(help="How many tasks are wanted; where that is more than allowed, as many as are.")
    ] = None,
    *,
    end: Annotated[
        bool, Parameter(negative="", help="End the scaling that stands: what it has set is as before again.")
    ] = False,
    minutes: Annotated[
        float | None,
        Parameter(validator=positive, help="After so many it ends by itself; by default what the policy says."),
    ] = None,
    override: Annotated[
        tuple[str, ...],
        repeated(
            "CHECK=REASON: scale although this check speaks against it, on the record. May be repeated. What is "
            "refused names the check."
        ),
    ] = (),
    dry_run: Annotated[bool, Parameter(negative="", help="Show what would be set, and change nothing.")] = False,
    reason: Reason = "",
    actor: Actor = None,
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """Run more tasks for an hour, in an emergency; then what was there before comes back by itself."""
    from surefoot import scale as scaling
    from surefoot.client import Surefoot

    if (count is None) is not end:
        raise CannotDo("name exactly one of COUNT and --end", Exit.USAGE)
    requester, place = Requester(actor or user_name(), reason), Place.of(cluster, service, where)
    if count is None:
        return scaling.end(Surefoot(), place, requester, as_json=json)
    return scaling.scale(
        Surefoot(), place, count, requester, minutes=minutes, overrides=override, dry_run=dry_run, as_json=json
    )


def events(
    *topics: Annotated[str, Parameter(help="Which streams; by default deployment.events.v1.")],
    from_start: Annotated[bool, Parameter(negative="", help="Begin with the oldest event that Kafka holds.")] = False,
    json: Json = False,
) -> int:
    """Follow the event streams until Ctrl+C: when, which service, which run, what."""
    from surefoot.events import follow

    follow(topics, from_start=from_start, write=show_line, as_json=json)
    return Exit.SUCCEEDED
