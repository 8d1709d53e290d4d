"""Show what of a service is gone, and what would be made again from a snapshot."""

from collections.abc import Mapping
from typing import Any

from surefoot.arguments import Place, Requester
from surefoot.client import Surefoot
from surefoot.exit_codes import Exit
from surefoot.output import result

_MARKS = {"there": "  there    ", "differs": "  differs  ", "missing": "+ missing  ", "unknown": "? unknown  "}


def plan(
    api: Surefoot, place: Place, snapshot: str | None, count: int | None, requester: Requester, *, as_json: bool
) -> int:
    """Show the plan. The exit code says whether all that is missing could be made."""
    answer = api.recreate(place, {"snapshot_id": snapshot, "count": count}, requester)
    result(answer, as_json, planned)
    return Exit.BLOCKED if answer["blocked"] else Exit.SUCCEEDED


def planned(answer: Mapping[str, Any]) -> str:
    """Return the plan in lines: each part in the order in which it is made, then what has to be done besides."""
    tasks = "" if answer["desired_count"] is None else f", {answer['desired_count']} tasks"
    lines = [f"from the snapshot {answer['snapshot_id']}{tasks}"]
    lines += [f"{_MARKS[part['state']]}{part['kind']} {part['name']}" for part in answer["parts"]]
    lines += [f"warning: {sentence}" for sentence in answer["warnings"]]
    if answer["by_hand"]:
        lines += ["Afterwards, by whoever owns the other security groups:", *answer["by_hand"]]
    return "\n".join([*lines, answer["sentence"]])
