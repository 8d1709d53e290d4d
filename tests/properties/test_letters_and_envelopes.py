"""What lies on the bus: whatever bytes come are read or refused, kept whole or cut, and never more than Kafka takes."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from math import inf, isfinite
from typing import Any

import hypothesis.strategies as st
from aiokafka.structs import ConsumerRecord
from hypothesis import example, given

from contracts.catalogue import CATALOGUE
from contracts.dead_letter import DeadLettered, letter_id
from contracts.envelope import Envelope, InvalidMessage, Meta, from_message
from contracts.publish import examples_of
from services._chassis.apply_call import message_of
from services._chassis.clock import Pace
from services._chassis.dead_letters import emissions_for, letter_of
from tests.properties.profiles import PROFILE

EXAMPLES = {entry.type: examples_of(entry.type)[0].encode() for entry in CATALOGUE}
EVENTS = [entry.contract.model_validate_json(EXAMPLES[entry.type]) for entry in CATALOGUE]
MIB = 1024 * 1024
NOW = datetime(2026, 1, 12, tzinfo=UTC)

text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
"""Offsets, as RFC 3339 has them: in a named zone's doubtful hour Python calls no two times equal."""
moments = st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1), timezones=zones)  # noqa: DTZ001  the zones come after
metas = st.builds(
    Meta,
    id=text,
    source=text,
    time=moments,
    run_id=st.none() | text,
    cause_id=st.none() | text,
    expires_at=st.none() | moments,
)


@PROFILE
@given(st.sampled_from(EVENTS), metas)
def test_what_is_written_is_read(event: Any, meta: Meta) -> None:
    message = Envelope(meta, event).to_message()
    assert from_message(message.headers, message.value) == Envelope(meta, event)


NAMES = ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_expirytime", "ce_runid")
VALUES = (b"1.0", b"2026-01-12T00:00:00Z", b"2026-01-12", b"9999-12-31T23:59:59-12:00", b"", *map(str.encode, EXAMPLES))
headers = st.lists(
    st.tuples(st.sampled_from(NAMES) | text, st.none() | st.sampled_from(VALUES) | st.binary(max_size=40)), max_size=9
)


@PROFILE
@given(headers, st.none() | st.binary() | st.sampled_from(list(EXAMPLES.values())))
def test_any_bytes_are_read_or_invalid(headers: Any, value: bytes | None) -> None:
    with suppress(InvalidMessage):
        from_message(headers, value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@PROFILE
@given(st.sampled_from(sorted(EXAMPLES)), st.data(), json_values)
def test_a_spoilt_event_is_read_or_invalid(type_: str, data: st.DataObject, wrong: Any) -> None:
    whole = json.loads(EXAMPLES[type_])
    spot = whole
    while isinstance(spot, dict) and spot:
        key = data.draw(st.sampled_from(sorted(spot)))
        if not isinstance(spot[key], dict) or data.draw(st.booleans()):
            spot[key] = wrong
            break
        spot = spot[key]
    required = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "s", "ce_time": NOW.isoformat(), "ce_type": type_}
    with suppress(InvalidMessage):
        from_message([(name, value.encode()) for name, value in required.items()], json.dumps(whole).encode())


places = st.tuples(
    st.text("abcXYZ019._-", min_size=1),
    st.integers(0, 11),
    st.integers(0, 2**62),
    st.sampled_from(["health", "monitor"]),
)


def letter_at(place: tuple[str, int, int, str], **fields: Any) -> DeadLettered:
    topic, partition, offset, group = place
    known = {"reason": "failed", "detail": "", "key": None, "headers": (), "value": None}
    return DeadLettered.model_construct(
        topic=topic, partition=partition, offset=offset, group=group, **{**known, **fields}
    )


@PROFILE
@given(places, places, text, st.binary())
def test_one_place_and_group_is_one_letter(first: Any, other: Any, detail: str, value: bytes) -> None:
    again = letter_at(first, detail=detail, value=value, reason="invalid")
    assert letter_id(letter_at(first)) == letter_id(again)
    assert (letter_id(letter_at(first)) == letter_id(letter_at(other))) == (first == other)


blobs = st.none() | st.binary(max_size=50)


@PROFILE
@given(places, blobs, st.lists(st.tuples(text, blobs), max_size=3), blobs)
def test_any_bytes_survive_a_letter(place: Any, key: bytes | None, headers: Any, value: bytes | None) -> None:
    letter = letter_at(place, key=key, headers=tuple(headers), value=value)
    assert DeadLettered.model_validate_json(letter.model_dump_json()) == letter


def long(unit: str) -> st.SearchStrategy[str]:
    return st.integers(0, 2_000_000).map(lambda size: unit * size)


sizes = st.one_of(st.none(), st.integers(0, 50).map(bytes), st.integers(0, 2_000_000).map(lambda size: b"\xff" * size))
long_names = st.one_of(text, st.sampled_from(["a", "\0", '"', "é", "\U00010000"]).flatmap(long))


@PROFILE
@given(sizes, st.lists(st.tuples(long_names, sizes), max_size=4), sizes, st.integers(1, 3000), long_names)
@example(None, [("surefoot_letter", b"\xff" * 100)], None, 1, "why")
@example(None, [("\0", b"")], None, 60_000, "why")
def test_a_letter_of_anything_fits_into_kafka(
    key: bytes | None, headers: Any, value: bytes | None, times: int, detail: str
) -> None:
    record: Any = ConsumerRecord("t" * 249, 11, 2**62, 0, 0, key, value, None, 0, 0, headers * times)
    letter = letter_of(record, "orchestrator", "failed", detail)
    for emission in emissions_for(letter, NOW):
        message = message_of(emission, "orchestrator", letter_id(letter), NOW.timestamp())
        assert len(message.key) + len(message.value) + sum(len(n) + len(v) for n, v in message.headers) < MIB
    whole = (letter.key, letter.headers, letter.value) == (record.key, tuple(record.headers), record.value)
    assert letter.cut != whole


rates, anchors = st.floats(0.001, 1000), st.floats(0, 4e9)


@PROFILE
@given(rates, anchors, st.lists(st.floats(0, 4e9), min_size=2))
def test_product_time_never_runs_backwards(rate: float, anchor: float, moments: list[float]) -> None:
    pace = Pace(rate, anchor)
    assert pace.at(anchor) == anchor
    assert all(pace.at(earlier) <= pace.at(other) for earlier, other in pairwise(sorted(moments)))
    assert Pace.parse(str(pace)) == Pace.parse(str(Pace.parse(str(pace))))


@PROFILE
@given(st.text() | st.sampled_from(["inf", "nan@0", "1@nan", "1@inf", "-1@0", "1e999", "20@1764000000"]))
def test_whatever_is_written_is_a_pace_or_refused(written: str) -> None:
    with suppress(ValueError):
        pace = Pace.parse(written)
        assert 0 < pace.rate < inf
        assert isfinite(pace.anchor)
