"""Try a recovery plan for real, end that early, and show what was measured."""
# ruff: noqa: PLC0415  so that no command waits for the imports of another

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
    repeated,
    user_name,
)
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo, Json, note, result

if TYPE_CHECKING:
    from surefoot.client import Surefoot

LOOK_SECONDS = 0.5
Plan = Annotated[
    Literal["rollback", "scaling", "recreate"] | None,
    Parameter(help="The recovery plan that is tried. Without one: show the drill under way, and the last ones."),
]
Override = Annotated[
    tuple[str, ...],
    repeated(
        "CHECK=REASON: try it although this check speaks against it, on the record. May be repeated. What is refused "
        "names the check."
    ),
]


def drill(
    cluster: Cluster,
    service: Service,
    *,
    plan: Plan = None,
    stop: Annotated[bool, Parameter(negative="", help="End the drill that is under way.")] = False,
    override: Override = (),
    dry_run: Annotated[bool, Parameter(negative="", help="Show what would be done, and change nothing.")] = False,
    reason: Reason = "",
    actor: Actor = None,
    where: Located = ANYWHERE,
    json: Json = False,
) -> int:
    """Try a recovery plan on the service for real and measure it, within the hours of the policy; or show the last.

    Exit 0 where it was measured within the time of the plan, else 1; 5 where it was refused.
    """
    from surefoot.client import Surefoot

    if plan is not None and stop:
        raise CannotDo("name one of --plan and --stop", Exit.USAGE)
    api, place, requester = Surefoot(), Place.of(cluster, service, where), Requester(actor or user_name(), reason)
    if stop:
        return _followed(api, place, api.end_drill(place, requester)["operation_id"], as_json=json)
    if plan is None:
        result(api.drills(place), json, drills_of)
        return Exit.SUCCEEDED
    body = {"plan": plan, "overrides": overrides_of(override), "dry_run": dry_run}
    answer = api.drill(place, body, requester)
    if dry_run:
        result(answer, json, lambda shown: f"{shown['sentence']} Nothing was changed.")
        return Exit.SUCCEEDED
    note(answer["sentence"])
    return _followed(api, place, answer["operation_id"], as_json=json)


def drills_of(found: Mapping[str, Any]) -> str:
    """Return a line for the drill under way, and one for each that is over."""
    lines = []
    if found["drill"]:
        doing = found["drill"]["doing"] or "recovery looks at the service."
        lines.append(f"under way since {_moment(found['drill']['started_at'])}: {doing}")
    for past in found["past"]:
        lines.append(f"{_moment(past['finished_at'])}  {past['plan']}  {past['result']}: {past['sentence']}")
        lines += [f"  FINDING: {past['finding']}"] if past["finding"] else []
    return "\n".join(lines or ["no plan was tried on it yet"])


def _followed(api: "Surefoot", place: Place, operation_id: str, *, as_json: bool) -> int:
    operation: dict[str, Any] = api.operation(operation_id, place)
    while operation.get("state") == "running":
        time.sleep(LOOK_SECONDS)
        operation = api.operation(operation_id, place)
    result(operation, as_json, _end)
    if operation.get("result") == "refused":
        return Exit.BLOCKED
    return Exit.SUCCEEDED if operation.get("result") == "measured" and not operation.get("finding") else Exit.FAILED


def _end(operation: Mapping[str, Any]) -> str:
    line = f"{operation.get('result') or 'failed'}: {operation['sentence']}"
    return f"{line}\nFINDING: {operation['finding']}" if operation.get("finding") else line


def _moment(text: str) -> str:
    return str(text)[:19].replace("T", " ")
