"""The one form in which a service keeps what it knows: a contract with its own past and future versions.

Replicas of two versions run side by side during an upgrade. State is read only where writing it back would lose
nothing; what a newer version wrote is left for a newer replica (docs/adr/0016-state-of-a-newer-version.md). What no
version can have written is set aside (docs/adr/0027-damaged-state-is-set-aside.md).
"""

from typing import Any, Self, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from contracts.base import Contract
from contracts.bounds import as_json

M = TypeVar("M", bound=BaseModel)

_OLD_NAME = "version"
"""The name of ``schema_version`` in some states of earlier versions."""


_GROWTH = frozenset({
    "enum", "literal_error", "union_tag_invalid", "union_tag_not_found", "string_pattern_mismatch", "string_too_long",
    "string_too_short", "too_long", "too_short", "greater_than", "greater_than_equal", "less_than", "less_than_equal",
    "value_error", "assertion_error",
})  # fmt: skip
"""Types of pydantic's errors about a value that a newer version may take: another word, a wider bound."""


class NewerState(Exception):
    """State that a newer version wrote: leave it as it is, and wait.

    The error's text names the state and says why it cannot be read, without its values.
    """


class DamagedState(ValueError):
    """State that no version can read. The text names it and says where it is damaged, without its values."""

    temporary = False

    def __init__(self, why: str, data: bytes) -> None:
        super().__init__(why)
        self.data = data


class State(Contract):
    """Frozen, and replaced as a whole.

    A field may be added freely: a version that does not know it recognises the state as newer. ``schema_version`` must
    grow when a field is removed or renamed, or gets another type or meaning; version N reads what N-1 wrote. State
    without a version is of version 1.
    """

    schema_version: int = 1

    @classmethod
    def from_bytes(cls, data: bytes | None, **initial: Any) -> Self:
        """Read what ``to_bytes`` wrote. None, where nothing was written yet, yields a state with ``initial`` fields.

        Raise ``NewerState`` for what this version cannot write back whole, and ``DamagedState`` for what none can read.
        """
        if data is None:
            return cls(**initial)
        try:
            state = cls.model_validate_json(data)
        except ValidationError as error:
            raise cls._unreadable(data, error) from None
        if state.to_bytes() == data and state.schema_version == cls._current():
            return state  # the usual case, in a third of the time
        stored = dict(from_json(data))
        if cls._version_of(stored) == cls._current():
            kept = from_json(state.to_bytes()) | {_OLD_NAME: 1}
            if (unknown := _unknown(stored, kept)) is not None:
                raise NewerState(f"{cls.__name__} has the field {unknown}, which this version does not know")
        return state.replace(schema_version=cls._current())

    @classmethod
    def _unreadable(cls, data: bytes, error: ValidationError) -> NewerState | DamagedState:
        """Return why the state cannot be read. Raise ``NewerState`` where its version says so."""
        faults = error.errors(include_input=False, include_url=False)
        try:
            stored = dict(from_json(data))
        except (ValueError, TypeError):
            return DamagedState(f"{cls.__name__} is no JSON object", data)
        where = ".".join(str(part) for part in faults[0]["loc"])
        if cls._version_of(stored) == cls._current() and any(fault["type"] in _GROWTH for fault in faults):
            return NewerState(f"{cls.__name__} has in {where} what this version does not know")
        return DamagedState(f"{cls.__name__} is damaged in {where}", data)

    @classmethod
    def _current(cls) -> int:
        version: int = cls.model_fields["schema_version"].default
        return version

    @classmethod
    def _version_of(cls, stored: dict[str, Any]) -> int:
        """Return the version of what is stored. Raise ``NewerState`` for a higher one than this."""
        old = 1 if _OLD_NAME in cls.model_fields else stored.get(_OLD_NAME, 1)
        version = stored.get("schema_version", old)
        if not isinstance(version, int):
            return 0
        if version > cls._current():
            raise NewerState(f"{cls.__name__} is of version {version}, and this is version {cls._current()}")
        return version

    def to_bytes(self) -> bytes:
        """Write the state. Raise ``OutOfBounds`` for a number that is not finite."""
        return as_json(self)

    def replace(self, **changes: Any) -> Self:
        """Return a copy with these fields changed."""
        return self.model_copy(update=changes)


def read_record(kind: type[M], data: bytes | None) -> M | None:
    """Return what a record holds, for its readers; None where there is none, or where it cannot be read."""
    try:
        return None if data is None else kind.model_validate_json(data)
    except ValidationError:
        return None


def _unknown(stored: Any, kept: Any) -> str | None:
    """Return the name of a field that is in ``stored`` and would not be written back, if there is one."""
    if isinstance(stored, dict) and isinstance(kept, dict):
        for name, value in stored.items():
            if name not in kept:
                return str(name)
            if (unknown := _unknown(value, kept[name])) is not None:
                return unknown
    if isinstance(stored, list) and isinstance(kept, list):
        for value, same in zip(stored, kept, strict=False):
            if (unknown := _unknown(value, same)) is not None:
                return unknown
    return None
