"""Parses the conditions of ``filter``, and the values that any command names.

Sources: CloudWatch Logs user guide, "filter", "Boolean, comparison, numeric, datetime, and other functions".
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from sandbox.aws.logs.records import Moment, Row, Value, number, text
from sandbox.aws.logs.stats import Read
from sandbox.aws.logs.tokens import Predicate, Reader, Token, compiled, tokens, unquoted

T = TypeVar("T")

_TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<regex>/(?:[^/\\\n]|\\.)+/)
    |(?P<period>\d+[A-Za-z]+)
    |(?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
    |(?P<name>[@A-Za-z_][\w@]*(?:\.\w+)*|`[^`]+`)
    |(?P<sign><=|>=|!=|=~|[=<>*(),\[\]|])""",
    re.VERBOSE,
)
_ORDER: Mapping[str, Callable[[float | str, float | str], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_PERIOD = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
"""Milliseconds by unit, as ``bin`` takes them."""


class ConditionReader(Reader):
    """Reads what ``filter`` takes. An event that lacks a field fulfils no comparison but the negated ones."""

    OR, AND = "or", "and"

    def __init__(self, query: str) -> None:
        super().__init__(tokens(query, _TOKEN))
        self._query = query

    def term(self) -> Predicate:
        denied = False
        while self.take_if("not"):
            denied = not denied
        condition = self._term()
        return _denied(condition) if denied else condition

    def _term(self) -> Predicate:
        if self.take_if("("):
            return self.bracketed()
        if self.at("ispresent") and self.after.text == "(":
            self.take()
            self.expect("(")
            read = self.field()
            self.expect(")")
            return lambda row: read(row) is not None
        read = self.value()
        denied = self.take_if("not")
        sign = self.expect(*(("like", "in") if denied else ("=", "!=", *_ORDER, "like", "=~", "in"))).text.lower()
        condition = self._comparison(read, sign)
        return _denied(condition) if denied or sign == "!=" else condition

    def _comparison(self, read: Read, sign: str) -> Predicate:
        if sign in {"like", "=~"}:
            return _like(read, self._pattern())
        if sign == "in":
            choices = self._list()
            return lambda row: any(_same(read(row), choice(row)) for choice in choices)
        other = self.value()
        if sign in {"=", "!="}:
            return lambda row: _same(read(row), other(row))
        return lambda row: _in_order(_ORDER[sign], read(row), other(row))

    def _pattern(self) -> re.Pattern[str]:
        """Return a pattern: a string matches literally, a regular expression anywhere."""
        if self.here.kind == "string":
            return re.compile(re.escape(unquoted(self.take().text)))
        return self.regex()

    def regex(self) -> re.Pattern[str]:
        token = self.expect_kind("regex", "a /regular expression/ or a string")
        return compiled(token.text[1:-1], token)

    def _list(self) -> list[Read]:
        self.expect("[")
        choices = self.several(self.value)
        self.expect("]")
        return choices

    def several(self, read: Callable[[], T]) -> list[T]:
        """Read one or more items, with commas between."""
        found = [read()]
        while self.take_if(","):
            found.append(read())
        return found

    def value(self) -> Read:
        """Read a value: a field, a string, a number, true, false or a ``bin``."""
        token = self.here
        if token.kind == "string":
            return _constant(unquoted(self.take().text))
        if token.kind == "number":
            return _constant(float(self.take().text))
        if self.at("true", "false"):
            return _constant(int(self.take().text.lower() == "true"))
        if token.kind == "name" and self.after.text == "(":
            return self._bin()
        return self.field()

    def field(self) -> Read:
        name = self.name()
        return lambda row: row.get(name)

    def name(self) -> str:
        return self.expect_kind("name", "the name of a field").text.strip("`")

    def _bin(self) -> Read:
        function = self.take()
        if function.text.lower() != "bin":
            raise self.fault(f"the function {function.text} is not known here", function)
        self.expect("(")
        width = self._milliseconds(self.expect_kind("period", "a period such as 30s, 5m or 1h"))
        self.expect(")")

        def start(row: Row) -> Value | None:
            at = number(row.get("@timestamp"))
            return None if at is None else Moment(int(at) // width * width)

        return start

    def _milliseconds(self, token: Token) -> int:
        match = re.fullmatch(r"(\d+)([a-z]+)", token.text)
        if match is None or match[2] not in _PERIOD or int(match[1]) == 0:
            raise self.fault(f"{token.text} is no period: take a number and one of {', '.join(_PERIOD)}", token)
        return int(match[1]) * _PERIOD[match[2]]

    def written(self, start: Token) -> str:
        """Return the query's text from ``start`` to the token that was read last."""
        return self._query[start.start : self._tokens[self._place - 1].end]


def _constant(value: Value) -> Read:
    return lambda _: value


def _denied(condition: Predicate) -> Predicate:
    return lambda row: not condition(row)


def _like(read: Read, pattern: re.Pattern[str]) -> Predicate:
    return lambda row: (value := read(row)) is not None and pattern.search(text(value)) is not None


def _same(left: Value | None, right: Value | None) -> bool:
    if left is None or right is None:
        return False
    a, b = number(left), number(right)
    return a == b if a is not None and b is not None else text(left) == text(right)


def _in_order(test: Callable[[float | str, float | str], bool], left: Value | None, right: Value | None) -> bool:
    """Compare two values: numbers with numbers, and text with text."""
    if left is None or right is None:
        return False
    a, b = number(left), number(right)
    if a is not None and b is not None:
        return test(a, b)
    return a is None and b is None and test(text(left), text(right))
