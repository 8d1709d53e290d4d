"""Show what of a service is gone, ask for it to be made again from a snapshot, and approve that."""

import time
from collections.abc import Mapping
from typing import Any

from surefoot.arguments import Place, Requester
from surefoot.client import Surefoot
from surefoot.exit_codes import Exit
from surefoot.output import note, result

LOOK_SECONDS = 0.5
_MARKS = {"there": "  there    ", "differs": "  differs  ", "missing": "+ missing  ", "unknown": "? unknown  "}


def ask(api: Surefoot, place: Place, body: dict[str, Any], requester: Requester, *, as_json: bool) -> int:
    """Show the plan, and say who has to approve it. The exit code says whether all that is missing can be made."""
    answer = api.recreate(place, body, requester)
    result(answer, as_json, planned)
    if "recreation_id" in answer:
        where = f"{place.cluster} {place.service}"
        note(f"somebody else approves it: surefoot recreate {where} --approve {answer['plan']}")
    return Exit.BLOCKED if answer.get("blocked") else Exit.SUCCEEDED


def approve(api: Surefoot, place: Place, plan: str, requester: Requester, *, as_json: bool) -> int:
    """Approve a plan, and wait until the service serves again."""
    answer = api.decide_recreation("approve", place, plan, requester)
    note(f"making what is gone of {place.service} …")
    operation: dict[str, Any] = api.operation(answer["operation_id"], place)
    shown = ""
    while operation.get("state") == "running":
        if operation["sentence"] != shown:
            shown = operation["sentence"]
            note(shown)
        time.sleep(LOOK_SECONDS)
        operation = api.operation(answer["operation_id"], place)
    result(operation, as_json, lambda end: f"{end.get('result') or 'failed'}: {end['sentence']}")
    return Exit.FAILED if operation.get("state") == "failed" else Exit.SUCCEEDED


def reject(api: Surefoot, place: Place, plan: str, requester: Requester, *, as_json: bool) -> int:
    answer = api.decide_recreation("reject", place, plan, requester)
    result(answer, as_json, lambda _: "rejected: nothing is made")
    return Exit.SUCCEEDED


def planned(answer: Mapping[str, Any]) -> str:
    """Return the plan in lines: each part in the order in which it is made, then what has to be done besides."""
    tasks = "" if answer["desired_count"] is None else f", {answer['desired_count']} tasks"
    of = f" of {answer['source']}" if answer["source"] != answer["target"] else ""
    lines = [f"from the snapshot {answer['snapshot_id']}{of}{tasks}"]
    lines += [f"{new} stands for {old}" for old, new in answer["names"].items()]
    lines += [f"{_MARKS[part['state']]}{part['kind']} {part['name']}" for part in answer["parts"]]
    lines += [f"warning: {sentence}" for sentence in answer["warnings"]]
    if answer["by_hand"]:
        lines += ["Afterwards, by whoever owns the other security groups:", *answer["by_hand"]]
    return "\n".join([*lines, answer["sentence"]])
