"""Messages to one service, good ones and bad ones of every kind, each with its expected result."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from contracts.base import Target
from contracts.envelope import Envelope, Meta
from contracts.recovery import CaptureSnapshot, Disarm
from contracts.topics import CRITICAL_ALERTS, RECOVERY_COMMANDS

GROUP = "recovery"
TOPIC = RECOVERY_COMMANDS.name
TARGETS = 48
HUGE = 8
"""How many messages are too large for a letter: each is nearly a megabyte."""
SHARE = 3
"""One of so many messages is bad."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One message, and whether it must be a dead letter."""

    topic: str
    key: bytes | None
    headers: list[tuple[str, Any]]
    value: bytes | None
    bad: str = ""
    """What is wrong with the message; empty for a good one."""


def good(number: int) -> Sample:
    target = Target(account="123456789012", region="us-west-2", cluster="bench", service=f"service-{number % TARGETS}")
    event = CaptureSnapshot(target=target, run_id="run", purpose="before-change")
    meta = Meta(f"command-{number}", "surefoot/orchestrator", datetime.now(UTC), run_id="run")
    message = Envelope(meta, event).to_message()
    return Sample(message.topic, message.key, list(message.headers), message.value)


def _headers(sample: Sample, **changed: bytes | None) -> list[tuple[str, Any]]:
    return [*(dict(sample.headers) | changed).items()]


def _without(sample: Sample, name: str) -> list[tuple[str, Any]]:
    return [header for header in sample.headers if header[0] != name]


def kinds(sample: Sample) -> dict[str, Sample]:
    """Return every way in which a good message can be spoilt."""
    topic, key, headers, value = sample.topic, sample.key, sample.headers, sample.value
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat().encode()
    disarm = Disarm(target=Target.parse((key or b"").decode()), run_id="run").model_dump_json().encode()
    bad = {
        "bytes that are no text": (topic, key, headers, b"\xff\xfe\x00 not json"),
        "text that is no JSON": (topic, key, headers, b"not json"),
        "no object": (topic, key, headers, b"[]"),
        "an empty value": (topic, key, headers, b""),
        "a null value": (topic, key, headers, None),
        "no key and a bad value": (topic, None, headers, b"{}"),
        "a field of a wrong type": (topic, key, headers, b'{"target": 7, "run_id": {"password": "x"}}'),
        "a body that does not validate": (topic, key, headers, b'{"run_id": "run", "purpose": "for fun"}'),
        "an attribute that is no text": (topic, key, _headers(sample, ce_source=b"\xc3\x28"), value),
        "a foreign header that is no text": (topic, key, _headers(sample, x=b"\xff"), value),
        "a null attribute": (topic, key, _headers(sample, ce_id=None), value),
        "a null header": (topic, key, _headers(sample, x=None), value),
        "no headers": (topic, key, [], value),
        "no type": (topic, key, _without(sample, "ce_type"), value),
        "no id": (topic, key, _without(sample, "ce_id"), value),
        "no time": (topic, key, _without(sample, "ce_time"), value),
        "a time that is none": (topic, key, _headers(sample, ce_time=b"yesterday"), value),
        "another version of CloudEvents": (topic, key, _headers(sample, ce_specversion=b"0.3"), value),
        "expired": (topic, key, _headers(sample, ce_expirytime=hour_ago), value),
        "an unknown command": (topic, key, _headers(sample, ce_type=b"levitate.v1"), value),
        "a command that is not handled here": (topic, key, _headers(sample, ce_type=b"disarm.v1"), disarm),
        "on the wrong topic": (CRITICAL_ALERTS.name, key, headers, value),
    }
    return {name: Sample(*parts, bad=name) for name, parts in bad.items()}


def huge(sample: Sample) -> Sample:
    """Return a message that Kafka accepts, and that in base64 would not fit into a letter."""
    return Sample(sample.topic, sample.key, sample.headers, b"x" * 900_000, "too large for a letter")


def mixture(number: int, *, malformed: bool, first: int = 0, seed: int = 1) -> list[Sample]:
    """Return so many messages, ``first`` being the number of the first; of ``malformed`` ones a third is bad.

    All kinds are there equally often, and stand where ``seed`` puts them.
    """
    samples = [good(first + place) for place in range(number)]
    if not malformed:
        return samples
    random = Random(seed)  # noqa: S311  it has to be repeatable
    for turn, place in zip(count(), random.sample(range(number), number // SHARE), strict=False):
        if turn < HUGE:
            samples[place] = huge(samples[place])
            continue
        spoilt = kinds(samples[place])
        samples[place] = spoilt[[*spoilt][turn % len(spoilt)]]
    return samples
