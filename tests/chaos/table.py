"""The table of one campaign or of many."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.chaos.judge import Report


def together(reports: Sequence[Report]) -> Report:
    """Add up; the rollbacks per run are a maximum."""
    whole = Report(reports[0].seed)
    harm: Counter[str] = Counter()
    states: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for report in reports:
        harm.update(report.harm)
        states.update(report.terminal_states)
        kinds.update(report.kinds)
        whole.runs += report.runs
        whole.outcomes_wrong += report.outcomes_wrong
        whole.runs_without_one += report.runs_without_one
        whole.runs_with_two += report.runs_with_two
        whole.changes_intended += report.changes_intended
        whole.effective_deployments += report.effective_deployments
        whole.late_calls_corrected += report.late_calls_corrected
        whole.rollbacks_per_run = max(whole.rollbacks_per_run, report.rollbacks_per_run)
        whole.rollbacks_outside += report.rollbacks_outside
        whole.deployments_of_others += report.deployments_of_others
        whole.events_lost += report.events_lost
        whole.services_checked += report.services_checked
        whole.services_wrong += report.services_wrong
        whole.dead_letters_expected += report.dead_letters_expected
        whole.dead_letters_found += report.dead_letters_found
        whole.copies_on_the_bus += report.copies_on_the_bus
        whole.audit_records += report.audit_records
        whole.approvals += report.approvals
        whole.pauses += report.pauses
        whole.scalings += report.scalings
        whole.scalings_restored += report.scalings_restored
        whole.superseded += report.superseded
        whole.holds += report.holds
        whole.acts_without_one_record += report.acts_without_one_record
        whole.seconds = round(whole.seconds + report.seconds, 1)
        whole.faults += [f"seed {report.seed}: {fault}" for fault in report.faults]
    whole.harm, whole.terminal_states = dict(sorted(harm.items())), dict(sorted(states.items()))
    whole.kinds = dict(sorted(kinds.items()))
    return whole


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
