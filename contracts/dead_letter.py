"""A message that no service could handle, as it came; what an operator did about it; and the warning about it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import Base64Bytes

from contracts.base import Contract, Target, Time, caused_id
from contracts.monitor import WarningAlert
from contracts.prose import Plain, Prose
from contracts.topics import DEAD_LETTERS, WARNING_ALERTS

Reason = Literal["invalid", "unsupported", "expired", "failed", "untrusted"]

GROUP_HEADER = "surefoot_group"
"""A header of replayed messages: the one consumer group that the replay is for. The others skip it."""
LETTER_HEADER = "surefoot_letter"
"""A header of replayed messages: the id of the dead letter that is replayed."""
REPLAY_HEADER = "surefoot_replay"
"""A header of replayed messages: who has replayed it and why, as JSON (``Replay``)."""
REPLAY_SIGNATURE_HEADER = "surefoot_replay_signature"
"""A header of replayed messages: the operators' signature of the replay (``signatures.replay_bytes``). The message has
its writer's own besides."""
OURS = (GROUP_HEADER, LETTER_HEADER, REPLAY_HEADER, REPLAY_SIGNATURE_HEADER)
RULE = "dead-letter"


class DeadLettered(Contract):
    """Written once for each group: the id derives from topic, partition, offset and group."""

    topic: str
    partition: int
    offset: int
    group: str
    reason: Reason
    detail: Prose
    """Why the message could not be handled, without quoting its values."""
    key: Base64Bytes | None
    headers: tuple[tuple[str, Base64Bytes | None], ...]
    value: Base64Bytes | None
    value_bytes: int | None = None
    """The value's true size; None where there is no value."""
    cut: bool = False
    """Whether key, headers or value are here in part only, since Kafka could not take the whole letter: what is
    not there cannot be replayed."""
    replay_of: str | None = None
    """The letter whose replay this message was."""

    @property
    def subject(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def replay_headers(self) -> tuple[tuple[str, bytes | None], ...]:
        """The headers as they were, addressed to the group that could not handle the message."""
        given = ((name, value) for name, value in self.headers if name not in OURS)
        return (*given, (GROUP_HEADER, self.group.encode()), (LETTER_HEADER, letter_id(self).encode()))


class Replay(Contract):
    """Who has replayed a letter, when and why, as that person says."""

    actor: Plain
    time: Time
    reason: Prose = ""


class DeadLetterSettled(Contract):
    """An operator has settled a dead letter: replayed or discarded it. Until then the letter is open."""

    letter: str
    """The letter's id."""
    how: Literal["replayed", "dropped"]
    actor: Plain
    reason: Prose = ""
    group: Plain = ""
    """The service that could not handle the message; empty where an earlier version has settled the letter."""
    message: Plain = ""
    """Which message it was, as ``topic/partition/offset``."""
    target: Target | None = None
    """What the message was about, where its key says so."""

    @property
    def subject(self) -> str:
        return self.letter


def settlement_of(
    letter: DeadLettered, how: Literal["replayed", "dropped"], actor: str, reason: str
) -> DeadLetterSettled:
    """Return that an operator has settled a letter."""
    return DeadLetterSettled(
        letter=letter_id(letter),
        how=how,
        actor=actor,
        reason=reason,
        group=letter.group,
        message=letter.subject,
        target=target_of(letter),
    )


def target_of(letter: DeadLettered) -> Target | None:
    """Return what the message was about; None where its key is no target."""
    try:
        return Target.parse((letter.key or b"").decode())
    except ValueError:
        return None


def letter_id(letter: DeadLettered) -> str:
    """Return the id of a letter, which derives from topic, partition, offset and group."""
    return caused_id(letter.subject, letter.group)


def is_for(headers: Iterable[tuple[str, bytes | None]], group: str) -> bool:
    """Return whether a message is for ``group``: every one but a replay that is addressed to another group."""
    addressee = dict(headers).get(GROUP_HEADER)
    return addressee is None or addressee == group.encode()


def is_letter(topic: str, headers: Iterable[tuple[str, bytes | None]]) -> bool:
    """Return whether a message is a letter, which is for operators alone.

    The service that reads what becomes of letters reads their topic. What it would put aside there would be a letter
    again, and letters may be large: it looks at no more of them than this.
    """
    return topic == DEAD_LETTERS.name and (dict(headers).get("ce_type") or b"").startswith(b"dead-lettered.")


def alert_of(letter: DeadLettered, state: Literal["raised", "resolved"], began_at: datetime) -> WarningAlert | None:
    """Return the warning that a message could not be handled, however often it was tried; None if there is none.

    It warns and no more: on a critical alert recovery would roll an armed target back. It needs a target in the
    message's key. There is none about a warning, which would lead to the next one, and so on without end.
    """
    if letter.reason != "failed" or letter.topic == WARNING_ALERTS.name or (target := target_of(letter)) is None:
        return None
    id_ = letter_id(letter)
    return WarningAlert(
        target=target,
        alert_id=caused_id(id_, "alert"),
        rule=RULE,
        state=state,
        value=float(state == "raised"),
        comparison=">",
        threshold=0,
        samples=1,
        began_at=began_at,
        detail=f"{letter.group} could not handle {letter.subject} ({letter.detail}): surefoot dead-letters show {id_}",
    )
