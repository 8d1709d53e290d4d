"""Verdicts, and the gates that yield them with their arithmetic."""

import operator
from collections.abc import Iterable
from enum import StrEnum
from typing import Literal, Self

from contracts.base import Contract
from contracts.prose import Prose


class Verdict(StrEnum):
    PASS = "pass"  # noqa: S105  a verdict, no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


Comparison = Literal[">=", "<=", ">", "<", "=="]
_HOLDS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "==": operator.eq}


def holds(value: float, comparison: Comparison, threshold: float) -> bool:
    """Return whether ``value comparison threshold`` is true, such as ``72 >= 70``."""
    return bool(_HOLDS[comparison](value, threshold))


class Gate(Contract):
    """One question with its arithmetic: ``value comparison threshold``, from so many samples."""

    name: str
    verdict: Verdict
    value: float | None
    """What was measured; None when it could not be measured."""
    comparison: Comparison
    threshold: float
    unit: str = ""
    samples: int
    """How many measurements the value rests on."""
    needs: int = 0
    """How many more samples it takes for a verdict; 0 when there is a verdict."""
    detail: Prose = ""
    """One sentence for a person: what was seen, or what it would take."""
    overridden_by: Prose | None = None
    """The person who overrode the gate, and why. The gate then counts as passed; its verdict stays on the record."""
    not_applicable: Prose | None = None
    """Why the question does not apply to this service, so that the gate passes and proves nothing. None: it applies."""

    found: Prose | None = None
    """What was found and is not held against the version, in one sentence; the gate passes. None: nothing."""

    @classmethod
    def measured(
        cls,
        name: str,
        value: float | None,
        comparison: Comparison,
        threshold: float,
        *,
        samples: int = 1,
        minimum: int = 1,
        unit: str = "",
        detail: str = "",
    ) -> Self:
        """Judge a value. Without a value, or with fewer than ``minimum`` samples, it is inconclusive."""
        if value is None or samples < minimum:
            verdict = Verdict.INCONCLUSIVE
        else:
            verdict = Verdict.PASS if holds(value, comparison, threshold) else Verdict.FAIL
        return cls(
            name=name,
            verdict=verdict,
            value=value,
            comparison=comparison,
            threshold=threshold,
            unit=unit,
            samples=samples,
            needs=max(0, minimum - samples) if verdict is Verdict.INCONCLUSIVE else 0,
            detail=detail,
        )

    @classmethod
    def between(
        cls,
        name: str,
        low: float,
        high: float,
        threshold: float,
        *,
        samples: int,
        unit: str = "",
        detail: str = "",
    ) -> Self:
        """Judge an interval against a least value: pass if its low end passes, fail if its high end fails.

        ``value`` is the end that decided; inconclusive shows the low end.
        """
        if low >= threshold:
            verdict, value = Verdict.PASS, low
        elif high < threshold:
            verdict, value = Verdict.FAIL, high
        else:
            verdict, value = Verdict.INCONCLUSIVE, low
        return cls(
            name=name,
            verdict=verdict,
            value=value,
            comparison=">=",
            threshold=threshold,
            unit=unit,
            samples=samples,
            detail=detail or f"between {low:g} and {high:g}",
        )

    @classmethod
    def true(cls, name: str, holds: bool | None, *, samples: int = 1, detail: str = "") -> Self:
        """Judge a plain yes (1) or no (0); None is unknown."""
        value = None if holds is None else float(holds)
        return cls.measured(name, value, "==", 1, samples=samples, detail=detail)

    @classmethod
    def does_not_apply(cls, name: str, why: str) -> Self:
        """Return a gate that passes since its question makes no sense for this service: ``why`` is one sentence."""
        return cls(
            name=name,
            verdict=Verdict.PASS,
            value=None,
            comparison="==",
            threshold=1,
            samples=0,
            detail=why,
            not_applicable=why,
        )

    @property
    def counts_as(self) -> Verdict:
        """The verdict after an override."""
        return Verdict.PASS if self.overridden_by else self.verdict

    @property
    def arithmetic(self) -> str:
        """``72 >= 70 (5 samples)``: what a person reads."""
        if self.not_applicable is not None:
            return "does not apply"
        value = "no data" if self.value is None else f"{self.value:g}{self.unit}"
        samples = f"{self.samples} sample{'' if self.samples == 1 else 's'}"
        more = f", needs {self.needs} more" if self.needs else ""
        must = "" if self.verdict is Verdict.PASS else ", must be"
        return f"{value}{must} {self.comparison} {self.threshold:g}{self.unit} ({samples}{more})"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Fail if any fails, else inconclusive if any is, else pass. Nothing at all is inconclusive."""
    seen = set(verdicts)
    if Verdict.FAIL in seen:
        return Verdict.FAIL
    if Verdict.INCONCLUSIVE in seen or not seen:
        return Verdict.INCONCLUSIVE
    return Verdict.PASS
