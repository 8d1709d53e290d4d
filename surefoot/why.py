"""Why recovery rolled back or scaled, and why it did not."""

from collections.abc import Mapping
from typing import Any

_DECISIONS = {"acted": "rolled back", "declined": "did nothing", "people-called": "CALLED PEOPLE"}
_OF_SCALING = _DECISIONS | {"acted": "scaled"}


def decisions_of(found: Mapping[str, Any]) -> str:
    """Return the decisions as sentences, the newest first: when, what, and why, with what asked for it."""
    lines = [_line(decision) for decision in found["decisions"]]
    return "\n".join(lines) if lines else "nothing was to be decided: no alert, no failed gate, nobody who asked"


def _line(decision: Mapping[str, Any]) -> str:
    at = str(decision["decided_at"])[:19].replace("T", " ")
    words = _OF_SCALING if "scaling_id" in decision else _DECISIONS
    what = words.get(decision["decision"], decision["decision"])
    return f"{at}  {what}  {_asked(decision)}\n  {decision['sentence']}"


def _asked(decision: Mapping[str, Any]) -> str:
    """Return what asked for a rollback, and for which run or deployment."""
    trigger = decision["trigger"]
    match trigger["kind"]:
        case "alert":
            asked = f"alert {trigger['detail'] or trigger['rule']}"
        case "manual":
            asked = f"asked for by {trigger['actor'] or 'somebody'}"
        case _:
            asked = f"{trigger.get('reason', '')}"
    run_id = decision.get("run_id")
    about = f"run {run_id[:8]}" if run_id else decision["deployment_id"]
    return f"{asked} ({about})" if about else asked
