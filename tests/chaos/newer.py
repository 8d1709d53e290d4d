"""Imitates the next version of a service: its events have more fields, and it publishes new ones."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import orjson

from contracts.envelope import Message
from services._chassis.store import RedisStore
from services._chassis.transition import Emit


def become_newer() -> None:
    """Let every event carry a field that this version does not know."""
    ours = RedisStore.messages

    def messages(self: RedisStore, emit: Iterable[Emit], cause_id: str | None) -> list[Message]:
        return [replace(message, value=_grown(message.value)) for message in ours(self, emit, cause_id)]

    RedisStore.messages = messages  # type: ignore[method-assign]  # that is what a newer version is


def _grown(value: bytes) -> bytes:
    body: dict[str, Any] = orjson.loads(value)
    return orjson.dumps({**body, "of_the_next_version": {"since": 2}})
