"""CloudWatch metric math, as far as a deployment tool's queries go.

Numbers, ids, ``+ - * /``, comparisons, ``AND``/``OR``, arrays, and IF, FILL, SUM, MAX, MIN, AVG. Where only
one of two series has a point, the other counts as 0; a division by zero makes no point; where neither has
one there is none, which is what FILL is for.
Source: "Using math expressions with CloudWatch metrics" in the CloudWatch User Guide.
"""

import math
import operator
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Series = dict[float, float]
"""Time, in epoch seconds, to value; in time order."""
Value = float | Series | list[Series]

LENGTH_LIMIT = 2048
"""Characters of an expression, as the model of the service has it."""
DEPTH_LIMIT = 40
"""Nested brackets and signs; CloudWatch names no limit, the interpreter's stack has one."""
POINT_LIMIT = 100_800
"""Points that FILL may make: as many as one call of GetMetricData returns."""

_TOKEN = re.compile(r"\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|([A-Za-z_]\w*)|(<=|>=|==|!=|&&|\|\||[-+*/()<>,\[\]]))")
_COMPARE: Mapping[str, Callable[[float, float], float]] = {
    sign: lambda a, b, test=test: float(test(a, b))  # type: ignore[misc]  # mypy infers no default of a lambda
    for sign, test in {
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
        "==": operator.eq,
        "!=": operator.ne,
    }.items()
}
_ADD: Mapping[str, Callable[[float, float], float]] = {"+": operator.add, "-": operator.sub}
_MULTIPLY: Mapping[str, Callable[[float, float], float]] = {"*": operator.mul, "/": lambda a, b: a / b}
_AND: Mapping[str, Callable[[float, float], float]] = {
    sign: lambda a, b: float(bool(a) and bool(b)) for sign in ("AND", "&&")
}
_OR: Mapping[str, Callable[[float, float], float]] = {
    sign: lambda a, b: float(bool(a) or bool(b)) for sign in ("OR", "||")
}
_LEVELS = (_OR, _AND, _COMPARE, _ADD, _MULTIPLY)
"""Operators by precedence, the weakest first."""
_COMBINE: Mapping[str, Callable[[Sequence[float]], float]] = {
    "SUM": math.fsum,
    "MAX": max,
    "MIN": min,
    "AVG": lambda values: math.fsum(values) / len(values),
}


class InvalidExpression(Exception):
    """The expression cannot be evaluated; the message is a sentence for its author."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that an expression may use."""

    values: Mapping[str, Value]
    """Id of a query → its value."""
    grid: Sequence[int]
    """Starts of the query's periods, in epoch seconds, at which FILL puts points."""


def evaluate(expression: str, scope: Scope) -> Value:
    """Return the value of ``expression``: a number, a series, or an array of series. Raise ``InvalidExpression``."""
    if len(expression) > LENGTH_LIMIT:
        raise InvalidExpression(f"an expression has at most {LENGTH_LIMIT} characters, this one {len(expression)}")
    reader = _Reader(_tokens(expression), scope)
    value = reader.level(0)
    if reader.here:
        raise InvalidExpression(f"{reader.here!r} stands where the expression should have ended: {expression}")
    return value


def identifiers(expression: str) -> set[str]:
    """Return the ids that ``expression`` names. Raise ``InvalidExpression`` for an unknown character."""
    return {token for token in _tokens(expression) if re.fullmatch(r"[a-z]\w*", token)}


def _tokens(expression: str) -> list[str]:
    tokens, place, text = [], 0, expression.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise InvalidExpression(f"{text[place:].lstrip()[:1]!r} is not understood in the expression {text}")
        tokens.append(match[match.lastindex or 0])
        place = match.end()
    return tokens


