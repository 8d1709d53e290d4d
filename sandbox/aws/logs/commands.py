"""The commands of a query: each turns a table into another table.

Source: CloudWatch Logs user guide, "CloudWatch Logs Insights language query syntax".
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sandbox.aws.logs.records import Row, Value, rank, text
from sandbox.aws.logs.stats import Aggregate, Read
from sandbox.aws.logs.tokens import Predicate

PLAIN = ("@timestamp", "@message")
"""The columns that are shown if the query names none."""


@dataclass(frozen=True, slots=True)
class Table:
    rows: Sequence[Row]
    """Events, latest first until they are sorted, or groups of them."""
    matched: int
    """Events that filters let through."""
    columns: tuple[str, ...] = ()
    """The columns that the query names; empty if it names none."""
    extracted: tuple[str, ...] = ()
    """The columns that ``parse`` has added."""
    are_events: bool = True
    """Whether the rows are events; False once they were grouped."""

    @property
    def shown(self) -> tuple[str, ...]:
        columns = self.columns or PLAIN
        return tuple(dict.fromkeys((*columns, *self.extracted, "@ptr") if self.are_events else columns))


Command = Callable[[Table], Table]
Columns = Mapping[str, Read]
"""Column name → a function that reads its value from a row, in the order in which columns are shown."""


Key = tuple[str | None, ...]
"""The values by which rows are grouped, as they are shown."""


def filtered(condition: Predicate) -> Command:
    def command(table: Table) -> Table:
        rows = [row for row in table.rows if condition(row)]
        return replace(table, rows=rows, matched=len(rows) if table.are_events else table.matched)

    return command


def with_fields(columns: Columns) -> Command:
    """Show these besides what other ``fields`` show."""

    def command(table: Table) -> Table:
        rows = [row | _present(columns, row) for row in table.rows]
        return replace(table, rows=rows, columns=(*table.columns, *columns))

    return command


def displayed(columns: Columns) -> Command:
    """Show these and nothing else."""

    def command(table: Table) -> Table:
        rows = [row | _present(columns, row) for row in table.rows]
        return replace(table, rows=rows, columns=tuple(columns), extracted=())

    return command


def parsed(read: Read, pattern: re.Pattern[str], names: Mapping[str, str | int]) -> Command:
    """Add fields, each with its group of ``pattern``, to the rows in whose value the pattern is found."""

    def extract(row: Row) -> Row:
        value = read(row)
        match = None if value is None else pattern.search(text(value))
        if match is None:
            return row
        return row | {name: match[group] for name, group in names.items() if match[group] is not None}

    def command(table: Table) -> Table:
        rows = [extract(row) for row in table.rows]
        return replace(table, rows=rows, extracted=(*table.extracted, *names))

    return command


def grouped(aggregates: Mapping[str, Aggregate], by: Columns) -> Command:
    """One row for each combination of what ``by`` finds; rows that lack one are a group of their own."""

    def command(table: Table) -> Table:
        groups: dict[Key, list[Row]] = {}
        for row in table.rows:
            groups.setdefault(_key(by, row), []).append(row)
        rows = [
            _present(by, of[0]) | _without_gaps({name: how(of) for name, how in aggregates.items()})
            for of in groups.values()
        ]
        return Table(rows, table.matched, (*by, *aggregates), are_events=False)

    return command


def ordered(keys: Sequence[tuple[Read, bool]]) -> Command:
    """Sort rows by the first key, then by the next; each comes with whether it is descending."""

    def command(table: Table) -> Table:
        rows = list(table.rows)
        for read, descending in reversed(keys):
            rows.sort(key=lambda row, read=read: rank(read(row)), reverse=descending)  # type: ignore[misc]
        return replace(table, rows=rows)

    return command


def limited(size: int) -> Command:
    return lambda table: replace(table, rows=table.rows[:size])


def deduplicated(columns: Columns) -> Command:
    """Keep the first row of each combination of values; a row that lacks a value is no duplicate."""

    def command(table: Table) -> Table:
        rows, known = [], set()
        for row in table.rows:
            key = _key(columns, row)
            if None in key or key not in known:
                rows.append(row)
            known.add(key)
        return replace(table, rows=rows)

    return command


def _key(columns: Columns, row: Row) -> Key:
    values = (read(row) for read in columns.values())
    return tuple(None if value is None else text(value) for value in values)


def _present(columns: Columns, row: Row) -> Row:
    return _without_gaps({name: read(row) for name, read in columns.items()})


def _without_gaps(row: Mapping[str, Value | None]) -> Row:
    return {name: value for name, value in row.items() if value is not None}
