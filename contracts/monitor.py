"""Monitor: numbers, alerts, dashboards. It alone judges a target; the others warn of their dead letters."""

from datetime import datetime
from typing import Literal

from contracts.base import Event, RunId
from contracts.gates import Comparison
from contracts.results import ProbesOutput


class CheckAlarms(Event):
    """Are the target's existing alarms armed and quiet?"""

    run_id: RunId


class WatchClosely(Event):
    """Evaluate the rules faster until the run is over or ``until`` has passed."""

    run_id: RunId
    until: datetime


class EvaluateRules(Event):
    """Judge every rule on points after ``since``; answer when each has a verdict, or at ``deadline``."""

    run_id: RunId
    since: datetime
    deadline: datetime
    probes: ProbesOutput | None = None
    """The validator's own requests, which count as samples where the service has too little traffic."""


class SetUpMonitoring(Event):
    """Create the dashboard and the alarms, and watch from now on."""

    run_id: RunId


class _Alert(Event):
    alert_id: str
    """Of the occurrence: raised and resolved carry the same."""
    rule: str
    state: Literal["raised", "resolved"]
    value: float | None
    comparison: Comparison
    threshold: float
    unit: str = ""
    samples: int
    began_at: datetime
    """When the rule was first seen broken."""
    detail: str
    dependency: str = ""
    """What the service depends on and is in trouble itself, as a sentence; then a deployment is not to blame."""


class CriticalAlert(_Alert):
    """Recovery rolls an armed target back on it, unless a dependency is in trouble."""


class WarningAlert(_Alert):
    """A rule was broken for five minutes, or a message could not be handled; nobody acts by himself on it."""
