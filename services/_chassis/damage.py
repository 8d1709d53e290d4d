"""State that no version can read is set aside: its bytes are kept, and its service says what replaces it."""

from collections.abc import Awaitable, Callable
from hashlib import sha256

from contracts.state import DamagedState
from services._chassis.readiness import Readiness
from services._chassis.transition import Decision

SET_ASIDE = "set-aside:"
"""What the keys of such records begin with."""
SET_ASIDE_SECONDS = 24 * 3600.0
"""Real seconds for which a state that was set aside is reported as degraded."""

Replacement = Callable[[str, DamagedState], Awaitable[Decision]]
"""``(a state's key, why it cannot be read)`` → the state that replaces it, if any, and what follows."""


async def no_replacement(_key: str, _error: DamagedState) -> Decision:
    return Decision()


def set_aside_key(key: str, data: bytes) -> str:
    """Return the key of the record that keeps a state that could not be read."""
    return f"{SET_ASIDE}{key}:{sha256(data).hexdigest()[:16]}"


def reported(replacement: Replacement, service: str, readiness: Readiness) -> Replacement:
    """Return the replacement of a service, which is reported as degraded whenever it is used."""

    async def replace(key: str, error: DamagedState) -> Decision:
        kept = set_aside_key(key, error.data)
        sentence = f"{service}: {error}; it was set aside as the record {kept}, and its target goes on without it."
        readiness.degrade(f"damaged:{service}:{key}", sentence, SET_ASIDE_SECONDS)
        return await replacement(key, error)

    return replace
