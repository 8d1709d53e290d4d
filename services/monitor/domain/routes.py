"""Others who use a service's load balancers, and how long what was seen of them holds. Times are epoch seconds."""

from collections.abc import Mapping

from contracts.base import Contract
from contracts.prose import Prose

ROUTES_HOLD = 300.0
"""Seconds after which a look reads listeners and rules anew: others may have come behind the load balancer."""
SHARED_HOLDS = 3 * 3600.0
"""Seconds for which a load balancer still counts as shared after the others have gone: a look may read the minutes in
which they were there."""


class Sharing(Contract):
    """Others use a load balancer as well, or nobody knows whether they do."""

    why: Prose
    """A clause with "it" for the load balancer."""
    seen_at: float | None = None
    """When that was seen last; None: just now."""

    def stamped(self, now: float) -> "Sharing":
        return self if self.seen_at is not None else self.model_copy(update={"seen_at": now})


def still_shared(found: Mapping[str, Sharing], known: Mapping[str, Sharing], now: float) -> dict[str, Sharing]:
    """Return who shares the load balancers by what was ``found`` now, or did a while ago (``known``)."""
    lately = {
        name: sharing
        for name, sharing in known.items()
        if sharing.seen_at is not None and now - sharing.seen_at < SHARED_HOLDS
    }
    return lately | {name: sharing.stamped(now) for name, sharing in found.items()}
