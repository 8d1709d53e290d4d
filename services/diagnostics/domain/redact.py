"""Texts of AWS may quote what somebody put into them: secrets are cut out before anything is kept or shown.

Each pattern reads a character a bounded number of times: it begins where a word does, and never goes back.
"""

import re

MOST_CHARACTERS = 400

_URL = re.compile(r"://(?:[^/\s@]*+@)++")
"""Credentials in a URL, with an ``@`` in the password, too."""
_ACCESS_KEY = re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")
_WEB_TOKEN = re.compile(r"(?<![\w-])eyJ[\w-]{10,}+\.[\w-]++\.[\w-]*+")
_ASSIGNED = re.compile(r"(?<![\w-])([\w-]++)([\"']?+\s*+[=:]\s*+)")
"""``name=``, ``name:`` or ``"name":``."""
_SECRET = re.compile(r"password|passwd|secret|token|api[_-]?key|access[_-]?key", re.IGNORECASE)
_VALUE = re.compile(r"\"[^\"]*+\"?|'[^']*+'?|[^\s,;]++")
"""A quoted value, to the end where it is cut off, or the next word."""


def redact(text: str) -> str:
    """Return the text without what looks like a secret, at most ``MOST_CHARACTERS`` long, on one line."""
    text = _without_values(_URL.sub("://***@", text))
    for pattern in (_ACCESS_KEY, _WEB_TOKEN):
        text = pattern.sub("***", text)
    text = " ".join(text.split())
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"


def _without_values(text: str) -> str:
    """Return the text with ``***`` for the values of names that mean a secret."""
    parts, place = [], 0
    while (found := _ASSIGNED.search(text, place)) is not None:
        parts.append(text[place : found.end()])
        place = found.end()
        value = _VALUE.match(text, place) if _is_secret(found[1], found[2]) else None
        if value is not None:
            parts.append("***")
            place = value.end()
    return "".join([*parts, text[place:]])


def _is_secret(name: str, sign: str) -> bool:
    """Return whether a name means a secret. A bare ``secret:`` does not: it stands in the ARNs of secrets."""
    if "=" in sign or sign[0] in "\"'":
        return _SECRET.search(name) is not None
    return name.lower().endswith("password")
