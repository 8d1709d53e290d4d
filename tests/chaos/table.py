"""The table of one campaign or of many."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.chaos.report import Report


def together(reports: Sequence[Report]) -> Report:
    """Add up; the rollbacks per run are a maximum."""
    whole = Report(reports[0].seed)
    for report in reports:
        for name in (field.name for field in fields(Report) if field.name not in {"seed", "faults"}):
            setattr(whole, name, _added(name, getattr(whole, name), getattr(report, name)))
        whole.faults += [f"seed {report.seed}: {fault}" for fault in report.faults]
    return whole


def _added(name: str, sum_: Any, more: Any) -> Any:
    if isinstance(more, dict):
        added = Counter(sum_)
        added.update(more)
        return dict(sorted(added.items()))
    return max(sum_, more) if name == "rollbacks_per_run" else round(sum_ + more, 1)


def print_table(report: Report) -> None:
    """On stdout, one line a figure; the faults stand last, since a log may keep its end alone."""
    table = Table(title="Chaos", show_header=False, title_justify="left")
    table.add_column()
    table.add_column(justify="right")
    for name, value in report.as_json().items():
        if name == "faults":
            table.add_row("faults", str(len(report.faults)))
        elif isinstance(value, dict):
            table.add_section()
            table.add_row(name.replace("_", " "), str(sum(value.values())))
            for kind, count in value.items():
                table.add_row(f"  {kind}", str(count))
            table.add_section()
        else:
            table.add_row(name.replace("_", " "), str(value))
    console = Console()
    console.print(table)
    for fault in report.faults:
        console.print(fault, style="red", highlight=False, markup=False, soft_wrap=True)
