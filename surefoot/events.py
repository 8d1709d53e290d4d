"""Read the event streams."""

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer

from contracts.dead_letter import DeadLettered
from contracts.envelope import Envelope, InvalidMessage
from contracts.prose import each_text, plain
from contracts.suggest import did_you_mean
from contracts.topics import DEPLOYMENT_EVENTS, TOPICS
from surefoot.exit_codes import Exit
from surefoot.kafka import connection, started
from surefoot.output import CannotDo, json_of, note
from surefoot.signing import proven, trust_of

EVERY = 100
"""A line tells of the first of so many messages that cannot be shown: a flood of them is no flood of lines."""
SHORT_RUN = 8
"""Characters of a run's id that tell it from others at a glance; ``--json`` has all of them."""
WHERE_WIDTH, TYPE_WIDTH = 32, 22


def follow(topics: tuple[str, ...], *, from_start: bool, write: Callable[[str], None], as_json: bool) -> None:
    """Write each event as a line until interrupted; say on stderr when it listens. Raise ``CannotDo``."""
    known = sorted(topic.name for topic in TOPICS)
    if unknown := [topic for topic in topics if topic not in known]:
        meant = did_you_mean(unknown[0], known)
        raise CannotDo(f"no topic {', '.join(unknown)}{meant or '.'} There are {', '.join(known)}", Exit.USAGE)
    asyncio.run(_follow(topics or (DEPLOYMENT_EVENTS.name,), from_start, write, as_json))


async def _follow(topics: tuple[str, ...], from_start: bool, write: Callable[[str], None], as_json: bool) -> None:
    trust = trust_of(os.environ)
    offsets = {"auto_offset_reset": "earliest" if from_start else "latest"}
    async with started(connection(), AIOKafkaConsumer, AIOKafkaConsumer.stop, *topics, **offsets) as consumer:
        note(f"listening to {', '.join(topics)}; Ctrl+C ends it")
        if not trust.demands:
            note("nothing proves who writes what follows: SUREFOOT_TRUSTED_KEYS is not set, or signatures not demanded")
        left_out = 0
        async for record in consumer:
            try:
                envelope = proven(record, trust)
            except InvalidMessage as error:
                if left_out % EVERY == 0:
                    where = f"{record.topic}/{record.partition}/{record.offset}"
                    note(plain(f"{where} is not shown, after {left_out} others: {error}"))
                left_out += 1
                continue
            write(as_data(envelope) if as_json else as_line(envelope))


def as_data(envelope: Envelope) -> str:
    """Return an event as JSON: its id, type, time and data."""
    data = envelope.event.model_dump(mode="json")
    return json_of({"id": envelope.meta.id, "type": envelope.entry.type, "time": envelope.meta.time, "data": data})


def as_line(envelope: Envelope) -> str:
    """Return an event as a line for a person: time, service, run, content."""
    data = each_text(envelope.event.model_dump(mode="json"), plain)
    if isinstance(envelope.event, DeadLettered):
        data = {name: data[name] for name in ("group", "reason", "detail", "topic")}
    run = plain(str(data.get("run_id") or envelope.meta.run_id or "-"))[:SHORT_RUN]
    columns = (
        f"{envelope.meta.time:%H:%M:%S}",
        f"{_where(data):{WHERE_WIDTH}}",
        f"{run:{SHORT_RUN}}",
        f"{envelope.entry.name:{TYPE_WIDTH}}",
        ", ".join(f"{name}={_plain(value)}" for name, value in data.items() if value and name not in _SHOWN),
    )
    return "  ".join(columns).rstrip()


_SHOWN = frozenset({"target", "run_id"})


def _where(data: Mapping[str, Any]) -> str:
    target = data.get("target")
    return f"{target['cluster']}/{target['service']}" if target else "-"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
