"""Text for people that somebody outside may have written: on one line, without controls, without secrets.

A contract's field that a person reads is of the type ``Prose``, or ``Plain`` where it is a name, so that whatever is
published, stored or answered is clean, and so is whatever is read.
"""

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator

from contracts.redact import redact, redact_reference

LONGEST_QUOTE = 400
MOST_MARKS = 4
"""Marks that one character may bear, such as accents: a pile of them covers the lines above and below."""
_BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
"""What Python calls printable and nobody sees: fillers, blanks, variation selectors (Unicode's
Default_Ignorable_Code_Point, and the empty pattern of Braille)."""
_STYLES = frozenset("\ufe0e\ufe0f")
"""Has the symbol before it drawn as text or as an emoji."""
_REMEMBERED = 512
"""Characters of the longest text whose clean form is remembered: the same sentences are read again and again."""


def plain(text: str) -> str:
    r"""Return the text on one line, with escapes such as ``\x1b`` for what a terminal or a page would obey.

    Those are control characters, the overrides of the direction of writing, all else that cannot be seen, and more
    marks than a character of any writing bears.
    """
    return text if text.isascii() and text.isprintable() else "".join(_shown(text))


def _shown(text: str) -> Iterator[str]:
    before, marks = "", 0  # the category of the character before; marks since the last character that is none
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if character.isspace():
            yield " "
        elif (
            not character.isprintable()
            or marks > MOST_MARKS
            or (character in _BLANK and not (character in _STYLES and before == "So"))
        ):
            yield character.encode("unicode_escape").decode()
        else:
            yield character
        before = "" if character in _BLANK else category


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
