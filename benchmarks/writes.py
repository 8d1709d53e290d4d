"""The writes of both sides for one message: a mark in the inbox, a state, an event in the outbox."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from contracts.base import Target, caused_id
from contracts.envelope import Envelope, Meta
from contracts.recovery import CaptureSnapshot, SnapshotCaptured
from services._chassis.redis_keys import REMEMBER_SECONDS
from services._chassis.transition import Decision, Emit, Transition

TARGETS = tuple(
    Target(account="123456789012", region="us-west-2", cluster="bench", service=f"service-{number}")
    for number in range(48)
)
BARE_SCRIPT = """
if not redis.call("SET", KEYS[1], "1", "NX", "EX", ARGV[1]) then return "seen" end
redis.call("HSET", KEYS[2], "revision", ARGV[2], "data", ARGV[3])
redis.call("XADD", KEYS[3], "*", "topic", ARGV[4], "key", ARGV[5], "headers", ARGV[6], "value", ARGV[7])
return "applied"
"""
"""The same writes, which read nothing before except the mark."""
STATE = orjson.dumps({"armed": True, "snapshot": "20261123_121452_6956935b", "rest": "x" * 400})


def captured(target: Target, cause: str) -> Emit:
    event = SnapshotCaptured(target=target, snapshot_id="20261123_121452_6956935b", task_definition="backend:1")
    return Emit(event, caused_id(cause, "captured"))


def transition(target: Target, cause: str) -> Transition:
    """One state of half a kilobyte, one event."""
    return Transition(f"protection:{target}", lambda _: Decision(STATE, emit=(captured(target, cause),)))


@dataclass(frozen=True, slots=True)
class BareWrites:
    """The arguments of ``BARE_SCRIPT``, all but the mark and the state's key encoded once."""

    service: str
    event: tuple[Any, ...] = field(init=False)

    def __post_init__(self) -> None:
        emit = captured(TARGETS[0], "any")
        message = Envelope(Meta(emit.id, "bare", datetime.now(UTC), cause_id=emit.id), emit.event).to_message()
        headers = orjson.dumps([(name, value.decode()) for name, value in message.headers])
        object.__setattr__(self, "event", (message.topic, message.key, headers, message.value))

    def keys(self, target: str, cause: str) -> list[str]:
        name = f"{{{self.service}}}"
        return [f"{name}:inbox:{cause}", f"{name}:state:{target}", f"{name}:outbox"]

    @property
    def arguments(self) -> list[Any]:
        return [REMEMBER_SECONDS, 1, STATE, *self.event]


def command(number: int) -> Envelope:
    """Return the message that both consumers read: a command of about 700 bytes with its headers."""
    target = TARGETS[number % len(TARGETS)]
    event = CaptureSnapshot(target=target, run_id="run", purpose="before-change")
    return Envelope(Meta(f"command-{number}", "surefoot/orchestrator", datetime.now(UTC), run_id="run"), event)
