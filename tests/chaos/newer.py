"""Imitates the next version of a service: its events have more fields, and it publishes new ones."""

from dataclasses import replace
from typing import Any

import orjson

from contracts.envelope import Message
from services._chassis import apply_call
from services._chassis.transition import Emit


def become_newer() -> None:
    """Let every event carry a field that this version does not know."""
    ours = apply_call.message_of

    def message_of(emission: Emit, service: str, cause_id: str, now: float) -> Message:
        message = ours(emission, service, cause_id, now)
        return replace(message, value=_grown(message.value))

    apply_call.message_of = message_of  # that is what a newer version is


def _grown(value: bytes) -> bytes:
    body: dict[str, Any] = orjson.loads(value)
    return orjson.dumps({**body, "of_the_next_version": {"since": 2}})
