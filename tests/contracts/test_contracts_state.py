"""State is read only where writing it back would lose nothing."""

import json
from enum import StrEnum

import pytest
from pydantic import Field

from contracts.base import Contract
from contracts.state import DamagedState, NewerState, State


class Colour(StrEnum):
    RED = "red"


class Part(Contract):
    name: str
    colour: Colour = Colour.RED


class Whole(State):
    parts: tuple[Part, ...] = ()
    by_name: dict[str, Part] = Field(default_factory=dict)
    labels: frozenset[str] = frozenset()


class Second(State):
    """Once ``parts`` was called ``pieces``."""

    schema_version: int = 2
    parts: tuple[Part, ...] = ()


class Named(State):
    version: str = "of an image"


WHOLE = Whole(parts=(Part(name="a"),), by_name={"b": Part(name="b")}, labels=frozenset("xyz"))


def stored(**changes: object) -> bytes:
    return json.dumps(json.loads(WHOLE.to_bytes()) | changes).encode()


def test_what_was_written_is_read() -> None:
    assert Whole.from_bytes(WHOLE.to_bytes()) == WHOLE
    assert Whole.from_bytes(None, labels=frozenset("a")) == Whole(labels=frozenset("a"))
    assert WHOLE.replace(parts=()).parts == ()


@pytest.mark.parametrize("old", [{}, {"version": 1}, {"schema_version": 1}])
def test_what_was_written_before_there_was_one_form_is_read(old: dict[str, int]) -> None:
    text = json.dumps({"parts": [{"name": "a"}], **old}).encode()
    assert Whole.from_bytes(text) == Whole(parts=(Part(name="a"),))


@pytest.mark.parametrize(
    "newer",
    [
        {"schema_version": 2},
        {"version": 2, "schema_version": None} | {"parts": []},
        {"added": 1},
        {"parts": [{"name": "a", "added": None}]},
        {"by_name": {"b": {"name": "b", "added": {}}}},
        {"parts": [{"name": "a", "colour": "blue"}]},
    ],
)
def test_what_would_be_lost_is_not_read(newer: dict[str, object]) -> None:
    data = json.loads(stored(**newer))
    if data["schema_version"] is None:
        del data["schema_version"]
    with pytest.raises(NewerState) as raised:
        Whole.from_bytes(json.dumps(data).encode())
    assert "Whole" in str(raised.value)
    assert "blue" not in str(raised.value), "values are no text for a log"


def test_an_older_state_may_have_what_is_gone_and_is_written_as_new() -> None:
    state = Second.from_bytes(b'{"schema_version": 1, "pieces": []}')
    assert json.loads(state.to_bytes()) == {"schema_version": 2, "parts": []}


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b'{"parts": [',
        b'{"schema_version": null}',
        b'{"schema_version": "1"}x',
        b'{"parts": [{}]}',
        b'{"parts": null}',
        b'{"parts": [{"name": 1e999}]}',
        b"[" * 100_000,
    ],
)
def test_what_no_version_can_have_written_is_damaged(damaged: bytes) -> None:
    with pytest.raises(DamagedState) as raised:
        Whole.from_bytes(damaged)
    assert (raised.value.data, "Whole" in str(raised.value)) == (damaged, True)


def test_an_older_state_that_cannot_be_read_is_damaged() -> None:
    with pytest.raises(DamagedState):
        Second.from_bytes(b'{"schema_version": 1, "parts": 7}')


def test_a_field_of_ones_own_may_be_called_version() -> None:
    assert Named.from_bytes(Named(version="1.2").to_bytes()).version == "1.2"
