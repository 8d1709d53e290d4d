"""CloudEvents over Kafka: what we write we read, and what others write cannot hurt."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.base import Target
from contracts.catalogue import CATALOGUE
from contracts.deployment import AbortRequested, DeployRequested, ImageChange
from contracts.envelope import (
    Envelope,
    InvalidMessage,
    Message,
    Meta,
    UnknownType,
    from_message,
    read_meta,
)
from contracts.publish import examples_of
from contracts.topics import DEPLOYMENT_REQUESTS

TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")
META = Meta(id="1", source="ci", time=datetime(2026, 1, 5, 12, tzinfo=UTC))
EVENTS = [entry.contract.model_validate_json(examples_of(entry.type)[0]) for entry in CATALOGUE]
SECRET = "correct-horse-battery"

text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
metas = st.builds(
    Meta,
    id=text,
    source=text,
    time=st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=zones),  # noqa: DTZ001  zones are given
    run_id=st.none() | text,
    cause_id=st.none() | text,
    expires_at=st.none() | st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=zones),  # noqa: DTZ001
)


def message(**changes: bytes | None) -> list[tuple[str, bytes | None]]:
    """The headers of an abort, with some changed; ``None`` is a header that is null."""
    headers: dict[str, bytes | None] = dict(
        Envelope(META, AbortRequested(target=TARGET, run_id="r", actor="me")).to_message().headers
    )
    return [*(headers | changes).items()]


def without(name: str) -> list[tuple[str, bytes | None]]:
    return [(key, value) for key, value in message() if key != name]


@given(st.sampled_from(EVENTS), metas)
def test_round_trip(event: DeployRequested, meta: Meta) -> None:
    envelope = Envelope(meta, event)
    sent = envelope.to_message()
    assert from_message(sent.headers, sent.value) == envelope
    assert sent.topic == envelope.entry.topic.name
    headers = dict(sent.headers)
    assert sent.key == headers["ce_partitionkey"] == headers["ce_subject"] == event.subject.encode()
    assert headers["ce_specversion"] == b"1.0"
    assert headers["content-type"] == b"application/json"
    assert headers["ce_time"].endswith(b"Z")


def test_what_is_on_the_wire() -> None:
    event = AbortRequested(target=TARGET, run_id="r", actor="me")
    key = b"123456789012/us-west-2/Main/api"
    assert Envelope(META, event).to_message() == Message(
        topic=DEPLOYMENT_REQUESTS.name,
        key=key,
        headers=(
            ("ce_specversion", b"1.0"),
            ("ce_id", b"1"),
            ("ce_source", b"ci"),
            ("ce_type", b"abort-requested.v1"),
            ("ce_subject", key),
            ("ce_time", b"2026-01-05T12:00:00Z"),
            ("ce_partitionkey", key),
            ("content-type", b"application/json"),
        ),
        value=b'{"target":{"account":"123456789012","region":"us-west-2","cluster":"Main","service":"api"},'
        b'"run_id":"r","actor":"me","reason":""}',
    )


def test_headers_of_others_and_fields_of_a_newer_writer_are_ignored() -> None:
    sent = Envelope(META, AbortRequested(target=TARGET, run_id="r", actor="me")).to_message()
    value = sent.value.replace(b'"actor"', b'"colour":"red","actor"')
    headers = [*sent.headers, ("ce_colour", b"red"), ("x-other", b"\xc3\xbc")]
    assert from_message(headers, value).event == AbortRequested(target=TARGET, run_id="r", actor="me")


@pytest.mark.parametrize("name", ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"])
@pytest.mark.parametrize("empty", [False, True])
def test_a_missing_or_empty_attribute_is_named(name: str, empty: bool) -> None:
    headers = message(**{name: b""}) if empty else without(name)
    with pytest.raises(InvalidMessage, match=name):
        from_message(headers, b"{}")


@pytest.mark.parametrize("name", ["ce_id", "ce_type", "ce_runid", "x-anything"])
def test_a_header_that_is_null_or_no_text_is_named(name: str) -> None:
    with pytest.raises(InvalidMessage, match=f"^the header {name} is null$"):
        read_meta(message(**{name: None}))
    with pytest.raises(InvalidMessage, match=f"^the header {name} is not UTF-8$"):
        read_meta(message(**{name: b"\xff\xfe"}))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ce_specversion", b"0.3", "ce_specversion is not 1.0"),
        ("ce_time", b"yesterday", "ce_time is not RFC 3339"),
        ("ce_time", b"2026-01-05T12:00:00", "ce_time has no time zone"),
        ("ce_expirytime", b"soon", "ce_expirytime is not RFC 3339"),
        ("ce_expirytime", b"2026-01-05T12:00:00", "ce_expirytime has no time zone"),
    ],
)
def test_a_wrong_attribute_is_named_and_not_quoted(name: str, value: bytes, said: str) -> None:
    with pytest.raises(InvalidMessage) as caught:
        read_meta(message(**{name: value}))
    assert str(caught.value) == said


def test_no_headers_at_all() -> None:
    with pytest.raises(InvalidMessage, match=r"CloudEvents 1\.0"):
        from_message([], b"{}")


def test_an_unknown_type_is_told_apart_and_cut() -> None:
    with pytest.raises(UnknownType) as caught:
        from_message(message(ce_type=b"x" * 900), b"{}")
    assert len(str(caught.value)) < 200


def test_a_message_without_data() -> None:
    with pytest.raises(InvalidMessage, match=r"abort-requested\.v1 without data"):
        from_message(message(), None)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        SECRET.encode(),
        b'"%s"' % SECRET.encode(),
        b'{"run_id": {"password": "%s"}}' % SECRET.encode(),
        b'{"target": "%s", "run_id": "r", "actor": "a"}' % SECRET.encode(),
        b'{"target": {"account": "%s", "region": "%s", "cluster": "%s", "service": "%s"}}' % ((SECRET.encode(),) * 4),
        b"\xff" + SECRET.encode(),
    ],
)
def test_values_are_never_quoted(value: bytes) -> None:
    with pytest.raises(InvalidMessage) as caught:
        from_message(message(), value)
    assert SECRET not in str(caught.value)
    assert "abort-requested.v1 does not validate" in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_union_s_wrong_member_is_not_quoted() -> None:
    event = DeployRequested(target=TARGET, change=ImageChange(reference="app:1"), actor="me")
    value = event.model_dump_json().replace('"kind":"image"', f'"kind":"{SECRET}"').encode()
    with pytest.raises(InvalidMessage) as caught:
        from_message(message(ce_type=b"deploy-requested.v1"), value)
    assert SECRET not in str(caught.value)
    assert "change: the tag is none of 'image', 'task_definition', 'observe'" in str(caught.value)


names = st.text(max_size=20) | st.sampled_from(["ce_id", "ce_type", "ce_time", "ce_source", "ce_specversion"])
values = st.none() | st.binary(max_size=40) | st.sampled_from([b"1.0", b"disarm.v1", b"2026-01-05T12:00:00Z"])


@given(st.lists(st.tuples(names, values), max_size=10), st.none() | st.binary(max_size=200))
def test_anything_else_is_an_invalid_message(headers: list[tuple[str, bytes | None]], value: bytes | None) -> None:
    try:
        envelope = from_message(headers, value)
    except InvalidMessage:
        return
    assert envelope.meta.id
