"""Bring a snapshot back by hand."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from surefoot.arguments import Place, Requester
from surefoot.client import Surefoot
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo, note, result
from surefoot.readable import table

LOOK_SECONDS = 0.5


def roll_back(
    api: Surefoot,
    place: Place,
    snapshot: str | None,
    requester: Requester,
    *,
    dry_run: bool,
    as_json: bool,
    force: bool = False,
) -> int:
    """Show the plan, or ask for the rollback and wait for its end, step by step. One that was asked for is a success.

    The beginning of a snapshot's id will do, where it names one alone; None is the newest proven one from which the
    service differs.
    """
    if snapshot is not None:
        snapshot = named(api.snapshots(place)["snapshots"], place, snapshot)
    answer = api.roll_back(place, snapshot, requester, dry_run=dry_run, force=force)
    if dry_run:
        result(answer, as_json, planned)
        return Exit.SUCCEEDED
    note(f"rolling {place.service} back to {answer['snapshot_id']} …")
    if answer.get("hold"):  # an older recovery does not say it
        note(answer["hold"])
    operation: dict[str, Any] = api.operation(answer["rollback_id"], place)
    shown = _new_steps(operation, set())
    while operation.get("state") == "running":
        time.sleep(LOOK_SECONDS)
        operation = api.operation(answer["rollback_id"], place)
        shown = _new_steps(operation, shown)
    result(operation, as_json, lambda end: f"{end.get('result') or 'failed'}: {end['sentence']}")
    return Exit.SUCCEEDED if operation.get("result") == "restored" else Exit.ROLLBACK_FAILED


def _new_steps(operation: Mapping[str, Any], shown: set[str]) -> set[str]:
    """Write the steps that have begun or ended since the last look; return all that were written."""
    lines = [step_of(step) for step in operation.get("steps") or () if step["state"] != "waiting"]
    for line in lines:
        if line not in shown:
            note(line)
    return shown.union(lines)


def step_of(step: Mapping[str, Any]) -> str:
    """Return a step as a line: its number of five, its name, how far it is, and what was found."""
    return f"{step['number']}/5 {step['name']}: {step['state']}{'. ' if step['sentence'] else ''}{step['sentence']}"


def listed(found: Mapping[str, Any]) -> str:
    """Return a line for each snapshot: its id, whether it is proven, its version and images, why it was taken.

    After them a line for each object that is not used, with the reason.
    """
    unused = [f"not used: {entry['snapshot_id']}: {entry['why']}" for entry in found.get("unusable") or ()]
    if found.get("unread"):
        unused.append(f"not looked at: {found['unread']} more objects")
    return "\n".join([_usable(found["snapshots"]), *unused])


def _usable(snapshots: Sequence[Mapping[str, Any]]) -> str:
    if not snapshots:
        return "no snapshots"
    rows = [("SNAPSHOT", "PROVEN", "TASK DEFINITION", "IMAGES", "TAKEN")]
    for snapshot in snapshots:
        images = ", ".join(_short(container["image"]) for container in snapshot["containers"])
        version = snapshot["task_definition"].rpartition("/")[2]
        rows.append(
            (snapshot["snapshot_id"], "yes" if snapshot["proven"] else "no", version, images, snapshot["purpose"])
        )
    return table(rows)


def planned(plan: Mapping[str, Any]) -> str:
    """Return what a rollback would change, setting by setting."""
    head = f"{plan['snapshot_id']} would be brought back; nothing was changed"
    changes = [
        f"  {change['setting']}: {_value(change['from'])} → {_value(change['to'])}" for change in plan["changes"]
    ]
    changes += [
        f"  {change['setting']}: {_value(change['from'])} → {_value(change['to'])}"
        for change in plan.get("definition") or ()
    ]
    images = [f"  image of {name}: {image}" for name, image in plan["images"].items()]
    safety = [
        f"  {sentence}" for sentence in (plan.get("safety"), *plan.get("beware", ()), plan.get("held")) if sentence
    ]
    definition = f"  the task definition is {plan['task_definition']}"
    return "\n".join([head, *(changes or ["  no setting differs"]), definition, *images, *safety])


def _value(value: Any) -> str:
    return value.rpartition("/")[2] if isinstance(value, str) else orjson.dumps(value).decode()


def _short(image: str) -> str:
    """Return an image without its registry, and with the first digits of its digest only."""
    name, at, digest = image.rpartition("/")[2].partition("@")
    return f"{name}{at}{digest[:19]}"


def named(known: Sequence[Mapping[str, Any]], place: Place, snapshot: str) -> str:
    """Return the id of the one snapshot that begins so. Raise ``CannotDo`` for none and for several."""
    ids = [str(snapshot["snapshot_id"]) for snapshot in known]
    begun = [id_ for id_ in ids if id_.startswith(snapshot)]
    if len(begun) == 1 or snapshot in begun:
        return snapshot if snapshot in begun else begun[0]
    if begun:
        raise CannotDo(f"{snapshot} begins several snapshots: {', '.join(begun)}", Exit.USAGE)
    there = f"there are {', '.join(ids)}" if ids else "there is none at all"
    raise CannotDo(f"{place.service} has no snapshot {snapshot}; {there}", Exit.USAGE)
