"""What an end of a cell is worth. It follows from the image and from what AWS allowed, and knows no opinion. Pure.

A healthy version goes live, a bad one does not stay; or the deployment is refused before the change, with a reason that
names what AWS did not do. Where the evidence that a verdict needs is missing, a healthy version may also stay without a
verdict. A rollback that AWS would have carried out is sent; where AWS refuses for ever what it needs, people are
called. Whatever happens, the run ends in time.
"""

from dataclasses import dataclass
from enum import StrEnum

from benchmarks.denials.cells import CLOCK, Cell
from benchmarks.denials.operations import NEEDED_BACK, NEEDED_FOR_ALARMS, When
from contracts.deployment import Outcome
from sandbox.scenarios.harm import Kind

LONGEST = 3600.0
"""Product seconds within which a run ends; without harm it takes four minutes."""
SECRET = "correct-horse-battery"  # noqa: S105  a value in the environment of the sandbox's task definition
ANSWERED = frozenset({Kind.OMIT.value})
"""Harm after which AWS has answered, so that there is no refusal to name."""


class Worth(StrEnum):
    """What an end is worth. All but the first four are wrong."""

    RIGHT = "right"
    REFUSED = "refused"
    """Blocked before the change, by a reason that names the operation."""
    NO_VERDICT = "no verdict"
    """A healthy version stays, and the run says that it could not be judged, and by what."""
    NO_WAY_BACK = "no way back"
    """A bad version stays since AWS refused for ever what a rollback needs, and the run says so and calls people."""
    FALSE_SUCCESS = "false success"
    FALSE_ROLLBACK = "false rollback"
    WITHHELD = "rollback withheld"
    """A bad version stayed, though AWS would have taken the call that brings the old one back."""
    STAYED = "bad stayed"
    """A bad version stayed, though a rollback was sent, or nobody was told what AWS refused."""
    CALLED_FAILED = "called failed"
    """The version before is back, and the run says that it is not."""
    SILENT = "silent"
    """The end is right or a refusal, and what AWS did not do is nowhere said where it must be."""
    UNARMED = "unarmed"
    """It succeeded without Surefoot's own alarms, though AWS would have taken them."""
    LATE = "late"
    SPILT = "spilt"
    """A secret, or a traceback, stands in what is published."""
    FAULT = "fault"


ACCEPTED = (Worth.RIGHT, Worth.REFUSED, Worth.NO_VERDICT, Worth.NO_WAY_BACK)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a cell ended."""

    outcome: str
    """An outcome; ``never``, where it did not within ``LONGEST``; ``fault``, where a service ended by an error."""
    reason: str = ""
    seconds: float = 0.0
    """Product seconds, from the request to the end."""
    changed: bool = False
    """Whether AWS began to deploy the new version."""
    live: bool = False
    """Whether the new version is what the service is to run in the end."""
    sent_back: bool = False
    """Whether a rollback's UpdateService reached AWS."""
    armed: bool = False
    """Whether alarms of Surefoot's own stand over the service in the end."""
    told: bool = False
    """Whether anything that was published names the operation."""
    spilt: bool = False
    """Whether anything that was published holds the secret, or a traceback."""


def worth(cell: Cell, ended: Ended) -> Worth:
    if ended.outcome == "fault":
        return Worth.FAULT
    if ended.spilt:
        return Worth.SPILT
    if not cell.healthy and ended.changed and ended.live:
        return _of_bad_that_stayed(cell, ended)
    if ended.outcome == "never":
        return Worth.LATE
    if ended.outcome == Outcome.BLOCKED:
        return _of_refusal(cell, ended)
    return _of_healthy(cell, ended) if cell.healthy else _of_bad(ended)


def may_go_back(cell: Cell) -> bool:
    """Return whether AWS allowed all that a rollback needs in order to be sent."""
    answered = cell.operation == CLOCK or cell.harm in ANSWERED
    return answered or cell.when is When.BEFORE or cell.operation not in NEEDED_BACK


def may_arm(cell: Cell) -> bool:
    """Return whether AWS allowed all that alarms over the service need."""
    return cell.when is When.BEFORE or cell.operation not in NEEDED_FOR_ALARMS


def _of_bad_that_stayed(cell: Cell, ended: Ended) -> Worth:
    if ended.outcome == Outcome.SUCCEEDED:
        return Worth.FALSE_SUCCESS
    if may_go_back(cell):
        return Worth.STAYED if ended.sent_back else Worth.WITHHELD
    told = ended.outcome in {Outcome.ROLLBACK_FAILED, Outcome.FAILED} and _named(cell, ended)
    return Worth.NO_WAY_BACK if told else Worth.STAYED


def _of_refusal(cell: Cell, ended: Ended) -> Worth:
    if ended.changed:
        return Worth.FALSE_ROLLBACK if cell.healthy else Worth.CALLED_FAILED
    return Worth.REFUSED if _named(cell, ended) else Worth.SILENT


def _named(cell: Cell, ended: Ended) -> bool:
    """Return whether the reason names the operation, where AWS has refused it."""
    return cell.operation == CLOCK or cell.harm in ANSWERED or cell.operation.split(":")[1] in ended.reason


def _of_healthy(cell: Cell, ended: Ended) -> Worth:
    if ended.outcome == Outcome.SUCCEEDED:
        if not ended.live:
            return Worth.FALSE_SUCCESS
        if not ended.armed and may_arm(cell):
            return Worth.UNARMED
        return Worth.RIGHT if ended.armed or ended.told else Worth.SILENT
    if ended.outcome == Outcome.FAILED and ended.live and not ended.sent_back:
        return Worth.NO_VERDICT if ended.told else Worth.SILENT
    if not ended.changed:
        return Worth.REFUSED if ended.told else Worth.SILENT
    return Worth.FALSE_ROLLBACK


def _of_bad(ended: Ended) -> Worth:
    if ended.outcome == Outcome.SUCCEEDED:
        return Worth.FALSE_SUCCESS
    if ended.outcome == Outcome.ROLLED_BACK:
        return Worth.RIGHT
    return Worth.CALLED_FAILED if ended.changed else Worth.REFUSED
