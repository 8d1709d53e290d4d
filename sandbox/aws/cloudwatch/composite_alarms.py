"""Composite alarms: parses their rules, which are evaluated on the states of the alarms that they name.

Source: AlarmRule of PutCompositeAlarm in the CloudWatch API Reference. Functions are ALARM, OK and INSUFFICIENT_DATA of
an alarm's name or ARN; TRUE and FALSE; NOT, AND and OR in this order of strength, and parentheses.
"""

import re
from collections.abc import Callable, Mapping

from sandbox.aws.cloudwatch.metric_math import InvalidExpression

States = Mapping[str, str]
"""Alarm → its state."""
Rule = Callable[[States], bool]

STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")
MOST_CHARACTERS = 10_240
_TOKEN = re.compile(r'\s*(?:([()])|([A-Z_]+)(?=[\s()]|$)|"([^"]+)"|([^\s()"]+))')


def rule_of(text: str) -> Rule:
    """Parse a rule. Raise ``InvalidExpression``, with a sentence, for a text that is no rule."""
    if len(text) > MOST_CHARACTERS:
        raise InvalidExpression(f"an AlarmRule has {MOST_CHARACTERS} characters at most")
    reader = _Reader(_tokens(text))
    rule = reader.any_of()
    if reader.tokens:
        raise InvalidExpression(f"the AlarmRule does not end before {reader.tokens[0][1]!r}")
    return rule


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = list[tuple[str, str]](), 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise InvalidExpression(f"the AlarmRule cannot be read from {text[at:].strip()[:20]!r} on")
        kind = ("mark", "word", "name", "name")[(match.lastindex or 1) - 1]
        found.append((kind, match[match.lastindex or 1]))
        at = match.end()
    return found


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens

    def any_of(self) -> Rule:
        rule = self._all_of()
        while self._took("word", "OR"):
            rule = _either(rule, self._all_of())
        return rule

    def _all_of(self) -> Rule:
        rule = self._one()
        while self._took("word", "AND"):
            rule = _both(rule, self._one())
        return rule

    def _one(self) -> Rule:
        if self._took("word", "NOT"):
            rule = self._one()
            return lambda states: not rule(states)
        if self._took("mark", "("):
            rule = self.any_of()
            self._expect(")")
            return rule
        kind, word = self.tokens.pop(0) if self.tokens else ("end", "the end")
        if kind == "word" and word in {"TRUE", "FALSE"}:
            return lambda _states: word == "TRUE"
        if kind != "word" or word not in STATES:
            raise InvalidExpression(f"the AlarmRule has {word!r} where {', '.join(STATES)}, NOT or ( is expected")
        self._expect("(")
        name = self.tokens.pop(0)[1] if self.tokens else ""
        self._expect(")")
        short = name.rpartition(":alarm:")[2] or name
        return lambda states: states.get(short) == word

    def _took(self, kind: str, word: str) -> bool:
        if self.tokens and self.tokens[0] == (kind, word):
            del self.tokens[0]
            return True
        return False

    def _expect(self, mark: str) -> None:
        if not self._took("mark", mark):
            raise InvalidExpression(f"the AlarmRule lacks a {mark!r}")


def _either(rule: Rule, other: Rule) -> Rule:
    return lambda states: rule(states) or other(states)


def _both(rule: Rule, other: Rule) -> Rule:
    return lambda states: rule(states) and other(states)
