"""The cells of the matrix: an operation, the harm that is done to it, when, and the image that is deployed."""

from dataclasses import dataclass

from benchmarks.denials.operations import OF_ALARMS, OPERATIONS, When
from benchmarks.judge.images import IMAGES
from sandbox.scenarios.harm import Kind, Rule
from sandbox.scenarios.model import Scenario

HARMS = tuple(kind.value for kind in (Kind.DENY, Kind.THROTTLE, Kind.HANG, Kind.ERROR_BEFORE, Kind.OMIT))
CLOCK = "clock"
"""In place of an operation: AWS's clock is ahead of Surefoot's, or behind."""
CLOCKS = {"ahead": 30.0, "behind": -30.0}
HEALTHY = "healthy"
IMAGE_NAMES = (HEALTHY, "errors-50", "crash-at-start")
TRAFFIC = 600
"""Requests a minute: enough for each rule to judge by."""
ALARM = {"name": "errors", "metric": "HTTPCode_Target_5XX_Count", "above": 60, "treat_missing_data": "notBreaching"}


@dataclass(frozen=True, slots=True)
class Cell:
    operation: str
    """``service:Operation``, or ``clock``."""
    harm: str
    """A kind of harm, or ``ahead`` or ``behind``."""
    when: When
    image: str

    @property
    def name(self) -> str:
        return f"{self.operation} {self.harm} {self.when} {self.image}"

    @property
    def healthy(self) -> bool:
        return self.image == HEALTHY

    @property
    def rule(self) -> Rule | None:
        """Return the rule by which the calls fail; None where nothing but the clock is wrong."""
        if self.operation == CLOCK:
            return None
        service, operation = self.operation.split(":")
        kind = Kind(self.harm)
        return Rule(
            kind=kind,
            service=service,
            operation=operation,
            agent="surefoot/recovery/rollback/" if self.when is When.ROLLBACK else "surefoot",
            omits=OPERATIONS[self.operation].optional if kind is Kind.OMIT else (),
        )

    @property
    def scenario(self) -> Scenario:
        alarms = [ALARM] if self.operation in OF_ALARMS else []
        return Scenario.model_validate(
            {
                "name": "new",
                "teaches": f"{self.name}.",
                "image": IMAGES[self.image].behaviour,
                "world": {
                    "clock_ahead": CLOCKS.get(self.harm, 0.0),
                    "traffic": {"peak": TRAFFIC, "night": TRAFFIC},
                    "alarms": alarms,
                },
                "policy": {"version": 1, "defaults": {"monitoring": {"alarms": [ALARM["name"]]}}} if alarms else None,
                "expect": {"outcome": "succeeded"},
            }
        )


def with_name(name: str) -> Cell:
    """Return the cell of this name. Raise ``ValueError`` where there is none."""
    operation, harm, when, image = name.split()
    cell = Cell(operation, harm, When(when), image)
    if why := impossible(cell):
        raise ValueError(f"{name}: {why}")
    return cell


def matrix() -> list[Cell]:
    """Return all cells that can be."""
    clocks = [Cell(CLOCK, harm, When.ALWAYS, image) for harm in CLOCKS for image in IMAGE_NAMES]
    every = (
        Cell(operation, harm, when, image)
        for operation in OPERATIONS
        for harm in HARMS
        for when in When
        for image in IMAGE_NAMES
    )
    return [*clocks, *(cell for cell in every if not impossible(cell))]


def impossible(cell: Cell) -> str:
    """Return why a cell cannot be, or would repeat another; empty where it stands for itself."""
    if cell.image not in IMAGE_NAMES:
        return "there is no such image"
    if cell.operation == CLOCK:
        return "" if cell.harm in CLOCKS and cell.when is When.ALWAYS else "a clock is ahead or behind, always"
    operation = OPERATIONS.get(cell.operation)
    if operation is None or cell.harm not in HARMS:
        return "there is no such operation or harm"
    sometimes = cell.when is not When.ALWAYS
    reasons = {
        "its answer can lack nothing": cell.harm == Kind.OMIT and not operation.optional,
        "it is not called then": sometimes and cell.when not in operation.when,
        "nothing is rolled back": cell.when is When.ROLLBACK and cell.healthy,
        "it is called at no other time": sometimes and len(operation.when) == 1,
    }
    return next((why for why, holds in reasons.items() if holds), "")
