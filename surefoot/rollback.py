"""Bring a snapshot back by hand."""

import time
from typing import Any

import orjson
from rich.console import Console

from surefoot.client import Surefoot
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo

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
        print(orjson.dumps(answer, option=0 if as_json else orjson.OPT_INDENT_2).decode())
        return Exit.SUCCEEDED
    console.print(f"rolling {service} back to {snapshot} …", highlight=False)
    operation: dict[str, Any] = api.operation(answer["rollback_id"])
    while operation.get("state") != "finished":
        time.sleep(LOOK_SECONDS)
        operation = api.operation(answer["rollback_id"])
    print(orjson.dumps(operation).decode() if as_json else f"{operation['result']}: {operation.get('detail', '')}")
    return Exit.SUCCEEDED if operation["result"] == "restored" else Exit.ROLLBACK_FAILED


def _named(api: Surefoot, cluster: str, service: str, snapshot: str) -> str:
    found = api.snapshots(cluster, service)
    known = [str(one["snapshot_id"]) for one in found.get("snapshots", found.get("items", []))]
    named = [id_ for id_ in known if id_.startswith(snapshot)]
    if len(named) == 1 or snapshot in named:
        return snapshot if snapshot in named else named[0]
    if named:
        raise CannotDo(f"{snapshot} begins several snapshots: {', '.join(named)}", Exit.USAGE)
    there = f"there are {', '.join(known)}" if known else "there is none at all"
    raise CannotDo(f"{service} has no snapshot {snapshot}; {there}", Exit.USAGE)
