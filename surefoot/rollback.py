"""Bring a snapshot back by hand."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from rich.console import Console

from surefoot.client import Surefoot
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo, result

LOOK_SECONDS = 0.5


def roll_back(
    api: Surefoot, cluster: str, service: str, snapshot: str, *, dry_run: bool, as_json: bool, console: Console
) -> int:
    """Show the plan, or ask for the rollback and wait for its end. A rollback that was asked for is a success.

    The beginning of a snapshot's id will do, where it names one alone.
    """
    snapshot = _named(api, cluster, service, snapshot)
    answer = api.roll_back(cluster, service, snapshot, dry_run=dry_run)
    if dry_run:
        result(answer, as_json, planned(answer))
        return Exit.SUCCEEDED
    console.print(f"rolling {service} back to {snapshot} …", highlight=False)
    operation: dict[str, Any] = api.operation(answer["rollback_id"])
    while operation.get("state") == "running":
        time.sleep(LOOK_SECONDS)
        operation = api.operation(answer["rollback_id"])
    result(operation, as_json, f"{operation.get('result') or 'failed'}: {operation['sentence']}")
    return Exit.SUCCEEDED if operation.get("result") == "restored" else Exit.ROLLBACK_FAILED


def listed(snapshots: Sequence[Mapping[str, Any]]) -> str:
    """A line for each snapshot: its id, whether it is proven, its version and images, why it was taken."""
    if not snapshots:
        return "no snapshots"
    rows = [("SNAPSHOT", "PROVEN", "TASK DEFINITION", "IMAGES", "TAKEN")]
    for one in snapshots:
        images = ", ".join(_short(container["image"]) for container in one["containers"])
        version = one["task_definition"].rpartition("/")[2]
        rows.append((one["snapshot_id"], "yes" if one["proven"] else "no", version, images, one["purpose"]))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def planned(plan: Mapping[str, Any]) -> str:
    """What a rollback would change, setting by setting."""
    head = f"{plan['snapshot_id']} would be brought back; nothing was changed"
    changes = [f"  {one['setting']}: {_told(one['from'])} → {_told(one['to'])}" for one in plan["changes"]]
    images = [f"  image of {name}: {image}" for name, image in plan["images"].items()]
    definition = f"  the task definition is {plan['task_definition']}"
    return "\n".join([head, *(changes or ["  no setting differs"]), definition, *images])


def _told(value: Any) -> str:
    return value.rpartition("/")[2] if isinstance(value, str) else orjson.dumps(value).decode()


def _short(image: str) -> str:
    """Without its registry, and with no more of its digest than tells it from others."""
    name, at, digest = image.rpartition("/")[2].partition("@")
    return f"{name}{at}{digest[:19]}"


def _named(api: Surefoot, cluster: str, service: str, snapshot: str) -> str:
    found = api.snapshots(cluster, service)
    known = [str(one["snapshot_id"]) for one in found["snapshots"]]
    named = [id_ for id_ in known if id_.startswith(snapshot)]
    if len(named) == 1 or snapshot in named:
        return snapshot if snapshot in named else named[0]
    if named:
        raise CannotDo(f"{snapshot} begins several snapshots: {', '.join(named)}", Exit.USAGE)
    there = f"there are {', '.join(known)}" if known else "there is none at all"
    raise CannotDo(f"{service} has no snapshot {snapshot}; {there}", Exit.USAGE)
