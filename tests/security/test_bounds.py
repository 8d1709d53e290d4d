"""Every message has a size and a shape: what is beyond it is refused where it comes in, and never stored or sent."""

import json
import re
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from contracts import bounds
from contracts.base import AccountId, Region, Target
from contracts.bounds import OutOfBounds
from contracts.catalogue import CATALOGUE, Entry
from contracts.dead_letter import DeadLetterSettled
from contracts.envelope import Envelope, InvalidMessage, Meta, from_message
from contracts.gates import Gate
from contracts.health import HealthScored
from contracts.publish import examples_of
from contracts.state import State
from services.recovery.domain.snapshots.snapshot import SnapshotId

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
TARGET = Target(account="123456789012", region="us-west-2", cluster="c", service="s")
SCORE = {"target": TARGET.model_dump(), "low": 1, "high": 2, "rating": "good", "levels": []}
NOT_FINITE = ("1e999", "-1e999", "NaN", "Infinity", "-Infinity")


def headers(type_: str = "health-scored.v1", **changes: str) -> list[tuple[str, bytes]]:
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": "1",
        "ce_source": "ci",
        "ce_type": type_,
        "ce_time": "2026-01-05T12:00:00Z",
    } | changes
    return [(name, value.encode()) for name, value in attributes.items()]


