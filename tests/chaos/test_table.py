"""The table of campaigns: every figure is in it, and what was broken stands at its end."""

from dataclasses import fields

import pytest

from tests.chaos.report import Report
from tests.chaos.table import print_table, together

FIGURES = [
    field.name for field in fields(Report) if field.name != "seed" and field.type in {"int", "float", int, float}
]


def test_the_faults_stand_behind_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = Report(3, runs=40, faults=["run-7 [slow] has no terminal state"]), Report(4, runs=40)
    print_table(together([first, second]))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "seed 3: run-7 [slow] has no terminal state"
    assert any("runs" in line and "80" in line for line in lines[:-1])


@pytest.mark.parametrize("figure", FIGURES)
def test_the_figures_of_several_campaigns_are_added(figure: str) -> None:
    first, second = Report(1), Report(2)
    setattr(first, figure, 2)
    setattr(second, figure, 3)
    whole = together([first, second])
    assert getattr(whole, figure) == (3 if figure == "rollbacks_per_run" else 5)
