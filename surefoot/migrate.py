"""Run a migration as one task beside the service, and show its log and how it ended."""

import shlex
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from surefoot.arguments import (
    ANYWHERE,
    Actor,
    Cluster,
    Located,
    Place,
    Reason,
    Requester,
    Service,
    overrides_of,
    positive,
    repeated,
    user_name,
)
from surefoot.exit_codes import Exit
from surefoot.output import Json, note, result

if TYPE_CHECKING:
    from surefoot.client import Surefoot

LOOK_SECONDS = 0.5
Command = Annotated[
    str | None,
    Parameter(
        help="The command, quoted as for a shell; by default the policy's (recovery.migration_command), or "
        "'alembic upgrade head'."
    ),
]
Image = Annotated[
    str | None,
    Parameter(help="[CONTAINER=]REF: the image that migrates; by default the one that is live. A tag is looked up."),
]
Container = Annotated[
    str, Parameter(help="The container that migrates; by default the one that serves.", show_default=False)
]
Compatible = Annotated[
    bool, Parameter(negative="", help="The version that is live works, and starts, with the schema that it leaves.")
]
Minutes = Annotated[
    float | None, Parameter(validator=positive, help="For so long it is waited for; by default what the policy says.")
]
Override = Annotated[
    tuple[str, ...], repeated("CHECK=REASON: migrate although this check speaks against it; a refusal names it.")
]
_EXIT = {"succeeded": Exit.SUCCEEDED, "did_not_start": Exit.BLOCKED}


def migrate(
    cluster: Cluster,
    service: Service,
    *,
    command: Command = None,
    image: Image = None,
    container: Container = "",
    compatible: Compatible = False,
    timeout_minutes: Minutes = None,
    override: Override = (),
    dry_run: Annotated[bool, Parameter(negative="", help="Show what would run, and start nothing.")] = False,
    reason: Reason = "",
    actor: Actor = None,
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """Run a database migration as one task with the service's network, once, and wait for its end.

    Exit 0 where it ended with exit code 0, and 5 where it did not start, so that nothing was migrated.
    """
    from surefoot.client import Surefoot  # noqa: PLC0415  so that no command waits for the imports of another

    body = {
        **({} if command is None else {"command": shlex.split(command)}),
        "image": image,
        "container": container,
        "compatible": compatible,
        "timeout_minutes": timeout_minutes,
        "overrides": overrides_of(override),
        "dry_run": dry_run,
    }
    place = Place.of(cluster, service, where)
    return asked(Surefoot(), place, body, Requester(actor or user_name(), reason), as_json=json)


def asked(api: "Surefoot", place: Place, body: dict[str, Any], requester: Requester, *, as_json: bool) -> int:
    """Ask for a migration and follow it, or show what would run."""
    answer = api.migrate(place, body, requester)
    for warning in answer.get("warnings") or ():
        note(("warning: ", "yellow"), warning)
    if body["dry_run"]:
        result(answer, as_json, lambda plan: f"{plan['sentence']} Nothing was started.")
        return Exit.SUCCEEDED
    note(answer["sentence"])
    return _followed(api, place, answer["operation_id"], as_json=as_json)


def _followed(api: "Surefoot", place: Place, operation_id: str, *, as_json: bool) -> int:
    operation: dict[str, Any] = api.operation(operation_id, place)
    phase, remark = "", ""
    while operation.get("state") == "running" and not operation.get("overdue"):
        if operation.get("phase", "") != phase:
            phase = operation.get("phase", "")
            note(f"{phase} …")
        if operation.get("sentence", "") != remark:
            remark = operation.get("sentence", "")
            note(*((("warning: ", "yellow"), remark) if remark else ("What was warned of is over.",)))
        time.sleep(LOOK_SECONDS)
        operation = api.operation(operation_id, place)
    result(operation, as_json, ended)
    if operation.get("overdue"):
        return Exit.TIMED_OUT
    return _EXIT.get(str(operation.get("result")), Exit.FAILED)


def ended(operation: Mapping[str, Any]) -> str:
    """Return the last lines of the log and how the migration ended."""
    lines = [f"  {line}" for line in operation.get("log") or ()]
    schema = _schema(operation.get("schema_before") or {}), _schema(operation.get("schema_after") or {})
    if any(schema):
        lines.append(f"  schema: {schema[0] or 'not known'} before, {schema[1] or 'not known'} after")
    what = operation.get("result") or ("still running" if operation.get("overdue") else "failed")
    return "\n".join([*lines, f"{what.replace('_', ' ')}: {operation['sentence']}"])


def _schema(report: Mapping[str, Any]) -> str:
    return ", ".join(report.get("revisions") or ())
