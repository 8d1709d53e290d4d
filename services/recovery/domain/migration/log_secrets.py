"""What a log must not show of the environment that its task has, whole or in parts, and of the command that it ran."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from contracts.redact import HIDDEN, redact

SHORTEST = 8
"""Characters of a value that may be one: hiding ``true`` or ``5432`` would hide half of a log."""
SHORTEST_SECRET = 4
"""Characters of what is a secret by its name or its place in a URL."""


def secrets_in(definition: Mapping[str, Any]) -> frozenset[str]:
    """Return the texts of the containers' environment that must not be shown.

    An application prints a key line by line, a password without the URL around it, or what JSON has in it. What
    ``secrets`` name is not known here: of that, what looks like a secret is hidden as in every text.
    """
    environment = [
        (str(entry.get("name", "")), str(entry.get("value", "")))
        for container in definition["containerDefinitions"]
        for entry in container.get("environment") or ()
    ]
    return frozenset(part for name, value in environment for part in _parts(name, value))


def _parts(name: str, value: str) -> Iterator[str]:
    escaped = json.dumps(value)[1:-1]
    yield from (text for text in (value, escaped, *map(str.strip, value.splitlines())) if len(text) >= SHORTEST)
    known = [*_passwords(value), *([value] if redact(f"{name}={value}") != f"{name}={value}" else [])]
    yield from (text for text in known if len(text) >= SHORTEST_SECRET)
    if value.lstrip().startswith(("{", "[")):
        try:
            yield from _texts(name, json.loads(value))
        except (ValueError, RecursionError):
            return


def _texts(name: str, part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        for key, inner in part.items():
            yield from _texts(str(key), inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _texts(name, inner)
    elif isinstance(part, str):
        yield from _parts(name, part)


def _passwords(value: str) -> Iterator[str]:
    """Yield the password of a URL, as it is written and as it is meant."""
    try:
        password = urlsplit(value).password
    except ValueError:
        return
    if password:
        yield from (password, unquote(password))


def words_shown(words: Sequence[str]) -> tuple[str, ...]:
    """Return the words of a command as they may be shown: ``--password`` makes the word behind it a secret."""
    shown, before = [], ""
    for number, word in enumerate(words, 1):
        so_far = redact(" ".join(words[:number]))
        kept = redact(word) == word and so_far == f"{before} {word}".lstrip()
        shown.append(word if kept else redact(word) if redact(word) != word else HIDDEN)
        before = so_far
    return tuple(shown)
