"""Replaces functions of moto by ours, in a way that can be undone."""

from collections.abc import Callable, Mapping

Place = tuple[object, str]
"""An owner, such as a class or a module, and the name of its attribute."""
Undo = Callable[[], None]


def put_in_place(patches: Mapping[Place, object]) -> Undo:
    """Set each attribute; return a function that restores what was there before, also where there was nothing."""
    before = {place: getattr(*place, None) for place in patches}
    for (owner, name), new in patches.items():
        setattr(owner, name, new)

    def undo() -> None:
        for (owner, name), old in before.items():
            if old is None:
                delattr(owner, name)
            else:
                setattr(owner, name, old)

    return undo
