"""The dead letters on their topic: read them, publish them again, settle them."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from aiokafka import AIOKafkaProducer

from contracts.base import caused_id
from contracts.bounds import LONGEST_ACTOR, OutOfBounds
from contracts.dead_letter import (
    REPLAY_HEADER,
    REPLAY_SIGNATURE_HEADER,
    DeadLettered,
    DeadLetterSettled,
    Replay,
    alert_of,
    letter_id,
    settlement_of,
)
from contracts.envelope import Envelope, InvalidMessage, Message, Meta, read_meta
from contracts.prose import plain
from contracts.signatures import OPERATORS_SOURCE, replay_bytes
from contracts.topics import DEAD_LETTERS, TOPICS, Party
from services._chassis.message_age import OLDEST_SECONDS
from services._chassis.signatures import Signatures, Untrusted
from surefoot.exit_codes import Exit
from surefoot.kafka import ANSWER_SECONDS, connection, started
from surefoot.output import CannotDo
from surefoot.signing import proven, signature_of, signed, trust_of
from surefoot.whole_topic import records_of

SHORTEST_PREFIX = 4
LONGEST_REASON = 1_000
"""Characters of a reason that go with the message: a header has a bound (``LONGEST_HEADER``)."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter and its settlement."""

    id: str
    time: datetime
    """When the letter was written, in product time."""
    partition: int
    """The partition of the dead letters' topic in which the letter lies."""
    body: DeadLettered
    settled: DeadLetterSettled | None = None
    """The newest settlement; None: the letter is open."""

    def refusal(self, *, again: bool) -> str | None:
        """Return why the letter cannot be replayed; None if it can. ``again`` allows it for a settled letter."""
        if self.settled and not again:
            return f"it was {self.settled.how} by {self.settled.actor} already; --again replays it nonetheless"
        if self.body.cut:
            return "it does not hold the whole message, which was too large"
        if self.body.reason == "expired" or self._is_too_old():
            why = "has expired and would expire again" if self.body.reason == "expired" else "is older than 31 days"
            return f"its message {why}; whoever sent it must ask anew"
        if self.body.key is None and self.body.value is None:
            return "its message has neither key nor value, and no client of ours can send that"
        if self.body.topic not in {topic.name for topic in TOPICS}:
            return f"there is no topic {plain(self.body.topic)} any more"
        return None

    def _is_too_old(self) -> bool:
        try:
            _, meta = read_meta(self.body.headers)
        except InvalidMessage:
            return False
        return (datetime.now(UTC) - meta.time).total_seconds() > OLDEST_SECONDS


@dataclass(frozen=True, slots=True)
class Letters:
    """All letters, the oldest first."""

    all: tuple[Letter, ...]
    unreadable: int
    """Messages on the topic that this version cannot read."""
    untrusted: int = 0
    """Messages on the topic that nobody has proven to have written who may, or under an id that is not theirs."""
    proven: bool = True
    """Whether signatures were looked at: without trusted keys every letter is believed."""

    def named(self, prefixes: Iterable[str]) -> tuple[Letter, ...]:
        """Return the letters whose ids begin so, each once. Raise ``CannotDo`` unless each prefix names exactly one."""
        return tuple(dict.fromkeys(self._one(prefix.lower()) for prefix in prefixes))

    def _one(self, prefix: str) -> Letter:
        if len(prefix) < SHORTEST_PREFIX:
            raise CannotDo(f"{prefix!r} is too short: give at least {SHORTEST_PREFIX} characters", Exit.USAGE)
        found = [letter for letter in self.all if letter.id.startswith(prefix)]
        if not found:
            raise CannotDo(f"no dead letter {prefix}: see surefoot dead-letters list --all", Exit.USAGE)
        if len(found) > 1:
            ids = ", ".join(letter.id for letter in found[:5]) + (", …" if len(found) > 5 else "")
            raise CannotDo(f"{prefix} is ambiguous: {ids}", Exit.USAGE)
        return found[0]


async def read(keeps_value: Callable[[str], bool] = lambda _: False) -> Letters:
    """Read the topic from its beginning to where it ends now. Raise ``CannotDo``.

    Only the letters whose ids ``keeps_value`` names keep their values; all of them could fill the memory.
    """
    letters: dict[str, Letter] = {}
    settled: dict[str, DeadLetterSettled] = {}
    unreadable = untrusted = 0
    trust = trust_of(os.environ)
    async for record in _records():
        try:
            envelope = proven(record, trust)
        except Untrusted:
            untrusted += 1
            continue
        except InvalidMessage:
            unreadable += 1
            continue
        match envelope.event:
            case DeadLetterSettled() as settlement:
                settled[settlement.letter] = settlement
            case DeadLettered() as body:
                id_ = letter_id(body)
                if envelope.meta.id != id_ or envelope.meta.signed_by not in {"", body.group}:
                    untrusted += 1
                    continue
                if id_ in letters:
                    continue  # published twice, or by somebody who would like it to be another one
                kept = body if keeps_value(id_) else body.model_copy(update={"value": None})
                letters[id_] = Letter(id_, envelope.meta.time, record.partition, kept)
            case _:
                unreadable += 1
    with_ends = (replace(letter, settled=settled.get(letter.id)) for letter in letters.values())
    in_order = tuple(sorted(with_ends, key=lambda letter: (letter.time, letter.id)))
    return Letters(in_order, unreadable, untrusted, proven=trust.mode is not Signatures.OFF)


