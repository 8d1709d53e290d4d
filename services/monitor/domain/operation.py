"""A set-up that was asked for over the API."""

from typing import Literal

from contracts.gates import Gate, Verdict
from contracts.operations import Operation
from contracts.prose import Prose
from contracts.results import MonitoringOutput

Part = Literal["dashboard", "alarms"]


class SetUp(Operation):
    kind: str = "set-up"
    parts: tuple[Part, ...]
    verdict: Verdict | None = None
    summary: Prose = ""
    """The same text as ``sentence``, under the name that version 0.1.0 gave it."""
    gates: tuple[Gate, ...] = ()
    output: MonitoringOutput | None = None
