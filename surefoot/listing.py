"""Runs and services as lists."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from surefoot.exit_codes import Exit
from surefoot.output import CannotDo
from surefoot.readable import migration_of, table

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_AGO = re.compile(r"([0-9]{1,5})([mhd])")
ID_LENGTH = 8
"""Characters of a run's id that are shown; so many are enough to name it."""


def moment(text: str | None, now: datetime) -> str | None:
    """Read ``90m``, ``12h``, ``7d`` (so long before ``now``) or an ISO 8601 moment. Raise ``CannotDo`` for others."""
    if text is None:
        return None
    if ago := _AGO.fullmatch(text):
        return (now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})).isoformat()
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise CannotDo(f"{text!r} is no time: write 90m, 12h, 7d or 2026-01-31T12:00", Exit.USAGE) from None
    return given.astimezone(UTC).isoformat()


def status_of(run: Mapping[str, Any]) -> str:
    """Return a line about a run: its id, how it ended or where it is, and why or how far it is."""
    held = f"{run['held']}." if run.get("held") else ""
    line = f"{run['run_id']} {run['outcome'] or run['status']}: {run['reason'] or held or run.get('progress') or ''}"
    return "\n  ".join(filter(None, (line, migration_of(run))))


def runs_of(found: Sequence[Mapping[str, Any]]) -> str:
    """Return a line for each run: its id, service, outcome, time and author of the request, and change."""
    if not found:
        return "no runs"
    return table([("RUN", "SERVICE", "OUTCOME", "ASKED FOR", "TOOK", "BY", "CHANGE"), *map(_run, found)])


def services_of(found: Sequence[Mapping[str, Any]]) -> str:
    """Return a line for each service: its run, whether it is armed, its open alerts, its health score."""
    if not found:
        return "no services: list them in a policy, or deploy one"
    return table(
        [("SERVICE", "ACCOUNT", "REGION", "NOW", "LAST RUN", "ARMED", "ALERTS", "SCORE"), *map(_service, found)]
    )


def _run(run: Mapping[str, Any]) -> tuple[str, ...]:
    took = "" if run["seconds"] is None else f"{run['seconds']:.0f} s"
    outcome = run["outcome"] or _held(run) or run["status"]
    named = (run["run_id"][:ID_LENGTH], _named(run["target"]), outcome, _when(run["asked_at"]))
    return (*named, took, run["actor"], _change(run))


def _service(service: Mapping[str, Any]) -> tuple[str, ...]:
    target, condition = service["target"], service["condition"]
    alerts = ", ".join(alert["rule"] for alert in condition["alerts"]) or "none"
    armed = "yes" if condition["armed"] else "no"
    place = (_named(target), target["account"], target["region"])
    return (*place, _now(service), _last(service["last_run"]), armed, alerts, _score(condition["score"]))


def _named(target: Mapping[str, str]) -> str:
    return f"{target['cluster']}/{target['service']}"


def _when(moment: str | None) -> str:
    return "" if moment is None else moment[:16].replace("T", " ")


def _change(run: Mapping[str, Any]) -> str:
    change = run["change"]
    named = run["image"] or change.get("task_definition")
    return str(named).rpartition("/")[2] if named else str(change["kind"]).replace("_", "-")


def _now(service: Mapping[str, Any]) -> str:
    run = service["active_run"]
    if run is None:
        condition = service["condition"]
        return (
            "people are called"
            if condition.get("called")
            else "no way back"
            if condition.get("no_way_back")
            else "a version is held"
            if service.get("version_holds")
            else "idle"
        )
    waiting = f", {service['queued']} waiting" if service["queued"] else ""
    return f"{_held(run) or (run['phase'] or run['status']).replace('_', ' ')}{waiting}"


def _held(run: Mapping[str, Any]) -> str:
    """Return why a run is held; an orchestrator of the version before does not say."""
    held = str(run.get("held") or "")
    return f"{held[:1].lower()}{held[1:]}"


def _last(run: Mapping[str, Any] | None) -> str:
    return "none" if run is None else f"{run['outcome']} {_when(run['finished_at'])}".strip()


def _score(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return "unknown"
    low, high = f"{score['low']:.0f}", f"{score['high']:.0f}"
    return low if low == high else f"{low}-{high}"