class _Reader:
    """Recursive descent over the tokens, which evaluates on the way."""

    def __init__(self, tokens: Sequence[str], scope: Scope) -> None:
        self._tokens, self._scope, self._place, self._depth = tokens, scope, 0, 0

    @property
    def here(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def take(self) -> str:
        token = self.here
        self._place += 1
        return token

    def expect(self, token: str) -> None:
        if self.here != token:
            raise InvalidExpression(f"{token!r} is missing before {self.here or 'the end'!r}")
        self._place += 1

    def level(self, level: int) -> Value:
        if level == len(_LEVELS):
            return self.operand()
        value, signs = self.level(level + 1), _LEVELS[level]
        while self.here in signs:
            value = _apply(signs[self.take()], value, self.level(level + 1))
        return value

    def operand(self) -> Value:
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise InvalidExpression(f"the expression is nested more than {DEPTH_LIMIT} deep")
        try:
            return self._operand(self.take())
        finally:
            self._depth -= 1

    def _operand(self, symbol: str) -> Value:
        if symbol == "-":
            return _apply(operator.mul, -1.0, self.operand())
        if symbol == "(":
            value = self.level(0)
            self.expect(")")
            return value
        if symbol == "[":
            return self._array()
        if symbol[:1].isdigit() or symbol[:1] == ".":
            return float(symbol)
        if self.here == "(":
            return self._call(symbol)
        if re.fullmatch(r"[a-z]\w*", symbol):
            if symbol not in self._scope.values:
                raise InvalidExpression(f"the id {symbol!r} is not defined by any query")
            return self._scope.values[symbol]
        raise InvalidExpression(f"{symbol or 'the end'!r} stands where a value is due")

    def _array(self) -> list[Series]:
        array: list[Series] = []
        for value in self._values("]"):
            array += _many(value, "an array")
        return array

    def _values(self, close: str) -> list[Value]:
        values = [self.level(0)]
        while self.here == ",":
            self.take()
            values.append(self.level(0))
        self.expect(close)
        return values

    def _call(self, name: str) -> Value:
        self.expect("(")
        if name == "FILL":
            return self._fill()
        arguments = self._values(")")
        if name == "IF":
            if len(arguments) not in {2, 3}:
                raise InvalidExpression("IF takes a condition, a value and another value")
            return _choose(arguments[0], arguments[1], arguments[2] if len(arguments) == 3 else {})
        if name in _COMBINE:
            if len(arguments) != 1:
                raise InvalidExpression(f"{name} takes one series or one array such as [m1, m2]")
            return _combine(_COMBINE[name], arguments[0], name)
        raise InvalidExpression(f"the function {name} is not known here: use IF, FILL, SUM, MAX, MIN or AVG")

    def _fill(self) -> Value:
        value = self.level(0)
        self.expect(",")
        filler: str | Value = self.take() if self.here in {"REPEAT", "LINEAR"} else self.level(0)
        self.expect(")")
        filled = [_filled(series, filler, self._scope.grid) for series in _many(value, "FILL")]
        return filled if isinstance(value, list) else filled[0]


def _many(value: Value, name: str) -> list[Series]:
    if isinstance(value, float):
        raise InvalidExpression(f"{name} takes time series, not the number {value:g}")
    return value if isinstance(value, list) else [value]


def _apply(function: Callable[[float, float], float], left: Value, right: Value) -> Value:
    if isinstance(left, list) and isinstance(right, list):
        raise InvalidExpression("two arrays cannot be put together by an operator")
    if isinstance(left, list):
        return [_series(_apply(function, element, right)) for element in left]
    if isinstance(right, list):
        return [_series(_apply(function, left, element)) for element in right]
    if isinstance(left, float) and isinstance(right, float):
        answer = _finite(function, left, right)
        if answer is None:
            raise InvalidExpression(f"{left:g} and {right:g} give no number")
        return answer
    if isinstance(left, float):
        points = ((at, _finite(function, left, value)) for at, value in _series(right).items())
    elif isinstance(right, float):
        points = ((at, _finite(function, value, right)) for at, value in left.items())
    else:
        moments = sorted(left.keys() | right.keys())
        points = ((at, _finite(function, left.get(at, 0.0), right.get(at, 0.0))) for at in moments)
    return {at: value for at, value in points if value is not None}


def _finite(function: Callable[[float, float], float], left: float, right: float) -> float | None:
    # Where a division by zero or an overflow gives no number, CloudWatch shows no point.
    try:
        answer = function(left, right)
    except (ZeroDivisionError, OverflowError):
        return None
    return answer if math.isfinite(answer) else None


def _series(value: Value) -> Series:
    if not isinstance(value, dict):
        raise InvalidExpression("a single time series is due here")
    return value


def _choose(condition: Value, yes: Value, no: Value) -> Value:
    """Return IF's value: a missing point of ``yes`` counts as 0, of ``no`` it gives none (CloudWatch user guide)."""
    if isinstance(condition, float):
        return yes if condition else no
    if isinstance(yes, list) or isinstance(no, list):
        raise InvalidExpression("IF takes series and numbers, not arrays")
    points = ((at, _point(yes, at, 0.0) if test else _point(no, at, None)) for at, test in _series(condition).items())
    return {at: value for at, value in points if value is not None}


def _point(value: float | Series, at: float, missing: float | None) -> float | None:
    return value if isinstance(value, float) else value.get(at, missing)


def _combine(function: Callable[[Sequence[float]], float], value: Value, name: str) -> Value:
    """Aggregate an array to a series, or a series to a number. AVG counts a missing point as 0, MAX and MIN do not."""
    if isinstance(value, float):
        raise InvalidExpression(f"{name} takes one series or one array, not the number {value:g}")
    if isinstance(value, dict):
        return function(list(value.values())) if value else {}
    moments = sorted({at for series in value for at in series})
    if name == "AVG":
        return {at: function([series.get(at, 0.0) for series in value]) for at in moments}
    return {at: function([series[at] for series in value if at in series]) for at in moments}


def _filled(series: Series, filler: str | Value, grid: Sequence[int]) -> Series:
    """Return ``series`` with a point at each of ``grid``; REPEAT and LINEAR add none outside the known points."""
    if isinstance(filler, list):
        raise InvalidExpression("FILL takes a number, a series, REPEAT or LINEAR as its second argument")
    if len(grid) > POINT_LIMIT:
        raise InvalidExpression(f"FILL makes at most {POINT_LIMIT} points: ask for a shorter time")
    known = sorted(series)
    moments = sorted({*map(float, grid), *known})
    made = ((at, series.get(at, _made(series, known, filler, at))) for at in moments)
    return {at: value for at, value in made if value is not None}


def _made(series: Series, known: Sequence[float], filler: float | str | Series, at: float) -> float | None:
    if isinstance(filler, float):
        return filler
    if isinstance(filler, dict):
        return filler.get(at)
    after = bisect_left(known, at)
    if after == 0 or (filler == "LINEAR" and after == len(known)):
        return None
    left = known[after - 1]
    if filler == "REPEAT":
        return series[left]
    right = known[after]
    return series[left] + (series[right] - series[left]) * (at - left) / (right - left)
