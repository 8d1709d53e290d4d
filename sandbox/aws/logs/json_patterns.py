"""Filter patterns over JSON, such as ``{ $.level = "ERROR" && $.status >= 500 }``.

An event that lacks a field fulfils no condition on it but NOT EXISTS.
Source: CloudWatch Logs user guide, "Using filter patterns to match terms in JSON log events".
"""

import json
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.aws.logs.tokens import Predicate, Reader, Token, tokens, unquoted

_TOKEN = re.compile(
    r"""(?P<skip>\s+)
    |(?P<path>\$(?:\.[\w-]+|\[\d+\]|\["[^"]+"\])+)
    |(?P<string>"(?:[^"\\]|\\.)*")
    |(?P<regex>%[^%]+%)
    |(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.*]))
    |(?P<name>[\w.*-]+)
    |(?P<sign>&&|\|\||<=|>=|!=|[=<>(){}])""",
    re.VERBOSE,
)
_ORDER: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ABSENT = object()

Compile = Callable[[str, Token], re.Pattern[str]]


def json_condition(pattern: str, regex: Compile) -> Predicate:
    """Return a test whether a message is a matching JSON object; ``regex`` reads ``%…%``. Raise ``Malformed``."""
    condition = _JsonReader(pattern, regex).whole()

    def holds(message: str) -> bool:
        try:
            found = json.loads(message)
        except (ValueError, RecursionError):
            return False
        return isinstance(found, dict) and condition(found)

    return holds


class _JsonReader(Reader):
    OR, AND = "||", "&&"

    def __init__(self, pattern: str, regex: Compile) -> None:
        super().__init__(tokens(pattern, _TOKEN))
        self._regex = regex

    def whole(self) -> Predicate:
        self.expect("{")
        condition = self.condition()
        self.expect("}")
        if self.here.kind != "end":
            raise self.fault(f"{self.shown()} stands where the pattern should have ended")
        return condition

    def term(self) -> Predicate:
        if self.take_if("("):
            return self.bracketed()
        read = _path(self.expect_kind("path", "a field such as $.level").text)
        if self.take_if("is"):
            return self._is(read)
        if self.take_if("not"):
            self.expect("exists")
            return lambda whole: read(whole) is _ABSENT
        sign = self.expect("=", "!=", *_ORDER).text
        if sign in _ORDER:
            limit = float(self.expect_kind("number", "a number").text)
            return lambda whole: _is_number(value := read(whole)) and _ORDER[sign](value, limit)
        equal = self._equal()
        if sign == "=":
            return lambda whole: (value := read(whole)) is not _ABSENT and equal(value)
        return lambda whole: (value := read(whole)) is not _ABSENT and not equal(value)

    def _is(self, read: Callable[[Any], Any]) -> Predicate:
        wanted = {"null": None, "true": True, "false": False}[self.expect("null", "true", "false").text.lower()]
        return lambda whole: read(whole) is wanted

    def _equal(self) -> Predicate:
        """Read what a value is compared with: a number, a regular expression, or text with ``*`` as wildcard."""
        token = self.take()
        if token.kind == "number":
            amount = float(token.text)
            return lambda value: value == amount if _is_number(value) else value == token.text
        if token.kind == "regex":
            expression = self._regex(token.text, token)
            return lambda value: (shown := _text(value)) is not None and expression.search(shown) is not None
        if token.kind not in {"string", "name"}:
            raise self.fault(f"a value is due where {token.text or 'the end'!r} stands", token)
        parts = (unquoted(token.text) if token.kind == "string" else token.text).split("*")
        wildcard = re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
        return lambda value: (shown := _text(value)) is not None and wildcard.fullmatch(shown) is not None


def _path(text: str) -> Callable[[Any], Any]:
    """Return a function that finds ``$.a.b[0]["c d"]`` in an object, or ``_ABSENT``."""
    steps: list[str | int] = [
        int(place) if place else name or quoted
        for name, place, quoted in re.findall(r'\.([\w-]+)|\[(\d+)\]|\["([^"]+)"\]', text)
    ]

    def read(value: Any) -> Any:
        for step in steps:
            # A number leads into a list only, and a name into an object.
            inside = range(len(value)) if isinstance(value, list) else value if isinstance(value, dict) else ()
            if step not in inside:
                return _ABSENT
            value = value[step]
        return value

    return read


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(value: object) -> str | None:
    """Return a string, number or truth value as text; None for any other value."""
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, (bool, int, float)) else None
