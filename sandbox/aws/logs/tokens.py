"""The common parser of queries and filter patterns: tokens with their places, and conditions."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

DEPTH_LIMIT = 40
"""Nested brackets; AWS names no limit, the interpreter's stack has one."""

Predicate = Callable[[Any], bool]


class Malformed(Exception):
    """The text cannot be parsed; the message is a sentence for its author."""

    def __init__(self, message: str, start: int = 0, end: int = 0) -> None:
        """``start`` and ``end`` are the place of the fault, in characters from the beginning."""
        super().__init__(message)
        self.start, self.end = start, end


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    """The name of its group in the pattern, or ``end``."""
    text: str
    start: int
    end: int


def tokens(text: str, pattern: re.Pattern[str]) -> list[Token]:
    """Cut ``text``, with an ``end`` behind the last token; the group ``skip`` is left out. Raise ``Malformed``."""
    found, place = [], 0
    while place < len(text):
        match = pattern.match(text, place)
        if match is None:
            raise Malformed(f"{text[place]!r} at {place} is not understood", place, place + 1)
        if match.lastgroup != "skip":
            found.append(Token(match.lastgroup or "", match[0], place, match.end()))
        place = match.end()
    return [*found, Token("end", "", place, place)]


def unquoted(text: str) -> str:
    """Return a string without its quotes, and without the backslashes before quotes and backslashes."""
    return re.sub(r"\\([\"'\\])", r"\1", text[1:-1])


def compiled(expression: str, token: Token) -> re.Pattern[str]:
    """Compile a regular expression, in which named groups may have Java's syntax. Raise ``Malformed``."""
    try:
        return re.compile(re.sub(r"(?<!\\)\(\?<(?=[A-Za-z])", "(?P<", expression))
    except re.error as error:
        raise Malformed(
            f"{token.text} is no regular expression that is understood: {error}", token.start, token.end
        ) from error


class Reader:
    """Recursive descent, the common part of all grammars of conditions.

    A grammar has its own words for OR and AND, and its own ``term``.
    """

    OR = AND = ""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens, self._place, self._depth = tokens, 0, 0

    @property
    def here(self) -> Token:
        return self._tokens[self._place]

    @property
    def after(self) -> Token:
        return self._tokens[min(self._place + 1, len(self._tokens) - 1)]

    def take(self) -> Token:
        token = self.here
        if token.kind != "end":
            self._place += 1
        return token

    def at(self, *words: str) -> bool:
        """Return whether one of ``words``, in any case, is next. A quoted text is no word."""
        return self.here.kind in {"name", "sign"} and self.here.text.lower() in words

    def take_if(self, *words: str) -> bool:
        found = self.at(*words)
        if found:
            self.take()
        return found

    def expect(self, *words: str) -> Token:
        if not self.at(*words):
            raise self.fault(f"{' or '.join(map(repr, words))} is missing before {self.shown()}")
        return self.take()

    def expect_kind(self, kind: str, what: str) -> Token:
        if self.here.kind != kind:
            raise self.fault(f"{what} is due where {self.shown()} stands")
        return self.take()

    def shown(self) -> str:
        return repr(self.here.text) if self.here.kind != "end" else "the end"

    def fault(self, message: str, token: Token | None = None) -> Malformed:
        where = token or self.here
        return Malformed(message, where.start, where.end)

    def condition(self) -> Predicate:
        """Read terms with OR and AND; AND binds stronger."""
        return self._joined(self.OR, any, lambda: self._joined(self.AND, all, self.term))

    def term(self) -> Predicate:
        raise NotImplementedError

    def bracketed(self) -> Predicate:
        """Read a condition whose opening bracket was read already."""
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise self.fault(f"the conditions are nested more than {DEPTH_LIMIT} deep")
        condition = self.condition()
        self.expect(")")
        self._depth -= 1
        return condition

    def _joined(self, word: str, how: Callable[[Iterable[bool]], bool], part: Callable[[], Predicate]) -> Predicate:
        parts = [part()]
        while self.take_if(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else lambda subject: how(holds(subject) for holds in parts)
