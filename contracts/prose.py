"""Text for people that somebody outside may have written: on one line, without controls, without secrets.

A contract's field that a person reads is of the type ``Prose``, or ``Plain`` where it is a name, so that whatever is
published, stored or answered is clean, and so is whatever is read.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator

from contracts.redact import redact, redact_reference

LONGEST_QUOTE = 400
_REMEMBERED = 512
"""Characters of the longest text whose clean form is remembered: the same sentences are read again and again."""


def plain(text: str) -> str:
    r"""Return the text on one line, with escapes such as ``\x1b`` for what a terminal or a page would obey.

    Those are control characters, the overrides of the direction of writing, and all else that cannot be seen.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable()
        else " "
        if character.isspace()
        else character.encode("unicode_escape").decode()
        for character in text
    )


def prose(text: str) -> str:
    """Return the text on one line, without controls and without what looks like a secret."""
    return _remembered(text) if len(text) <= _REMEMBERED else redact(plain(text))


@lru_cache(4096)
def _remembered(text: str) -> str:
    return redact(plain(text))


def quote(text: str, most: int = LONGEST_QUOTE) -> str:
    """Return what somebody else says: as ``prose``, without repeated blanks, ``most`` characters at most."""
    text = " ".join(redact(plain(text)).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


def each_text(data: Any, clean: Callable[[str], str]) -> Any:
    """Return JSON's data with ``clean`` applied to each text in it, the names of an object's members included."""
    if isinstance(data, str):
        return clean(data)
    if isinstance(data, Mapping):
        return {clean(str(name)): each_text(value, clean) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [each_text(value, clean) for value in data]
    return data


Plain = Annotated[str, AfterValidator(plain)]
"""A name that somebody outside chose."""
Image = Annotated[str, AfterValidator(lambda text: redact_reference(plain(text)))]
"""The reference of an image: what is deployed stays as it is, but for a user and password."""
Prose = Annotated[str, AfterValidator(prose)]
"""A sentence for people, which may quote somebody outside."""
