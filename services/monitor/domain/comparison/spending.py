"""How much of the chance of a false alarm each look at a comparison may spend.

Whoever looks again and again, each time with all of it, is wrong far more often than he says. So it is spent over the
looks: what they may spend adds up to ``alpha``, so that all of them together are wrong no more often than that, however
much they have in common (Boole's inequality).
"""

from dataclasses import dataclass

EVERY = 5
"""Minutes between two looks. More of them would find a great rise a little earlier, and a small one less often. Within
the first of them there is one each minute: so early they spend next to nothing, and find what is grave at once."""
POWER = 3.0
"""``alpha * t ** POWER`` is spent until a share ``t`` of the planned minutes: little while there is little evidence,
nearly as O'Brien and Fleming's boundary spends it (Kim and DeMets 1987, Biometrika 74:149; Jennison and Turnbull 2000,
Group Sequential Methods, 7.2.2)."""


@dataclass(frozen=True, slots=True)
class Look:
    minutes: int
    """How many minutes since the change it takes."""
    alpha: float
    """What it may spend."""


def looks_at(known: int, planned: int, alpha: float, *, last: bool) -> tuple[Look, ...]:
    """Return the newest look that is due with ``known`` minutes, and the last one: it spends all that is left.

    One that was missed, since several minutes came at once, spends nothing.
    """
    due = _look_before(known + 1)
    looks = []
    if due and not (last and due == known):
        looks.append(Look(due, _spent(due, planned, alpha) - _spent(_look_before(due), planned, alpha)))
    if last and known:
        looks.append(Look(known, alpha - _spent(_look_before(known), planned, alpha)))
    return tuple(looks)


def until_next_look(known: int) -> int:
    """Return how many minutes more there must be for another look than ``known``."""
    return 1 if known < EVERY else EVERY - known % EVERY


def _look_before(minutes: int) -> int:
    """Return when the last look before so many minutes was due; 0 where there was none."""
    return max(0, minutes - 1 if minutes <= EVERY else (minutes - 1) // EVERY * EVERY)


def _spent(minutes: int, planned: int, alpha: float) -> float:
    """Return what all looks until then may have spent."""
    return float(alpha * min(minutes / max(planned, 1), 1.0) ** POWER)