async def replay(letters: Iterable[Letter], actor: str, reason: str) -> None:
    """Publish the messages again, in the order in which they came, and settle each letter after its message.

    A process that dies in between leaves an open letter. A second replay does no harm: the group's inbox drops it.
    Raise ``CannotDo`` before anything is published where a settlement could not be published, or would not count.
    """
    in_order = sorted(letters, key=lambda letter: (letter.body.topic, letter.body.partition, letter.body.offset))
    settlements = _settlements(in_order, "replayed", actor, reason)
    async with _producer() as producer:
        for settlement in settlements:
            body = settlement.letter.body
            headers = [*_replay_headers(body, actor, reason)]
            async with asyncio.timeout(ANSWER_SECONDS):
                await producer.send_and_wait(
                    body.topic, body.value, key=body.key, partition=body.partition, headers=headers
                )
            await _settle(producer, settlement)


def _replay_headers(body: DeadLettered, actor: str, reason: str) -> Iterable[tuple[str, bytes | None]]:
    """Return the headers of a letter's message, with who replays it, which the operators' key signs."""
    replay = Replay(actor=actor[:LONGEST_ACTOR], time=datetime.now(UTC), reason=reason[:LONGEST_REASON])
    headers = (*body.replay_headers, (REPLAY_HEADER, replay.model_dump_json().encode()))
    signature = signature_of(replay_bytes(body.topic, body.key, headers, body.value), Party.OPERATORS, os.environ)
    return (*headers, (REPLAY_SIGNATURE_HEADER, signature)) if signature else headers


async def drop(letters: Iterable[Letter], actor: str, reason: str) -> None:
    """Settle the letters without a replay. Raise ``CannotDo`` as ``replay``."""
    settlements = _settlements(letters, "dropped", actor, reason)
    async with _producer() as producer:
        for settlement in settlements:
            await _settle(producer, settlement)


class _Settlement(NamedTuple):
    """A letter, and the signed messages that settle it."""

    letter: Letter
    message: Message
    resolved: Message | None
    """Ends the warning about the letter, where there is one."""


def _settlements(
    letters: Iterable[Letter], how: Literal["replayed", "dropped"], actor: str, reason: str
) -> list[_Settlement]:
    """Return what settles the letters. Raise ``CannotDo``: then nothing may be published of any of them."""
    trust, now = trust_of(os.environ), datetime.now(UTC)
    try:
        found = [_settlement(letter, settlement_of(letter.body, how, actor, reason), now) for letter in letters]
        for settlement in found:
            proven(settlement.message, trust)
    except OutOfBounds as error:
        raise CannotDo(f"nothing was done: {error}", Exit.USAGE) from None
    except Untrusted as error:
        how_to = "set SUREFOOT_SIGNING_KEY to the operators' private key"
        raise CannotDo(f"nothing was done, since no service would believe it: {error}; {how_to}", Exit.USAGE) from None
    return found


def _settlement(letter: Letter, settled: DeadLetterSettled, now: datetime) -> _Settlement:
    # an operator's act is no consequence, so its id derives from nothing
    meta = Meta(str(uuid.uuid4()), OPERATORS_SOURCE, now, cause_id=letter.id)
    message = signed(Envelope(meta, settled).to_message(), Party.OPERATORS, os.environ)
    alert = alert_of(letter.body, "resolved", letter.time)
    if alert is None:
        return _Settlement(letter, message, None)
    meta = Meta(caused_id(letter.id, "alert-resolved"), OPERATORS_SOURCE, now, cause_id=letter.id)
    return _Settlement(letter, message, signed(Envelope(meta, alert).to_message(), Party.OPERATORS, os.environ))


async def _settle(producer: Any, settlement: _Settlement) -> None:
    # it lies behind its letter in the same partition, so that retention can never take it first and open the letter
    # again
    await _send(producer, settlement.message, settlement.letter.partition)
    if settlement.resolved is not None:
        await _send(producer, settlement.resolved)


async def _send(producer: Any, message: Message, partition: int | None = None) -> None:
    async with asyncio.timeout(ANSWER_SECONDS):
        await producer.send_and_wait(
            message.topic, message.value, key=message.key, partition=partition, headers=[*message.headers]
        )


def _records() -> AsyncIterator[Any]:
    return records_of(DEAD_LETTERS)


@asynccontextmanager
async def _producer() -> AsyncIterator[Any]:
    options = {"acks": "all", "enable_idempotence": True}
    async with started(connection(), AIOKafkaProducer, AIOKafkaProducer.stop, **options) as producer:
        yield producer