def numbers(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all numbers."""
    if isinstance(document, bool):
        return
    if isinstance(document, int | float):
        yield path
    entries = (
        document.items() if isinstance(document, dict) else enumerate(document if isinstance(document, list) else ())
    )
    for key, value in entries:
        yield from numbers(value, (*path, key))


def with_number(example: str, path: tuple[Any, ...], text: str) -> bytes:
    document = json.loads(example)
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = "@"
    return json.dumps(document).replace('"@"', text).encode()


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.type)
def test_no_contract_takes_a_number_that_is_not_finite(entry: Entry) -> None:
    for example in examples_of(entry.type):
        from_message(headers(entry.type), example.encode())
        for path in numbers(json.loads(example)):
            for text in NOT_FINITE:
                with pytest.raises(InvalidMessage):
                    from_message(headers(entry.type), with_number(example, path, text))


def test_there_are_numbers_to_try() -> None:
    assert sum(len(list(numbers(json.loads(text)))) for entry in CATALOGUE for text in examples_of(entry.type)) > 30


def test_a_number_that_became_infinite_is_neither_stored_nor_sent() -> None:
    class Kept(State):
        number: float = 0
        text: str = ""

    for number in (inf, -inf, nan):
        with pytest.raises(bounds.OutOfBounds):
            Kept().replace(number=number).to_bytes()
        scored = Envelope(
            Meta("1", "surefoot/health", NOW), HealthScored.model_validate(SCORE).model_copy(update={"low": number})
        )
        with pytest.raises(bounds.OutOfBounds):
            scored.to_message()
        with pytest.raises(ValidationError):
            Gate.measured("g", number, ">=", 1)
    named = Kept(text='NaN Infinity "NaN": Infinity')
    assert Kept.from_bytes(named.to_bytes()) == named


@pytest.mark.parametrize(
    ("extra", "fault"),
    [
        ({"note": "x" * (bounds.LONGEST_TEXT + 1)}, "a text of more than 16,384 characters"),
        ({"actor": "x" * (bounds.LONGEST_ACTOR + 1)}, "a text of more than 512 characters"),
        ({"run_id": "x" * (bounds.LONGEST_ID + 1)}, "a text of more than 1,024 characters"),
        ({"note": [0] * (bounds.MOST_ENTRIES + 1)}, "more than 1,000 entries"),
        ({"note": dict.fromkeys(map(str, range(bounds.MOST_ENTRIES + 1)))}, "more than 1,000 entries"),
        ({"x" * (bounds.LONGEST_ID + 1): 0}, "a name of more than 1,024 characters"),
        ({"note": json.loads("[" * bounds.DEEPEST + "]" * bounds.DEEPEST)}, "more than 32 levels"),
        ({"note": json.loads('{"a":' * 40 + "1" + "}" * 40)}, "more than 32 levels"),
        ({"note": 10**400}, "a whole number beyond"),
        ({"note": -(2**53) - 1}, "a whole number beyond"),
        ({"note": ["x" * 16_000] * 20}, "more than 262,144 bytes"),
    ],
)
def test_what_is_beyond_a_bound_is_refused_also_in_fields_that_nobody_knows(extra: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidMessage, match=fault):
        from_message(headers(), json.dumps(SCORE | extra).encode())


@pytest.mark.parametrize(
    "value",
    [
        b"[" * 200_000,
        b"[" * 65_000,
        b'{"a":' * 40_000,
        b"1" * 200_000,
        b'"' + b"\\ud800" * 1_000 + b'"',
        b"\xff\xfe" * 1000,
        b"",
        b"[]",
        b"null",
    ],
)
def test_what_is_no_json_or_no_object_is_invalid_and_nothing_else(value: bytes) -> None:
    with pytest.raises(InvalidMessage):
        from_message(headers(), value)


def test_what_is_within_the_bounds_passes() -> None:
    widest = {"note": ["x" * bounds.LONGEST_TEXT] * 10, "actor": "x" * bounds.LONGEST_ACTOR, "n": 2**53}
    from_message(headers(), json.dumps(SCORE | widest).encode())


@pytest.mark.parametrize("name", ["ce_id", "ce_source", "ce_type", "ce_runid", "ce_causeid", "ce_time", "ce_subject"])
def test_an_attribute_of_a_megabyte_is_refused(name: str) -> None:
    with pytest.raises(InvalidMessage, match="more than 1,024 characters"):
        from_message(headers(**{name: "x" * 1_050_000}), json.dumps(SCORE).encode())


def test_an_event_whose_subject_would_be_too_long_a_header_is_neither_read_nor_written() -> None:
    settled = {"letter": "x" * 1_020, "how": "dropped", "actor": "ops"}
    with pytest.raises(InvalidMessage, match="a subject that would be a header of more than 1,024 characters"):
        from_message(headers("dead-letter-settled.v1"), json.dumps(settled).encode())
    meta = from_message(headers(), json.dumps(SCORE).encode()).meta
    with pytest.raises(OutOfBounds, match="not published: it would have a header of more than 1,024 characters"):
        Envelope(meta, DeadLetterSettled.model_validate(settled)).to_message()


def test_headers_are_few_and_short() -> None:
    value = json.dumps(SCORE).encode()
    with pytest.raises(InvalidMessage, match="more than 64 headers"):
        from_message([*headers(), *[("trace", b"1")] * 64], value)
    with pytest.raises(InvalidMessage, match="more than 8,192 characters"):
        from_message([*headers(), ("x" * 9_000, b"1")], value)
    from_message([*headers(), ("trace", b"x" * 8_000)], value)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z"])
def test_a_time_that_cannot_be_reckoned_with_is_refused(time: str) -> None:
    with pytest.raises(InvalidMessage, match="not within the years"):
        from_message(headers(ce_time=time), json.dumps(SCORE).encode())
    request = {"target": TARGET.model_dump(), "run_id": "r", "snapshot_id": "s", "expires_at": time}
    with pytest.raises(InvalidMessage, match="not within the years"):
        from_message(headers("arm.v1"), json.dumps(request).encode())


def test_what_expires_never_expires_late() -> None:
    meta = from_message(headers(ce_expirytime="9999-12-31T23:59:59Z"), json.dumps(SCORE).encode()).meta
    assert meta.expires_at == datetime(2199, 12, 31, tzinfo=UTC)
    meta = from_message(headers(ce_expirytime="0001-01-01T00:00:00Z"), json.dumps(SCORE).encode()).meta
    assert meta.expires_at == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_time_without_a_zone_is_refused_everywhere() -> None:
    request = {"target": TARGET.model_dump(), "run_id": "r", "snapshot_id": "s", "expires_at": "2026-01-05T12:00:00"}
    with pytest.raises(InvalidMessage, match="timezone"):
        from_message(headers("arm.v1"), json.dumps(request).encode())


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (AccountId, "123456789012", "١٢٣٤٥٦٧٨٩٠١٢"),
        (AccountId, "123456789012", "123456789012\n"),
        (Region, "us-west-2", "us-west-٢"),
        (SnapshotId, "20261127_033649_f9fa2b0b", "٢٠٢٦١١٢٧_٠٣٣٦٤٩_f9fa2b0b"),
    ],
)
def test_digits_are_ascii(kind: Any, right: str, wrong: str) -> None:
    adapter = TypeAdapter[str](kind)
    assert adapter.validate_python(right) == right
    with pytest.raises(ValidationError):
        adapter.validate_python(wrong)


def test_no_pattern_takes_the_digits_of_every_script() -> None:
    files = [file for package in ("contracts", "services", "surefoot") for file in (ROOT / package).rglob("*.py")]
    found = [str(file) for file in files if re.search(r"""r["'].*\\d""", file.read_text())]
    assert found == [str(ROOT / "contracts" / "compatibility.py")]  # reads the patterns of schemas


def test_the_largest_message_costs_little_memory() -> None:
    """An object of Python for each entry is the most: 40 times the message, 10 MB."""
    value = b'{"note":[' + b"[]," * 87_000 + b"[]]}"
    assert len(value) <= bounds.MOST_BYTES
    tracemalloc.start()
    with pytest.raises(InvalidMessage):
        from_message(headers(), value)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * bounds.MOST_BYTES
