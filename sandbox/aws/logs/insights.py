"""Runs queries of Logs Insights: parses the text to commands, and applies these to events.

Source: CloudWatch Logs user guide, "CloudWatch Logs Insights language query syntax".
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sandbox.aws.logs import commands
from sandbox.aws.logs.commands import Columns, Command, Table
from sandbox.aws.logs.filter_conditions import ConditionReader
from sandbox.aws.logs.records import Row, text
from sandbox.aws.logs.stats import FUNCTIONS, Aggregate, Read, count_all, over, pct
from sandbox.aws.logs.tokens import Token, unquoted

ROW_LIMIT = 100_000
"""Rows that a query may ask for."""


@dataclass(frozen=True, slots=True)
class Answer:
    rows: Sequence[Sequence[tuple[str, str]]]
    """Field and value, in the order in which they are shown."""
    matched: int
    """Events that the filters let through."""


def understood(query: str) -> list[Command]:
    """Return the commands of ``query``. Raise ``Malformed`` for a query that is wrong or not supported here."""
    return _QueryReader(query).commands()


def answered(query: Sequence[Command], rows: Sequence[Row]) -> Answer:
    """Return the result of the commands on ``rows``, which are events, latest first."""
    table = Table(rows, len(rows))
    for command in query:
        table = command(table)
    shown = table.shown
    return Answer([[(name, text(row[name])) for name in shown if name in row] for row in table.rows], table.matched)


class _QueryReader(ConditionReader):
    def commands(self) -> list[Command]:
        found = [self._command(None)]
        while self.here.kind != "end":
            before = found[-1]
            self.expect("|")
            found.append(self._command(before))
        return [command for _, command in found]

    def _command(self, before: tuple[str, Command] | None) -> tuple[str, Command]:
        readers: Mapping[str, Callable[[], Command]] = {
            "fields": lambda: commands.with_fields(self._columns()),
            "display": lambda: commands.displayed(self._columns()),
            "filter": lambda: commands.filtered(self.condition()),
            "parse": self._parse,
            "stats": self._stats,
            "sort": lambda: commands.ordered(self.several(self._key)),
            "limit": lambda: commands.limited(self._size()),
            "dedup": lambda: commands.deduplicated(self._columns()),
        }
        token = self.expect_kind("name", "a command")
        name = token.text.lower()
        if name not in readers:
            raise self.fault(f"the command {token.text} is not known here: use {', '.join(readers)}", token)
        if before is not None and before[0] == "dedup" and name != "limit":
            raise self.fault("only limit may stand after dedup", token)
        return name, readers[name]()

    def _columns(self) -> Columns:
        return dict(self.several(self._column))

    def _column(self) -> tuple[str, Read]:
        start = self.here
        read = self.value()
        return self._called(start), read

    def _called(self, start: Token) -> str:
        """Return the alias that stands here, or else the text since ``start``."""
        written = self.written(start).strip("`")
        return self.name() if self.take_if("as") else written

    def _key(self) -> tuple[Read, bool]:
        start = self.here
        # What stats made is sorted by the name that it has there, such as count(*).
        read = self._aggregated(start) if self.after.text == "(" else self.field()
        descending = self.at("desc")
        if self.at("asc", "desc"):
            self.take()
        return read, descending

    def _aggregated(self, start: Token) -> Read:
        if start.text.lower() == "bin":
            self.value()
        else:
            self._aggregate()
        name = self.written(start)
        return lambda row: row.get(name)

    def _size(self) -> int:
        token = self.expect_kind("number", "a number of rows")
        if not token.text.isdecimal() or not 1 <= int(token.text) <= ROW_LIMIT:
            raise self.fault(f"limit takes a whole number from 1 to {ROW_LIMIT}", token)
        return int(token.text)

    def _parse(self) -> Command:
        read = self.field() if self.here.kind == "name" else lambda row: row.get("@message")
        token = self.here
        if token.kind == "string":
            return self._glob(read)
        pattern = self.regex()
        if not pattern.groupindex:
            raise self.fault("parse takes from a regular expression what its named groups (?<name>…) find", token)
        return commands.parsed(read, pattern, {name: name for name in pattern.groupindex})

    def _glob(self, read: Read) -> Command:
        token = self.take()
        parts = unquoted(token.text).split("*")
        self.expect("as")
        names = self.several(self.name)
        if len(parts) - 1 != len(names):
            raise self.fault(f"{token.text} has {len(parts) - 1} wildcards, and {len(names)} names follow it", token)
        # A wildcard ends where what follows it begins; the last one has all that is left.
        pattern = "(.*?)".join(map(re.escape, parts)) + (r"\Z" if parts[-1] == "" else "")
        groups = {name: place for place, name in enumerate(names, 1)}
        return commands.parsed(read, re.compile(pattern, re.DOTALL), groups)

    def _stats(self) -> Command:
        aggregates = dict(self.several(self._named_aggregate))
        return commands.grouped(aggregates, self._columns() if self.take_if("by") else {})

    def _named_aggregate(self) -> tuple[str, Aggregate]:
        start = self.here
        aggregate = self._aggregate()
        return self._called(start), aggregate

    def _aggregate(self) -> Aggregate:
        token = self.expect_kind("name", "an aggregation such as count(*)")
        name = token.text.lower()
        if name not in FUNCTIONS and name != "pct":
            raise self.fault(f"the aggregation {token.text} is not known here: use pct, {', '.join(FUNCTIONS)}", token)
        self.expect("(")
        aggregate = self._arguments(name)
        self.expect(")")
        return aggregate

    def _arguments(self, name: str) -> Aggregate:
        if name == "count" and self.take_if("*"):
            return count_all
        read = self.value()
        if name != "pct":
            return over(name, read)
        self.expect(",")
        token = self.expect_kind("number", "a percentage")
        if not 0 <= float(token.text) <= 100:
            raise self.fault("a percentage is from 0 to 100", token)
        return pct(read, float(token.text))
