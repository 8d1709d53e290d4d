"""Scale a service in an emergency, and end that early."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from surefoot.arguments import Place, Requester, overrides_of
from surefoot.client import Surefoot
from surefoot.exit_codes import Exit
from surefoot.output import note, result

LOOK_SECONDS = 0.5


def scale(
    api: Surefoot,
    place: Place,
    count: int,
    requester: Requester,
    *,
    minutes: float | None,
    overrides: Sequence[str],
    dry_run: bool,
    as_json: bool,
) -> int:
    """Ask for more tasks and wait until they run, or show what would be set."""
    body = {"target_count": count, "minutes": minutes, "overrides": overrides_of(overrides), "dry_run": dry_run}
    answer = api.scale(place, body, requester)
    for warning in answer.get("warnings") or ():
        note(("warning: ", "yellow"), warning)
    if dry_run:
        result(answer, as_json, planned)
        return Exit.SUCCEEDED
    note(answer["sentence"])
    return _followed(api, place, answer["operation_id"], as_json=as_json)


def end(api: Surefoot, place: Place, requester: Requester, *, as_json: bool) -> int:
    """End the scaling that stands, and wait until all is as before."""
    answer = api.end_scaling(place, requester)
    note(f"restoring what was set on {place.service} …")
    return _followed(api, place, answer["operation_id"], as_json=as_json)


def planned(plan: Mapping[str, Any]) -> str:
    """Return what a scaling would set; a limit that stays as it is, is not named."""
    names = {"desired": "desired count", "low": "the autoscaler's minimum", "high": "the autoscaler's maximum"}
    lines = [
        f"  {name}: {plan['before'][field]} → {plan['raised'][field]}"
        for field, name in names.items()
        if plan["raised"][field] is not None
    ]
    return "\n".join([f"{plan['sentence']} Nothing was changed.", *lines, f"  until {plan['until']}"])


def _followed(api: Surefoot, place: Place, operation_id: str, *, as_json: bool) -> int:
    operation: dict[str, Any] = api.operation(operation_id, place)
    while operation.get("state") == "running":
        time.sleep(LOOK_SECONDS)
        operation = api.operation(operation_id, place)
    result(operation, as_json, lambda end: f"{end.get('result') or 'failed'}: {end['sentence']}")
    if operation.get("result") == "refused":
        return Exit.BLOCKED
    return Exit.FAILED if operation.get("state") == "failed" else Exit.SUCCEEDED
