"""A message that no service could handle, as it came."""

from typing import Literal

from pydantic import Base64Bytes

from contracts.base import Contract


class DeadLettered(Contract):
    """Written once for each group: the id derives from topic, partition, offset and group."""

    topic: str
    partition: int
    offset: int
    group: str
    reason: Literal["invalid", "unsupported", "failed"]
    detail: str
    """Why, without the message's values."""
    key: Base64Bytes | None
    headers: tuple[tuple[str, Base64Bytes | None], ...]
    value: Base64Bytes | None

    @property
    def subject(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"
