"""Bring a snapshot back by hand."""

import time
from typing import Any

import orjson
from rich.console import Console

from surefoot.client import Surefoot
from surefoot.exit_codes import Exit

LOOK_SECONDS = 0.5


def roll_back(
    api: Surefoot, cluster: str, service: str, snapshot: str, *, dry_run: bool, as_json: bool, console: Console
) -> int:
    """Show the plan, or ask for the rollback and wait for its end. A rollback that was asked for is a success."""
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
