"""How old a message may be, and how far ahead of its reader: no older than what the inbox remembers.

Whoever may write to Kafka can send again what was signed once. What the inbox does not know any more is refused by its
age, which is signed as well. All ages go by the clock of Redis, which may go back when another node takes over: what
our own services wrote before that, and nobody had read yet, is handled, and remembered for longer.
"""

from contracts.envelope import InvalidMessage, Meta
from contracts.signatures import OPERATORS_SOURCE
from services._chassis.clock import Clock
from services._chassis.redis_keys import REMEMBER_SECONDS
from services._chassis.signatures import Untrusted

OLDEST_SECONDS = REMEMBER_SECONDS - 3600
"""The oldest message that is handled: the inbox knows all that came later, with an hour for clocks that differ."""
AHEAD_SECONDS = 300.0
"""The most by which the clock of a message's writer may be ahead, in seconds."""


def is_too_old(meta: Meta, clock: Clock) -> bool:
    """Return whether the inbox may have forgotten that the message was handled."""
    return -_ahead(meta, clock) > OLDEST_SECONDS


def check_age(meta: Meta, clock: Clock) -> None:
    """Raise ``Untrusted`` for a message that is too old, and ``InvalidMessage`` for one that is too far ahead.

    One that is ahead by less than the inbox remembers may be answered: the answer is still known when its time comes.
    A message of our own services may be ahead by as much, and by any time where its signature proves it.
    """
    if is_too_old(meta, clock):
        raise Untrusted(
            f"its ce_time is more than {OLDEST_SECONDS / 86400:.0f} days ago, so that it may be a repetition"
        )
    ahead = _ahead(meta, clock)
    if ahead <= AHEAD_SECONDS or (_is_ours(meta) and (meta.signed_by or ahead < OLDEST_SECONDS)):
        return
    sentence = f"its ce_time is {ahead:.0f} seconds ahead of the clock here"
    raise InvalidMessage(sentence) if ahead < OLDEST_SECONDS else Untrusted(sentence)


def remembered_seconds(meta: Meta, clock: Clock) -> int:
    """Return for how long the inbox must know the message: until it is too old."""
    return REMEMBER_SECONDS + max(0, int(_ahead(meta, clock)))


def _ahead(meta: Meta, clock: Clock) -> float:
    """Return by how many seconds the message was written after now, in product time."""
    return _written(meta, clock) - clock.now()


def _is_ours(meta: Meta) -> bool:
    """Return whether one of our services calls itself the writer, which goes by the clock of Redis."""
    return meta.source.startswith("surefoot/") and meta.source != OPERATORS_SOURCE


def _written(meta: Meta, clock: Clock) -> float:
    """Return when the message was written, in product time, which outside writers do not know."""
    written = meta.time.timestamp()
    return written if _is_ours(meta) else clock.at(written)
