"""A call of ``apply.lua``, in its keys and arguments: one decision, with all that follows from it and what it rests on.

The head of ``apply.lua`` lists them by their places.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import orjson

from contracts.bounds import as_json
from contracts.envelope import Envelope, Message, Meta
from contracts.results import Answer
from services._chassis.audit.acts import origin
from services._chassis.audit.entries import entries_of
from services._chassis.clock import moment
from services._chassis.compact import compact, compact_answer, short
from services._chassis.damage import SET_ASIDE
from services._chassis.redis_keys import ANSWER, AUDIT, FIRST_JOBS, JOBS, REMEMBER_SECONDS, key_of
from services._chassis.transition import Decision, Emit, Timer

Argument = str | bytes | float


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to end a job: its id and the fence of its claim."""

    job: str
    fence: int


@dataclass(frozen=True, slots=True)
class Write:
    """A decision that is to be written, and what must hold for that when it is."""

    key: str | None
    """The key of the state; None for consequences without a state."""
    decision: Decision
    revision: str
    """The revision of the state that was decided on; empty without a state."""
    redis_run_id: str
    """The run of Redis that the state was read from; empty for any."""
    mark: str = ""
    """What the inbox must not have yet, and has then; empty for what is not recorded there."""
    mark_before: str = ""
    """The same mark as version 0.1.0 made it."""
    remember: int = REMEMBER_SECONDS
    """Real seconds for which the inbox keeps the mark."""
    cause_id: str = ""
    """Goes out with the events."""
    lease: Lease | None = None
    """The lease of the job that ends with it."""
    timer: Timer | None = None
    """The timer that fires by it."""


def keys_and_arguments(
    write: Write, service: str, now: float, first_jobs: frozenset[str]
) -> tuple[list[str], list[Argument]]:
    """Return the keys and arguments with which ``apply.lua`` writes a decision of ``service``.

    ``now``: product time in epoch seconds, the time of the events. ``first_jobs``: the kinds of jobs that wait for none
    of the others. Raise ``ValueError`` for a state without a key.
    """
    if write.decision.state is not None and write.key is None:
        raise ValueError("a transition without a key cannot write a state")
    key = partial(key_of, service)
    lease, timer, decision = write.lease, write.timer, write.decision
    keys = [
        key("inbox", short(write.mark)),
        key("state", write.key or ""),
        key("outbox"),
        key("timers"),
        key("timer-bodies"),
        key(JOBS),
        key("job", lease.job if lease else ""),
        key("inbox", write.mark_before or write.mark),
        key(FIRST_JOBS),
        key("call", secrets.token_hex(8)),
        key(AUDIT),
    ]
    arguments: list[Argument] = [
        write.mark,
        write.remember,
        write.revision,
        "" if decision.state is None else "expires" if decision.expires else "1",
        decision.state or b"",
        str(lease.fence) if lease else "",
        timer.id if timer else "",
        repr(timer.due) if timer else "",
        write.redis_run_id,
    ]
    recorded = _audit(write, service, now)
    for of, operation in (*_operations(decision, first_jobs), *_emissions(write, service, now), *recorded):
        keys += [key(*of)] if of else []
        arguments += operation
    return keys, arguments


_Operation = tuple[tuple[str, ...], list[Argument]]
"""An operation of ``apply.lua``: the parts of its key, none where it has no key, then its name and arguments."""


def _operations(decision: Decision, first_jobs: frozenset[str]) -> Iterator[_Operation]:
    """Yield what a decision changes beside the state, without its events."""
    for timer_id in decision.cancel_timers:
        yield (), ["cancel_timer", timer_id]
    for new in decision.timers:
        yield (), ["timer", new.id, repr(new.due), orjson.dumps([new.kind, new.payload.decode()])]
    for job_id in decision.cancel_jobs:
        yield ("job", job_id), ["cancel_job", job_id]
    for job in decision.jobs:
        queue = "first" if job.kind in first_jobs else ""
        yield ("job", job.id), ["job", job.id, job.kind, job.payload, job.asked_by, queue]
    for name, data in decision.records.items():
        # what was set aside is looked at by hand
        kept = data if name.startswith(SET_ASIDE) else compact(data)
        yield ("record", name), ["put_record", kept, REMEMBER_SECONDS]
    for index in decision.indexes:
        yield ("index", index.name), ["index", index.member, repr(index.score), index.keep]


def _emissions(write: Write, service: str, now: float) -> Iterator[_Operation]:
    """Yield the events for the outbox, and the answers to be kept, so that they can be given again."""
    for emission in write.decision.emit:
        fields = fields_of(message_of(emission, service, write.cause_id, now))
        yield (), ["emit", *fields.values()]
        if isinstance(emission.event, Answer):
            kept = compact_answer(fields)
            yield (ANSWER, emission.event.command_id), ["put_record", kept, REMEMBER_SECONDS]


def _audit(write: Write, service: str, now: float) -> Iterator[_Operation]:
    """Yield what the audit is to record of the decision."""
    for entry in entries_of(write.decision, service, origin.get(), write.cause_id, moment(now)):
        yield (), ["audit", as_json(entry)]


def message_of(emission: Emit, service: str, cause_id: str, now: float) -> Message:
    """Encode an event as one of ``service``, caused by ``cause_id``, at ``now`` (product time in epoch seconds)."""
    event = emission.event
    meta = Meta(
        id=emission.id,
        source=f"surefoot/{service}",
        time=moment(now),
        run_id=getattr(event, "run_id", None),
        cause_id=cause_id or None,
    )
    return Envelope(meta, event).to_message()


def fields_of(message: Message) -> dict[str, bytes]:
    """Return a message as the outbox has it."""
    headers = orjson.dumps([(name, value.decode()) for name, value in message.headers])
    return {"topic": message.topic.encode(), "key": message.key, "headers": headers, "value": message.value}
