"""A partition's state of idempotent producers, by which a repeated batch is stored once.

The rules are Kafka's `ProducerAppendInfo`: the last five batches of a producer are recognised and answered
with their first offset; any other batch must continue the sequence; a new epoch starts at 0; a producer that
the partition has never seen may start anywhere.
"""

from collections import deque
from dataclasses import dataclass, field

from sandbox.kafka.batch import Batch
from sandbox.kafka.codes import Code, Refused

_REMEMBERED = 5  # as many as an idempotent producer may have in flight


@dataclass(slots=True)
class _Producer:
    epoch: int
    recent: deque[Batch] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))


class Producers:
    def __init__(self) -> None:
        self._known: dict[int, _Producer] = {}

    def duplicate_of(self, batch: Batch) -> int | None:
        """The base offset under which this batch is stored already; None means: append it.

        Raises Refused: OUT_OF_ORDER_SEQUENCE_NUMBER or INVALID_PRODUCER_EPOCH.
        """
        known = self._known.get(batch.producer_id)
        if batch.producer_id < 0 or known is None:
            return None
        if batch.producer_epoch < known.epoch:
            raise Refused(Code.INVALID_PRODUCER_EPOCH)
        if batch.producer_epoch > known.epoch:
            if batch.first_sequence != 0:
                raise Refused(Code.OUT_OF_ORDER_SEQUENCE_NUMBER)
            return None
        for stored in known.recent:
            if (stored.first_sequence, stored.records) == (batch.first_sequence, batch.records):
                return stored.base_offset
        if not batch.follows(known.recent[-1].last_sequence):
            raise Refused(Code.OUT_OF_ORDER_SEQUENCE_NUMBER)
        return None

    def stored(self, batch: Batch) -> None:
        if batch.producer_id < 0:
            return
        known = self._known.get(batch.producer_id)
        if known is None or known.epoch != batch.producer_epoch:
            known = self._known[batch.producer_id] = _Producer(batch.producer_epoch)
        known.recent.append(batch)
