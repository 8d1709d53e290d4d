"""Whether two callers are the same person: who asks for something does not approve it alone."""

from contracts.access import PROVEN_NAMES
from contracts.topics import Party


def person_of(actor: str) -> str:
    """Return who an actor counts as: who has proven to act, else the name that was given, however it is written."""
    proven, separator, _ = actor.partition(" for ")
    if actor.startswith(PROVEN_NAMES) or (separator and proven in {Party.CI, "anybody"}):
        return proven
    return " ".join(actor.split()).casefold()


def may_be_same(actor: str, other: str) -> bool:
    """Return whether two actors count as one person, or one of them says to act for the other: "ci:team for ann".

    The name behind "for" is proven by nobody, so that it may refuse an approval, and never lets one count.
    """
    return person_of(actor) == person_of(other) or _acts_for(actor, other) or _acts_for(other, actor)


def _acts_for(actor: str, other: str) -> bool:
    proven, _, named = actor.partition(" for ")
    return person_of(proven) == person_of(actor) and bool(named) and _name_of(named) == _name_of(person_of(other))


def _name_of(person: str) -> str:
    """Return a name without how it was proven, however it is written."""
    name = " ".join(person.split()).casefold()
    return next((name.removeprefix(prefix) for prefix in PROVEN_NAMES if name.startswith(prefix)), name)
