"""Texts of AWS may quote what somebody put into them: secrets are cut out before anything is kept or shown."""

import re

MOST_CHARACTERS = 400

_RULES = (
    (re.compile(r"://[^/\s@]*@"), "://***@"),
    (
        re.compile(
            r"(?i)\b([\w-]*(?:password|passwd|secret|token|api[_-]?key|access[_-]?key)[\w-]*[\"']?\s*=\s*"
            r"|[\w-]*password[\"']?\s*:\s*)(\"[^\"]*\"|'[^']*'|[^\s,;]+)"
        ),
        r"\1***",
    ),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), "***"),
    (re.compile(r"\beyJ[\w-]{10,}\.[\w-]+\.[\w-]+"), "***"),
)
"""Credentials in URLs, ``name=value`` whose name means a secret, AWS's access keys, JSON web tokens."""


def redact(text: str) -> str:
    """Return the text without what looks like a secret, at most ``MOST_CHARACTERS`` long, on one line."""
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    text = " ".join(text.split())
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"
