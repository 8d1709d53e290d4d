"""The filter patterns of FilterLogEvents: terms, and conditions over messages that are JSON.

Case matters, and a term may stand inside of a word.
Sources: CloudWatch Logs user guide, "Filter pattern syntax", "Supported regular expressions (regex) syntax".
"""

import re
from functools import lru_cache

from sandbox.aws.logs.json_patterns import json_condition
from sandbox.aws.logs.tokens import Malformed, Predicate, Token, compiled, tokens, unquoted

_TERM = re.compile(
    r"""(?P<skip>\s+)
    |(?P<phrase>[-?]?"(?:[^"\\]|\\.)*"(?!\S))
    |(?P<regex>[-?]?%[^%]+%(?!\S))
    |(?P<word>[-?]?\w+(?!\S))""",
    re.VERBOSE,
)
"""Spaces part terms; one with other characters than letters, digits and ``_`` has quotes."""
_REGEX = re.compile(r"[A-Za-z0-9:_#=@/;,\-^$?\[\]{}|\\*+.]+")
"""The characters of a regular expression: no brackets to group, no spaces."""
REGEX_LIMIT = 2
"""Regular expressions of one pattern."""


@lru_cache(maxsize=256)
def matcher(pattern: str) -> Predicate:
    """Return a test whether a message matches; an empty pattern matches all. Raise ``Malformed``."""
    whole = pattern.strip()
    if whole.startswith("{"):
        return json_condition(whole, checked_regex)
    if whole.startswith("["):
        raise Malformed("patterns of fields between spaces, in [ ], are not known here")
    return _terms(tokens(whole, _TERM)[:-1])


def _terms(found: list[Token]) -> Predicate:
    """Return a test: all plain terms, none with ``-``, and any with ``?`` if there are no others."""
    if sum(token.kind == "regex" for token in found) > REGEX_LIMIT:
        raise Malformed(f"a pattern has at most {REGEX_LIMIT} regular expressions")
    optional = [_contains(token) for token in found if token.text[0] == "?"]
    excluded = [_contains(token) for token in found if token.text[0] == "-"]
    required = [_contains(token) for token in found if token.text[0] not in "?-"]
    if optional and not excluded and not required:
        return lambda message: any(holds(message) for holds in optional)
    return lambda message: all(holds(message) for holds in required) and not any(holds(message) for holds in excluded)


def _contains(token: Token) -> Predicate:
    term = token.text.lstrip("?-") if token.kind == "word" else token.text[token.text[0] in "?-" :]
    if token.kind == "regex":
        expression = checked_regex(term, token)
        return lambda message: expression.search(message) is not None
    if token.kind == "phrase":
        term = unquoted(term)
    return lambda message: term in message


def checked_regex(term: str, token: Token) -> re.Pattern[str]:
    """The regular expression between the two ``%``. Raise ``Malformed`` for what patterns may not hold."""
    if not _REGEX.fullmatch(term[1:-1]):
        raise Malformed(f"{term} holds a character that regular expressions have not here", token.start, token.end)
    return compiled(term[1:-1], token)
