"""``surefoot dead-letters`` on the dev broker, beside a service that cannot arm until it is mended."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from structlog.testing import capture_logs

from contracts.dead_letter import DeadLettered, DeadLetterSettled
from contracts.envelope import Envelope, Meta
from contracts.monitor import WarningAlert
from contracts.recovery import Arm
from services._chassis.kafka_connection import KafkaConnection
from services._chassis.service import Service
from services._chassis.topics import ensure_topics
from services._chassis.transition import Transition, decided
from surefoot.cli import run
from surefoot.dead_letter_topic import Letter, Letters
from surefoot.exit_codes import Exit
from surefoot.output import CannotDo
from tests.chassis.harness import TARGET, Sent, command, event_of, reading, send, serving, until

ARM = Arm(target=TARGET, run_id="run", snapshot_id="hunter2", expires_at=datetime.now(UTC))


UNSIGNED = "no signature was looked at: set SUREFOOT_TRUSTED_KEYS, so that no forged letter is shown or replayed\n"


@dataclass
class Armoury:
    broken: bool = True
    armed: list[str] = field(default_factory=list)

    async def arm(self, _: Arm, meta: Meta) -> Transition:
        if self.broken:
            raise RuntimeError("hunter2")
        self.armed.append(meta.id)
        return decided()


@dataclass
class Cli:
    """The command line, each command in a process of its own."""

    kafka: str

    async def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr, without the note that nobody has signed anything here."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "surefoot", "dead-letters", *arguments),
            env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": self.kafka, "COLUMNS": "200"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(40):
            out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode().replace(UNSIGNED, "")

    async def letters(self, *arguments: str) -> list[dict[str, Any]]:
        code, out, err = await self("list", "--json", *arguments)
        assert (code, err) == (0, "")
        return list(json.loads(out)["letters"])


class CliHere(Cli):
    """The command line in this process, without the second that each start takes."""

    async def __call__(self, *arguments: str) -> tuple[int, str, str]:
        out, err = StringIO(), StringIO()
        # the service beside it logs nothing meanwhile, since stdout is the whole process's
        with pytest.MonkeyPatch.context() as patched, capture_logs(), redirect_stdout(out), redirect_stderr(err):
            patched.setenv("KAFKA_BOOTSTRAP_SERVERS", self.kafka)
            patched.setenv("COLUMNS", "200")
            async with asyncio.timeout(40):
                code = await asyncio.to_thread(run, ["dead-letters", *arguments])
        return code, out.getvalue(), err.getvalue().replace(UNSIGNED, "")


@pytest.fixture
def armoury() -> Armoury:
    return Armoury()


@pytest.fixture
async def cli(kafka: str, redis: Any, armoury: Armoury, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cli]:
    monkeypatch.setattr("services._chassis.consumer.ATTEMPTS", 1)
    async with serving(kafka, redis, Service("recovery", handlers={Arm: armoury.arm})):
        yield CliHere(kafka)


async def dead(kafka: str, *messages: Sent, partition: int | None = None) -> list[DeadLettered]:
    """Send what cannot be handled, and wait for the letters."""
    async with reading(kafka, "dead-letter.v1") as take:
        await send(kafka, *messages, partition=partition)
        return [event_of(record) for record in await take(len(messages))]


async def test_a_letter_s_life(cli: Cli, armoury: Armoury) -> None:
    assert await cli("list") == (0, "no open dead letters\n", "")
    topic, key, headers, value = command("c1", ARM)
    private = [*headers, ("authorization", b"hunter2"), ("x", b"\x1b[31m")]
    await dead(cli.kafka, (topic, key, private, value))
    (open_,) = await cli.letters()
    id_ = open_["id"]
    assert (open_["group"], open_["topic"], open_["reason"]) == ("recovery", topic, "failed")

    code, out, _ = await cli("list")
    assert (code, out.split()[0]) == (0, id_[:8])
    assert "an unexpected error (RuntimeError)" in out

    code, shown, _ = await cli("show", id_[:6].upper())
    assert code == 0
    assert "ce_id=c1" in shown
    assert "hunter2" not in shown
    code, shown, _ = await cli("show", id_, "--value")
    assert "authorization=hunter2" in shown
    assert '"snapshot_id":"hunter2"' in shown
    assert "\x1b" not in shown

    armoury.broken = False
    code, out, _ = await cli("replay", "--yes", id_[:8], "--actor", "anna", "--reason", "mended")
    assert (code, out.startswith(f"replayed {id_} ")) == (0, True)
    await until(lambda: armoury.armed == ["c1"])
    assert await cli.letters() == []
    (settled,) = await cli.letters("--all")
    assert settled["settled"] == {"how": "replayed", "actor": "anna", "reason": "mended"}

    code, out, err = await cli("replay", "--yes", id_)
    assert (code, out) == (Exit.BLOCKED, "")
    assert "replayed by anna already; --again" in err
    assert (await cli("replay", "--yes", id_, "--again", "--json"))[:2] == (0, f'{{"replayed":["{id_}"]}}\n')
    async with reading(cli.kafka, "alerts.warning.v1", topic) as take:
        records = await take(6)  # the command three times; raised once, resolved twice
    assert len({dict(record.headers)["ce_id"] for record in records if record.topic == topic}) == 1
    alerts = [event for record in records if isinstance(event := event_of(record), WarningAlert)]
    assert [alert.state for alert in alerts] == ["raised", "resolved", "resolved"]
    assert len({alert.alert_id for alert in alerts}) == 1


@pytest.mark.parametrize("partition", [0, 1])  # the key alone would choose one
async def test_a_replay_is_the_message_as_it_was_in_its_place(cli: Cli, partition: int) -> None:
    topic, key, _, _ = command("c1", ARM)
    broken: list[tuple[str, Any]] = [("a", None), ("a", b"\xff"), ("", b""), ("a", None)]
    (letter,) = await dead(cli.kafka, (topic, key, broken, b"\xff\x00"), partition=partition)
    async with reading(cli.kafka, topic, "dead-letter.v1") as take:
        await take(2)
        id_ = (await cli.letters())[0]["id"]
        assert (await cli("replay", "--yes", id_))[0] == 0
        records = await take(3)  # the message, its letter's settlement, its new letter
    (again,) = [record for record in records if record.topic == topic]
    assert (again.key, list(again.headers)[:4], again.value) == (key, broken, b"\xff\x00")
    assert again.partition == letter.partition == partition
    (new,) = [
        event for record in records if record.topic != topic and isinstance(event := event_of(record), DeadLettered)
    ]
    assert (new.offset, new.replay_of, len(new.headers)) == (letter.offset + 1, id_, 7)
    # a replay of the replay is addressed once
    (open_,) = await cli.letters()
    assert (open_["replay_of"], open_["offset"]) == (id_, letter.offset + 1)


async def test_drop_settles_in_the_letter_s_own_partition(cli: Cli) -> None:
    topic, key, headers, _ = command("c1", ARM)
    await dead(cli.kafka, (topic, key, headers, b"{"), (topic, key, headers, b"["))
    first, second = [letter["id"] for letter in await cli.letters()]
    code, _, err = await cli("drop", first)
    assert (code, "--reason" in err) == (Exit.USAGE, True)
    assert (await cli("drop", first, second, "--reason", "nonsense", "--json"))[0] == 0
    assert await cli.letters() == []
    code, _, err = await cli("drop", first, "--reason", "again")
    assert (code, "dropped already" in err) == (Exit.BLOCKED, True)
    code, out, _ = await cli("list", "--all")
    assert out.count("[dropped by surefoot cli: nonsense]") == 2
    places: dict[str, set[int]] = {}
    async with reading(cli.kafka, "dead-letter.v1") as take:
        for record in await take(4):
            event = event_of(record)
            id_ = event.letter if isinstance(event, DeadLetterSettled) else dict(record.headers)["ce_id"].decode()
            places.setdefault(id_, set()).add(record.partition)
    assert {id_: len(where) for id_, where in places.items()} == {first: 1, second: 1}


async def test_what_cannot_be_replayed_is_refused_and_nothing_is_done(cli: Cli) -> None:
    topic, key, headers, _ = command("c1", ARM)
    await dead(
        cli.kafka,
        (topic, key, headers, b"{"),
        (topic, key, headers, b"{" * 900_000),
        command("c2", ARM, expires_at=datetime.now(UTC)),
    )
    whole, cut, expired = sorted(await cli.letters(), key=lambda letter: int(letter["offset"]))
    assert (cut["cut"], cut["value_bytes"], expired["reason"]) == (True, 900_000, "expired")
    code, out, err = await cli("replay", "--yes", whole["id"], cut["id"], expired["id"])
    assert (code, out) == (Exit.BLOCKED, "")
    assert f"{cut['id']}: it does not hold the whole message" in err
    assert f"{expired['id']}: its message has expired" in err
    assert len(await cli.letters()) == 3


async def test_filters(cli: Cli) -> None:
    topic, key, headers, _ = command("c1", ARM)
    await dead(cli.kafka, (topic, key, headers, b"{"), command("c2", ARM))
    assert [one["reason"] for one in await cli.letters("--reason", "failed")] == ["failed"]
    assert len(await cli.letters("--group", "recovery")) == 2
    assert await cli.letters("--group", "monitor") == []


async def test_foreign_messages_on_the_topic_are_told_of(kafka: str) -> None:
    await ensure_topics(KafkaConnection(kafka), 1)
    letters = CliHere(kafka)
    await send(kafka, ("dead-letter.v1", b"x", [], b"x"), ("dead-letter.v1", b"x", command("c1", ARM)[2], b"{}"))
    code, out, err = await letters("list")
    assert (code, out) == (0, "no open dead letters\n")
    assert "2 messages on the topic could not be read" in err


async def test_without_kafka_one_sentence() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{probe.getsockname()[1]}"
    code, out, err = await Cli(nobody)("list")
    assert (code, out) == (Exit.FAILED, "")
    assert f"Kafka at {nobody} does not answer" in err
    assert len(err.splitlines()) == 1


async def test_without_the_topic_one_sentence(kafka: str) -> None:
    code, _, err = await CliHere(kafka)("list")
    assert (code, "no topic dead-letter.v1" in err) == (Exit.FAILED, True)


async def test_a_kafka_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    from surefoot import dead_letter_topic, kafka

    monkeypatch.setattr(kafka, "ANSWER_SECONDS", 0.5)
    silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with silent:
        where = f"127.0.0.1:{silent.sockets[0].getsockname()[1]}"
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", where)
        async with asyncio.timeout(20):
            with pytest.raises(CannotDo, match=where) as caught:
                await dead_letter_topic.read()
    assert caught.value.code == Exit.FAILED


async def test_a_reader_that_has_had_enough_is_no_silent_kafka() -> None:
    from surefoot.kafka import started

    class Reached:
        servers, arguments = "kafka:9092", dict[str, object]()

        async def probe(self) -> None: ...

    class Client:
        def __init__(self, **_: object) -> None: ...

        async def start(self) -> None: ...

        async def stop(self) -> None: ...

    reached: Any = Reached()
    with pytest.raises(BrokenPipeError):
        async with started(reached, Client, Client.stop):
            raise BrokenPipeError


def letter(id_: str) -> Letter:
    body = DeadLettered.model_construct(
        topic="t", partition=0, offset=0, group="g", reason="failed", detail="", key=None, headers=(), value=None
    )
    return Letter(id_, datetime.now(UTC), 0, body)


ALL = Letters((letter("abcd1111"), letter("abcd2222"), letter("beef1111")), 0)


def test_ids_are_found_by_their_beginning() -> None:
    assert [one.id for one in ALL.named(["BEEF", "abcd1", "beef1111"])] == ["beef1111", "abcd1111"]


@pytest.mark.parametrize(
    ("prefix", "says"),
    [("abcd", "abcd is ambiguous: abcd1111, abcd2222"), ("dead", "no dead letter dead"), ("be", "too short")],
)
def test_what_names_no_one_letter_is_refused(prefix: str, says: str) -> None:
    with pytest.raises(CannotDo, match=says) as caught:
        ALL.named([prefix])
    assert caught.value.code == Exit.USAGE


def test_envelopes_of_settlements_are_read() -> None:
    word = DeadLetterSettled(letter="abcd", how="dropped", actor="anna", reason="old")
    message = Envelope(Meta("1", "surefoot/cli", datetime.now(UTC)), word).to_message()
    assert (message.topic, message.key) == ("dead-letter.v1", b"abcd")
